"""Two tenants that know nothing of each other, and a page of each for every record type; what a read looks at."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, event

from tests.support.api import Caller, get, person
from tests.support.databases import FreshDatabase
from tests.support.world import RecordType, Row, World
from wellspring.access.principal import principal_of, scope_of
from wellspring.database import scope
from wellspring.settings import CallerSettings


@dataclass(frozen=True)
class Tenant:
    """A workspace with a member and one provenance row."""

    workspace: Row
    member: Row
    connector: Row
    record: Row
    provenance: Row

    @property
    def caller(self) -> Caller:
        return person(self.member)


def tenant(world: World, type_: RecordType) -> Tenant:
    workspace = world.workspace()
    member = world.people(workspace)
    world.member(member, workspace)
    connector = world.workspace_connector(workspace)
    record = world.record(type_, workspace)
    return Tenant(workspace, member, connector, record, world.provenance(record, connector))


@pytest.fixture
def ours(world: World) -> Tenant:
    """The caller's tenant, of companies."""
    return tenant(world, "company")


@pytest.fixture
def theirs(world: World) -> Tenant:
    """A foreign tenant, of companies."""
    return tenant(world, "company")


def fetched(database: FreshDatabase, url: str, caller: Caller) -> int:
    """Ask for `url`; return how many pages of memory the plans of its statements look at."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Connection, _cursor: object, statement: str, values: object, *_: object) -> None:
        sent.append((statement, values))

    engine = database.engine("wellspring_reader")
    with engine.connect():
        pass  # so that what SQLAlchemy asks a first connection is not among it
    event.listen(engine, "before_cursor_execute", note)
    reply = get(url, caller)
    event.remove(engine, "before_cursor_execute", note)
    assert reply.status == 200
    assert reply.document["data"]
    looked_at = 0
    for statement, values in sent:
        with engine.connect() as session:
            driver: Any = session.connection.dbapi_connection
            driver.is_snapshot = True
            try:
                scope.enter(session, scope_of(principal_of(caller.claims, CallerSettings())) or "")
                explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                session.exec_driver_sql(explain, values)  # for the first time functions are planned, too
                explained = session.exec_driver_sql(explain, values).scalar_one()
            finally:
                driver.is_snapshot = False
        (plans,) = explained if isinstance(explained, list) else json.loads(explained)
        looked_at += plans["Plan"]["Shared Hit Blocks"] + plans["Plan"]["Shared Read Blocks"]
    return looked_at
