"""Fixtures of the feed's tests: the feeder's role, and the tables as their owner sees them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.support.databases import CONSUMER, FEEDER, AnyDatabase, role_of_call
from tests.support.queue import Body, consume
from tests.support.world import World


@pytest.fixture(autouse=True)
def as_feeder(world: World) -> None:
    """The feeder's role, in whichever database the test uses."""
    world.database.role = FEEDER


def sync(*bodies: Body | str) -> None:
    """Have the sync queue's consumer take messages, as the role that it logs in with."""
    role = role_of_call.set(CONSUMER)
    try:
        assert consume(*bodies) == []
    finally:
        role_of_call.reset(role)


class Tables:
    """What is written down, as the owner of the tables sees it."""

    def __init__(self, database: AnyDatabase) -> None:
        self.database = database

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Have the owner run a statement, and commit; return its rows, where it has some."""
        done = self.database.owner.execute(text(statement), values)
        found = done.all() if done.returns_rows else []
        self.database.commit()
        return found

    def one(self, statement: str, **values: Any) -> Any:
        (row,) = self.rows(statement, **values)
        return row

    def count(self, table: str) -> int:
        return int(self.one(f"SELECT count(*) FROM {table}")[0])

    def resource(self, table: str, id_: UUID | str) -> Any:
        """Return the row of that id, or None."""
        found = self.rows(f"SELECT * FROM core_api.{table} WHERE id = :id", id=id_)
        return found[0] if found else None

    def pending(self) -> list[tuple[str, str | None, str | None, str | None]]:
        """Return the outcome, reason and what is missing of every event that is kept, in the order of their coming."""
        return [
            tuple(row)
            for row in self.rows(
                "SELECT outcome, reason, missing_type, missing_key FROM wellspring.pending_events ORDER BY pk"
            )
        ]


@pytest.fixture
def tables(world: World) -> Tables:
    return Tables(world.database)
