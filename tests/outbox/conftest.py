"""A ledger that sends events out, and what is in its outbox."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.databases import CONSUMER, FreshDatabase
from tests.support.world import World
from tests.sync.conftest import Tenant, tenant
from wellspring.ledger_events import envelope

TOLD = text("""
SELECT id, sequence, type, partition_key, workspace_id, subject, occurred_at, data, published_at
  FROM wellspring.outbox ORDER BY sequence""")


@dataclass
class Outbox:
    database: FreshDatabase

    def rows(self) -> list[dict[str, Any]]:
        found = [dict(row) for row in self.database.owner.execute(TOLD).mappings()]
        self.database.commit()
        return found

    def events(self) -> list[dict[str, Any]]:
        return [envelope(row) for row in self.rows()]

    def taken(self) -> list[tuple[str, dict[str, Any]]]:
        """Return types without what all have in common, and data, and forget them."""
        found = [(event["type"].removeprefix("wellspring."), event["data"]) for event in self.events()]
        self.database.owner.execute(text("DELETE FROM wellspring.outbox"))
        self.database.commit()
        return found

    def types(self) -> list[str]:
        return [type_ for type_, _ in self.taken()]


@pytest.fixture
def world(fresh_database: FreshDatabase) -> World:
    """Transactions that really commit: much is told by COMMIT alone."""
    fresh_database.role = CONSUMER
    return World(fresh_database)


@pytest.fixture
def outbox(fresh_database: FreshDatabase) -> Outbox:
    return Outbox(fresh_database)


@pytest.fixture(autouse=True)
def bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_BUS", "wellspring")


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "Ours")
