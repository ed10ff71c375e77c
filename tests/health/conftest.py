"""A tenant with a connector, and what is written down about that."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.support.api import Caller, person
from tests.support.databases import CONSUMER, AnyDatabase
from tests.support.queue import Body, consume, synced
from tests.support.world import Row, World

FOUND = text("""
SELECT connector.health, state.health_reasons AS reasons, state.health_changes_at AS changes_at, state.expected_by,
       state.complete_through, state.syncs
  FROM core_api.workspace_connectors AS connector
  LEFT JOIN wellspring.connector_state AS state ON state.workspace_connector_pk = connector.pk
 WHERE connector.pk = :pk""")


@dataclass
class Kept:
    """What is kept about a connector, as the owner of the tables sees it."""

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
        """Let all of it be so much older."""
        sets = ", ".join(
            f"{name} = {name} - CAST(:time AS interval)"
            for name in ("last_synced_at", "last_failed_at", "applied_at", "disconnected_at", "health_changes_at")
        )
        self.database.owner.execute(
            text(
                f"UPDATE wellspring.connector_state SET {sets},"
                " syncs = ARRAY(SELECT at - CAST(:time AS interval) FROM unnest(syncs) AS at)"
                " WHERE workspace_connector_pk = :pk"
            ),
            {"time": time, "pk": self.connector.pk},
        )
        self.database.commit()


@dataclass
class Tenant:
    """A workspace with a member, a connector and a company."""

    workspace: Row
    member: Row
    connector: Row
    company: Row
    kept: Kept = field(repr=False)

    @property
    def caller(self) -> Caller:
        return person(self.member)

    def sync(self, at: datetime, **members: Any) -> Body:
        """Have the connector sync its company at a time; return the message."""
        message = synced(self.connector, [self.company]) | {"occurred_at": at.isoformat()} | members
        assert consume(message) == []
        return message

    def park(self, *records: Row) -> Body:
        """Send a message of the connector that names a company that is not there."""
        message = synced(self.connector, records or [Row("company", 0, uuid4())])
        assert consume(message) == []
        return message


def tenant(world: World) -> Tenant:
    workspace = world.workspace()
    member = world.people(workspace)
    world.member(member, workspace)
    connector = world.workspace_connector(workspace)
    return Tenant(workspace, member, connector, world.company(workspace), Kept(world.database, connector))


@pytest.fixture
def ours(world: World) -> Tenant:
    world.database.role = CONSUMER
    return tenant(world)


@pytest.fixture
def theirs(world: World) -> Tenant:
    return tenant(world)


@pytest.fixture
def now(world: World) -> datetime:
    """The time of the test's transaction, by the database's clock."""
    found = world.database.owner.exec_driver_sql("SELECT date_trunc('milliseconds', now())").scalar_one()
    world.database.commit()
    assert isinstance(found, datetime)
    return found
