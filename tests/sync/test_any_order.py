"""Appends, invalidations and the record that both miss, in any order: nothing is live that should not be."""

from uuid import uuid4

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from maintenance.settle import handler as settle
from tests.support.api import Context
from tests.support.queue import consume, invalidated, synced
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Tenant

STEPS = ("append", "invalidate", "record", "settle")


@seed(7)
@settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(STEPS), min_size=2, max_size=7))
def test_what_is_live_is_what_came_behind_the_last_invalidation(
    world: World, ours: Tenant, ledger: Ledger, steps: list[str]
) -> None:
    record, connector = Row("company", 0, uuid4()), world.workspace_connector(ours.workspace)
    is_there = False
    for step in (*steps, "record", "settle"):
        match step:
            case "append":
                assert consume(synced(connector, [record])) == []
            case "invalidate":
                assert consume(invalidated(connector, [record])) == []
            case "record" if not is_there:
                world.record("company", ours.workspace, id=record.id)
                is_there = True
            case "settle":
                settle({}, Context())
    behind = steps[max((place for place, step in enumerate(steps) if step == "invalidate"), default=-1) + 1 :]
    assert ledger.live(connector)[record.id] == behind.count("append"), steps
    sums_are_right(ledger.database)
