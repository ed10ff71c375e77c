"""After very many random effects the sums are what the rows are; a run of 10,000 rows is undone and leaves the others.

`EFFECTS=2000000` asks for as many: rows that are linked and ended.
"""

import random

import pytest

from local.settings import number
from tests.support.databases import FreshDatabase
from tests.support.queue import consume, disconnected, invalidated, synced
from tests.support.sums import sums_are_right
from tests.support.world import World
from tests.sync.conftest import Ledger, ids, tenant

pytestmark = pytest.mark.long

RECORDS = 400


def test_after_many_random_effects_the_recount_finds_nothing(fresh_database: FreshDatabase, world: World) -> None:
    ours, chance = tenant(world, "Ours"), random.Random(7)
    records = [*world.companies(ours.workspace, RECORDS), *ours.accounts, *ours.peoples]
    effects, wanted = 0, number("EFFECTS", 20_000, 10**9)
    counted = "SELECT coalesce(sum(linked + ended), 0)::bigint FROM wellspring.connector_activity"
    while effects < wanted:
        for _ in range(20):
            connector = chance.choice((ours.connector, ours.other_connector))
            some = chance.sample(records, chance.randint(1, len(records)))
            match chance.choices(("append", "relink", "invalidate", "disconnect"), (5, 5, 2, 0.2))[0]:
                case "invalidate":
                    body = invalidated(connector, some)
                case "disconnect":
                    body = disconnected(connector)
                case mode:
                    body = synced(connector, some, chance.choice(("input", "output")), mode=mode)
            assert consume(body) == []
        effects = world.database.owner.exec_driver_sql(counted).scalar_one()
        world.database.commit()
    sums_are_right(world.database)


def test_a_run_of_ten_thousand_rows_is_undone_and_leaves_exactly_the_others(
    fresh_database: FreshDatabase, world: World, ledger: Ledger
) -> None:
    ours = tenant(world, "Ours")
    records = world.companies(ours.workspace, 2500)
    others = synced(ours.connector, records[:700])
    bodies = [synced(ours.connector, records) | {"run": "nightly"} for _ in range(4)]
    assert consume(others) == []
    assert consume(*bodies) == []
    assert sum(ledger.live().values()) == 10_700
    undo = disconnected(ours.connector) | {"type": "sync.reverted", "run": "nightly"}
    assert consume(undo) == []
    assert ledger.live() == ids(records[:700])
    sums_are_right(world.database)
