"""Cost of a request, as Postgres tells it: the pages that it looks at, and the plans of its statements."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from tests.support.api import READER as ANY_SERVICE
from tests.support.api import Caller, Reply, get
from tests.support.databases import READER, Database, FreshDatabase, Role, Statements, tuples_read
from tests.support.transactions import enter
from wellspring.access.principal import principal_of, scope_of
from wellspring.database.session import Session, WireStatement, session_of
from wellspring.settings import CallerSettings

# So often at most a session plans what its functions ask, before it keeps a plan: to plan is to look at the catalogue.
PLANNED_ANEW = 6
RELATIONS = (
    "SELECT array_agg(oid)::text FROM pg_class"
    " WHERE relnamespace IN (to_regnamespace('core_api'), to_regnamespace('wellspring'))"
)
# Of this transaction, and of others whose figures the session has not handed in yet.
FETCHED = "SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM unnest(%s::oid[]) AS oid"
# Heads, page, the other side of the cursor and the cursor's own row, for a page of 20 and one connector.
ENOUGH = 100
type Sent = tuple[str, Any]


def keep_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no transaction end with its last statement: what was fetched is told in the transaction."""
    pipelined = Session.pipelined

    def open_ended(session: Session, statements: Sequence[WireStatement], **_: bool) -> AbstractContextManager[None]:
        return pipelined(session, statements)

    monkeypatch.setattr(Session, "pipelined", open_ended)


class Meter:
    """Counts the pages that transactions of one role look at, their functions' among them, which no plan shows."""

    def __init__(self, database: FreshDatabase, role: Role = READER) -> None:
        self.engine = database.engine(role)
        self._database = database
        self._relations = database.owner.exec_driver_sql(RELATIONS).scalar_one()
        self._counted: list[int] = []
        # The first list of a process reads the cursor keys.
        get("/v1/connectors", ANY_SERVICE)

    def _begun(self, connection: Connection) -> None:
        """Have counted what came before, in a transaction of its own: how its own begins is for the product to say."""
        connection.connection.cursor().execute("SELECT pg_stat_force_next_flush()")
        connection.connection.commit()

    def _ending(self, connection: Connection) -> None:
        # Not through SQLAlchemy, which would tell of it, too.
        cursor: Any = connection.connection.cursor()
        cursor.execute(FETCHED, (self._relations,))
        self._counted.append(int(cursor.fetchall()[0][0]))
        cursor.close()

    @contextmanager
    def measuring(self) -> Iterator[list[int]]:
        """Give a list that holds the number when the block has ended."""
        found: list[int] = []
        listeners = {"begin": self._begun, "commit": self._ending, "rollback": self._ending}
        for name, listener in listeners.items():
            event.listen(self.engine, name, listener)
        with pytest.MonkeyPatch.context() as patched:
            keep_open(patched)
            yield found
        for name, listener in listeners.items():
            event.remove(self.engine, name, listener)
        found.append(sum(self._counted))
        self._counted.clear()

    def asked(self, url: str, caller: Caller) -> tuple[Reply, list[Sent], int]:
        """Ask for `url`; return the answer, the statements that were sent for it, and how many pages they looked at."""
        with self.measuring() as found:
            reply, sent = asked(self._database, url, caller)
        return reply, sent, found[0]

    def cost(self, url: str, caller: Caller, *, again: bool = False) -> int:
        """Ask for `url`, or ask again once the session has its plans; return how many pages that looks at."""
        for _ in range(PLANNED_ANEW if again else 0):
            get(url, caller)
        reply, _, cost = self.asked(url, caller)
        assert reply.status == 200, (url, reply.body)
        return cost


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


def sent_for(statements: Statements, url: str, caller: Caller) -> tuple[int, Reply]:
    """Ask for `url` twice; return how many statements the second time takes, and the answer."""
    # The first answer of a process also reads the cursor keys.
    get(url, caller)
    statements.clear()
    reply = get(url, caller)
    assert reply.status == 200, reply.body
    return len(statements), reply


def plan_of(database: FreshDatabase, sent: Sent, caller: Caller, options: str = "ANALYZE") -> dict[str, Any]:
    """Return the topmost node of the plan of a statement, explained in a transaction as a read of the caller has it."""
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


def touched(plan: dict[str, Any], table: str) -> int:
    """Return how many rows of a table a plan read, whether it kept them or not."""
    own = 0
    if plan.get("Relation Name") == table or table in plan.get("Index Name", ""):
        dropped = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = int((plan["Actual Rows"] + dropped) * plan["Actual Loops"])
    return own + sum(touched(child, table) for child in plan.get("Plans", []))


def explain(database: FreshDatabase, url: str, caller: Caller, table: str) -> tuple[int, Any]:
    """Ask for `url`; return how many rows of a table the plans of its statements touch, and the document."""
    reply, sent = asked(database, url, caller)
    assert reply.status == 200, reply.body
    plans = [plan_of(database, each, caller) for each in sent if table in each[0]]
    assert plans
    return sum(touched(plan, table) for plan in plans), reply.document


def cheap(database: FreshDatabase, url: str, caller: Caller, table: str) -> Any:
    """Ask for a page, and for the next: each must touch few rows of a table. Return the document of the first."""
    rows, document = explain(database, url, caller, table)
    assert rows < ENOUGH, url
    if following := document["links"]["next"]:
        assert explain(database, following, caller, table)[0] < ENOUGH, url
    return document


def rows_read(database: Database, url: str, caller: Caller, *names: str) -> tuple[int, Reply]:
    """Ask for `url`; return how many rows and entries of indexes that reads, its functions too, and the answer.

    Of these schemas, or tables with their schema; of the two schemas where none is named.
    """
    names = names or ("core_api", "wellspring")
    before = tuples_read(database.owner, *names)
    reply = get(url, caller)
    assert reply.status == 200, reply.body
    return (tuples_read(database.owner, *names) - before).total(), reply
