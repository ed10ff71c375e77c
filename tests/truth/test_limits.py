"""Limits that stand in two places agree."""

import re

import pytest

from local.template import Template
from tests.support.databases import Database


@pytest.mark.parametrize("function", Template().functions.values(), ids=lambda function: function.name)
def test_the_database_ends_a_statement_before_lambda_ends_the_function(database: Database, function: object) -> None:
    found = next(known for known in Template().functions.values() if known.name == getattr(function, "name", ""))
    settings = database.owner.exec_driver_sql(
        "SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = %s", (found.environment["DB_USER"],)
    ).scalars()
    limits = dict(str(setting).split("=", 1) for setting in settings)
    assert limits["jit"] == "off"
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        (seconds,) = re.findall(r"^(\d+)s$", limits[name])
        assert 0 < int(seconds) < found.timeout
