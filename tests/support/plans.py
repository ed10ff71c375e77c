"""Plans of a request's statements, as Postgres tells them."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from tests.support.api import Caller, Reply, get
from tests.support.databases import READER, FreshDatabase
from tests.support.transactions import enter
from wellspring.access.principal import principal_of, scope_of
from wellspring.database.session import Session, WireStatement, session_of
from wellspring.settings import CallerSettings

# So often at most a session plans what its functions ask, before it keeps a plan: to plan is to look at the catalogue.
PLANNED_ANEW = 6
type Sent = tuple[str, Any]


def keep_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no transaction end with its last statement: what was fetched is told in the transaction."""
    pipelined = Session.pipelined

    def open_ended(session: Session, statements: Sequence[WireStatement], **_: bool) -> AbstractContextManager[None]:
        return pipelined(session, statements)

    monkeypatch.setattr(Session, "pipelined", open_ended)


def asked(database: FreshDatabase, url: str, caller: Caller) -> tuple[Reply, list[Sent]]:
    """Ask for `url`; return the answer, and the statements that were sent for it, each with its values."""
    sent: list[Sent] = []

    def note(_connection: Connection, _cursor: object, statement: str, values: object, *_: object) -> None:
        sent.append((statement, values))

    engine = database.engine(READER)
    with engine.connect():
        pass  # so that what SQLAlchemy asks a first connection is not among it
    event.listen(engine, "before_cursor_execute", note)
    try:
        return get(url, caller), sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def plan_of(database: FreshDatabase, sent: Sent, caller: Caller, options: str = "ANALYZE") -> dict[str, Any]:
    """Return the topmost node of the plan of a statement, explained in a transaction as a read of the caller has it.

    Args:
        database: where.
        sent: the statement.
        caller: for whom.
        options: of EXPLAIN, beside its format.
    """
    statement, values = sent
    with database.engine(READER).connect() as session:
        session_of(session).begin(is_read=True)
        enter(session, scope_of(principal_of(caller.claims, CallerSettings())))
        explain = f"EXPLAIN ({options}, FORMAT JSON) {statement}"
        for _ in range(PLANNED_ANEW):
            session.exec_driver_sql(explain, values)
        explained = session.exec_driver_sql(explain, values).scalar_one()
        session_of(session).begin()
    plans = explained if isinstance(explained, list) else json.loads(explained)
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan
