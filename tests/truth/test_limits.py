"""Limits that stand in two places agree."""

import re
from datetime import timedelta

import pytest

from local.postgres import OWNER
from local.settings import ROOT
from local.template import Function, Template
from tests.support.databases import WRITER, Database
from wellspring.database.scope import LONGEST_STATEMENT_SECONDS
from wellspring.services.pruning import LEAST_AUDITED, LEAST_KEPT
from wellspring.services.sync.applying import CHUNK
from wellspring.settings import audit_days, history_days

# The owner, who migrates, sets limits of its own (tests/deployment).
FUNCTIONS = [found for found in Template().functions.values() if found.environment["DB_USER"] != OWNER]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_the_database_ends_a_statement_before_lambda_ends_the_function(database: Database, function: Function) -> None:
    settings = database.owner.exec_driver_sql(
        "SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = %s", (function.environment["DB_USER"],)
    ).scalars()
    limits = dict(str(setting).split("=", 1) for setting in settings)
    assert limits["jit"] == "off"
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        (seconds,) = re.findall(r"^(\d+)s$", limits[name])
        assert 0 < int(seconds) < function.timeout


def test_a_message_is_remembered_for_longer_than_it_can_come_again_after_two_redrives() -> None:
    queues = Template().queues
    days = {
        name: int(queue.attributes["MessageRetentionPeriod"]) / 86_400
        for name, queue in (("queue", queues["SyncQueue"]), ("dead letters", queues["SyncDeadLetterQueue"]))
    }
    assert days == {"queue": 4, "dead letters": 14}
    parameter = Template().document["Parameters"]["HistoryDays"]
    assert timedelta(days=parameter["MinValue"]) == LEAST_KEPT
    assert timedelta(days=parameter["Default"]) >= LEAST_KEPT
    assert history_days() == parameter["Default"]
    assert LEAST_KEPT.days > 3 * days["queue"] + 2 * days["dead letters"]
    for document in ("messages.md", "adr/0014-how-long-the-inbox-remembers.md"):
        assert f"{LEAST_KEPT.days} days" in (ROOT / "docs" / document).read_text()


def test_who_wrote_what_is_kept_for_no_less_than_the_database_lets_it_be() -> None:
    parameter = Template().document["Parameters"]["AuditDays"]
    assert timedelta(days=parameter["MinValue"]) == LEAST_AUDITED
    assert audit_days() == parameter["Default"]


def test_the_guide_says_how_large_a_chunk_is() -> None:
    for document in ("messages.md", "adr/0012-disconnect-in-chunks.md"):
        assert f"{CHUNK:,}" in (ROOT / "docs" / document).read_text()


def test_the_consumer_never_allows_a_statement_more_than_its_role_does(database: Database) -> None:
    settings = database.owner.exec_driver_sql(
        "SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = %s", (WRITER,)
    ).scalars()
    assert f"statement_timeout={LONGEST_STATEMENT_SECONDS:.0f}s" in list(settings)
