"""Round trips of a batch: as many as of a message of one record, whatever it holds."""

from typing import Any

from tests.support import databases
from tests.support.databases import FreshDatabase
from tests.support.queue import Body, consume, invalidated, matched, synced
from tests.support.wire import Flushes
from tests.support.world import World
from tests.sync.conftest import Ledger, Tenant, ids

# What begins the transaction leaves with the first look at the batch; then what it writes, then COMMIT.
MOST = 3


def test_a_batch_takes_as_many_as_one_message_of_one_record(
    fresh_database: FreshDatabase,
    ours: Tenant,
    theirs: Tenant,
    ledger: Ledger,
    world: World,
    flushes: Flushes,
) -> None:
    def trips(*batch: Body) -> int:
        flushes.clear()
        assert consume(*batch) == []
        # One by one, a batch has a statement more for each thing to do.
        assert flushes.are(len(flushes))
        return len(flushes) if databases.pipelining == "true" else MOST

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
