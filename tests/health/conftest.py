"""A tenant with a connector, and what is written down about that."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Interval, bindparam, text

from tests.support import tenants
from tests.support.databases import CONSUMER, AnyDatabase
from tests.support.queue import Body, consume, synced
from tests.support.world import Row, World

FOUND = text("""
SELECT connector.health, state.health_reasons AS reasons, state.health_changes_at AS changes_at, state.expected_by,
       state.complete_through, state.syncs
  FROM core_api.workspace_connectors AS connector
  LEFT JOIN wellspring.connector_state AS state ON state.workspace_connector_pk = connector.pk
 WHERE connector.pk = :pk""")


OLDER = text("""
UPDATE wellspring.connector_state
   SET last_synced_at = last_synced_at - :time, last_failed_at = last_failed_at - :time,
       applied_at = applied_at - :time, disconnected_at = disconnected_at - :time,
       health_changes_at = health_changes_at - :time,
       syncs = ARRAY(SELECT at - :time FROM unnest(syncs) AS at)
 WHERE workspace_connector_pk = :pk""").bindparams(bindparam("time", type_=Interval))
# What the platform told of one may have made its row.
MADE = text("""
INSERT INTO wellspring.connector_state (workspace_connector_pk) SELECT unnest(CAST(:pks AS bigint[]))
ON CONFLICT (workspace_connector_pk) DO NOTHING""")
SYNCED = text("""
UPDATE wellspring.connector_state
   SET syncs = ARRAY(SELECT now() - ago FROM unnest(CAST(:ago AS interval[])) AS ago),
       last_synced_at = now() - CAST(:last AS interval), applied_at = now() - CAST(:last AS interval)
 WHERE workspace_connector_pk = ANY (CAST(:pks AS bigint[]))""")


@dataclass
class Kept:
    database: AnyDatabase
    connector: Row

    def row(self) -> Any:
        found = self.database.owner.execute(FOUND, {"pk": self.connector.pk}).one()
        self.database.commit()
        return found

    @property
    def health(self) -> str:
        return str(self.row().health)

    @property
    def codes(self) -> list[str]:
        return [reason["code"] for reason in self.row().reasons or ()]

    def passes(self, time: timedelta) -> None:
        self.database.owner.execute(OLDER, {"time": time, "pk": self.connector.pk})
        self.database.commit()


@contextmanager
def unjudged(database: AnyDatabase) -> Iterator[Connection]:
    """Write what is kept about connectors as if nobody judged it."""
    database.owner.exec_driver_sql("ALTER TABLE wellspring.connector_state DISABLE TRIGGER health_is_judged")
    yield database.owner
    database.owner.exec_driver_sql("ALTER TABLE wellspring.connector_state ENABLE TRIGGER health_is_judged")


def let_have_synced(database: AnyDatabase, connectors: Sequence[Row], ago: Sequence[timedelta]) -> None:
    """Let connectors of which nothing is kept have synced so long ago, the last time last."""
    values = {"pks": [each.pk for each in connectors], "ago": list(ago), "last": ago[-1]}
    database.owner.execute(MADE, values)
    # As of when they synced last, which is when they were judged last.
    database.owner.execute(SYNCED, values)


@dataclass(frozen=True)
class Tenant(tenants.Tenant):
    kept: Kept

    def sync(self, at: datetime, **members: Any) -> Body:
        message = synced(self.connector, [self.records["company"]]) | {"occurred_at": at.isoformat()} | members
        assert consume(message) == []
        return message

    def park(self, *records: Row) -> Body:
        """Send a message of the connector that names a company that is not there."""
        message = synced(self.connector, records or [Row("company", 0, uuid4())])
        assert consume(message) == []
        return message


@pytest.fixture
def ours(world: World) -> Tenant:
    world.database.role = CONSUMER
    made = tenants.tenant(world)
    return Tenant(**vars(made), kept=Kept(world.database, made.connector))


@pytest.fixture
def theirs(world: World) -> tenants.Tenant:
    return tenants.tenant(world)


@pytest.fixture
def now(world: World) -> datetime:
    """The time of the test's transaction, by the database's clock."""
    found = world.database.owner.exec_driver_sql("SELECT date_trunc('milliseconds', now())").scalar_one()
    world.database.commit()
    assert isinstance(found, datetime)
    return found
