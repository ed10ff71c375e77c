"""A server that does not let a role in (SQLSTATE class 28): it passes with IAM, so it is a 503 and a next try."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.databases import FreshDatabase, settings_for
from tests.support.transactions import in_transaction
from wellspring.database import Transaction, retry
from wellspring.database.engine import make_engine
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import DatabaseAway
from wellspring.settings import Settings


def work(transaction: Transaction) -> int:
    return int(transaction.execute(text("SELECT 1")).scalar_one())


@pytest.fixture
def allowed(fresh_database: FreshDatabase) -> Settings:
    return settings_for(fresh_database.url)


@pytest.mark.parametrize(
    ("change", "state"), [({"db_password": "another"}, "28P01"), ({"db_user": "nobody_of_that_name"}, "28P01")]
)
def test_a_refused_sign_in_is_unavailable(
    allowed: Settings, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], state: str
) -> None:
    engine = make_engine(replace(allowed, **change))
    monkeypatch.setattr("wellspring.database.scope.connection", engine.connect)
    with pytest.raises(DatabaseAway) as caught:
        in_transaction(work)
    engine.dispose()
    assert caught.value.status == 503
    assert caught.value.evidence["sqlstate"] == state


def test_the_consumer_tries_again_until_it_is_let_in(allowed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    refused, let_in = (make_engine(config) for config in (replace(allowed, db_password="another"), allowed))
    engines = iter((refused, refused, let_in))
    monkeypatch.setattr("wellspring.database.scope.connection", lambda: next(engines).connect())
    monkeypatch.setattr(retry, "sleep", lambda _: None)
    assert with_retries(work, None, Deadline(60)) == 1
    for engine in (refused, let_in):
        engine.dispose()
