"""Fixtures of the feed's tests: the feeder's role, and the tables as their owner sees them."""

from typing import Any
from uuid import UUID

import pytest

from tests.support.databases import CONSUMER, FEEDER, acting_as
from tests.support.queue import Body, consume
from tests.support.world import World
from tests.sync.conftest import Ledger, Tenant, tenant


@pytest.fixture(autouse=True)
def as_feeder(world: World) -> None:
    world.database.role = FEEDER


def sync(*bodies: Body | str) -> None:
    """Have the sync queue's consumer take messages, as the role that it logs in with."""
    with acting_as(CONSUMER):
        assert consume(*bodies) == []


class Tables(Ledger):
    def one(self, statement: str, **values: Any) -> Any:
        (row,) = self.sql(statement, **values)
        return row

    def count(self, table: str) -> int:
        return int(self.value(f"SELECT count(*) FROM {table}"))

    def resource(self, table: str, id_: UUID | str) -> Any:
        return next(iter(self.sql(f"SELECT * FROM core_api.{table} WHERE id = :id", id=id_)), None)

    def pending(self) -> list[tuple[str, str | None, str | None, str | None]]:
        """Return the outcome, reason and what is missing of every event that is kept, in the order of their coming."""
        kept = "SELECT outcome, reason, missing_type, missing_key FROM wellspring.pending_events ORDER BY pk"
        return [tuple(row) for row in self.sql(kept)]


@pytest.fixture
def tables(world: World) -> Tables:
    return Tables(world.database)


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "Ours")
