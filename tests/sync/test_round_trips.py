"""How often a batch waits for the database: as often as a message of one record, whatever it holds."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.databases import FreshDatabase
from tests.support.queue import Body, consume, invalidated, matched, synced
from tests.support.world import World
from tests.sync.conftest import Ledger, Tenant, ids
from wellspring.database.wire import Wire

# What begins the transaction leaves with the first look at the batch; then what it writes, then COMMIT.
MOST = 3


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    """Grows by one each time that something is sent, and waited for."""
    sent: list[Wire] = []
    flush: Callable[[Wire], None] = Wire.flush

    def counted(wire: Wire) -> None:
        sent.append(wire)
        flush(wire)

    monkeypatch.setattr(Wire, "flush", counted)
    return sent


def test_a_batch_takes_as_many_as_one_message_of_one_record(
    fresh_database: FreshDatabase,
    ours: Tenant,
    theirs: Tenant,
    ledger: Ledger,
    world: World,
    flushes: list[Wire],
) -> None:
    def trips(*batch: Body) -> int:
        flushes.clear()
        assert consume(*batch) == []
        return len(flushes)

    providers = [world.provider(f"provider-{number}") for number in range(3)]
    companies = world.companies(ours.workspace, 1000)
    hundreds = [companies[start::10] for start in range(10)]
    trips(synced(ours.connector, companies[:1]))
    one = trips(synced(ours.connector, companies[:1]))
    many = trips(*(synced(ours.connector, records) for records in hundreds))
    relinked = trips(*(synced(ours.connector, records, mode="relink") for records in hundreds))
    mixed: list[Any] = [
        invalidated(ours.connector, companies),
        synced(ours.other_connector, companies),
        matched(theirs.workspace, providers),
        synced(theirs.connector, theirs.mixed),
    ]
    assert {one, many, relinked, trips(*mixed)} == {one}
    assert one <= MOST
    assert ledger.live() == ids(theirs.mixed) + ids(companies)
