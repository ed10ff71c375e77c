"""Random histories of resources, shuffled, doubled and cut into batches, through two consumers at once: no deadlock.

Whatever the order, what is there at the end is what a model in plain Python says (tests/support/histories.py).
"""

import random
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tests.feed.conftest import Tables
from tests.support.databases import FEEDER, FreshDatabase
from tests.support.feed import apply, deleted, settle, statuses, upserted
from tests.support.histories import TABLES, batches, histories, problems
from wellspring.repositories.feed import applying


@pytest.fixture
def emptied(fresh_database: FreshDatabase, tables: Tables) -> Tables:
    fresh_database.role = FEEDER
    return tables


def empty(tables: Tables) -> None:
    names = ", ".join(f"core_api.{table}" for table, _ in TABLES.values())
    tables.sql(
        f"TRUNCATE {names}, wellspring.pending_events, wellspring.tombstones, wellspring.endings,"
        " wellspring.feed_sources CASCADE"
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
# A membership that waits for a person who is erased before they come.
@example(seed=135)
def test_end_as_the_model_says_whatever_the_order(emptied: Tables, seed: int) -> None:
    chance = random.Random(seed)
    empty(emptied)
    told = histories(chance)
    events = [event for history in told for event in history.events()]
    cut = batches(chance, events)
    with ThreadPoolExecutor(2) as consumers:
        found = list(consumers.map(lambda batch: apply(*batch), cut))
        assert not [verdict for verdicts in found for verdict in verdicts if verdict.status in {"returned", "parked"}]
        list(consumers.map(lambda _: settle(), range(2)))
    settle()
    assert list(problems(told, emptied.sql)) == []
    assert emptied.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0] == 0


@pytest.mark.parametrize("is_exclusive", [False, True], ids=["shared", "exclusive"])
def test_a_connector_that_is_made_while_a_lock_is_waited_for_is_locked_in_a_new_transaction(
    emptied: Tables, monkeypatch: pytest.MonkeyPatch, *, is_exclusive: bool
) -> None:
    workspace, connector, link = uuid4(), uuid4(), uuid4()
    assert statuses(upserted("workspace", workspace), upserted("connector", connector)) == ["applied", "applied"]
    waited: list[Collection[str]] = []
    lock_types = applying.lock_types

    def of(version: int) -> dict[str, object]:
        return upserted("workspace_connector", link, version, workspace_id=workspace, connector_id=connector)

    def lock(transaction: Connection, types: Collection[str], exclusive: Collection[str] = ()) -> None:
        if bool(exclusive) is is_exclusive:
            waited.append(exclusive)
            if len(waited) == 1:
                with ThreadPoolExecutor(1) as other:
                    assert other.submit(statuses, of(1)).result() == ["applied"]
        lock_types(transaction, types, exclusive)

    monkeypatch.setattr(applying, "lock_types", lock)
    if is_exclusive:
        assert statuses(deleted("company", uuid4()), of(2)) == ["applied", "applied"]
        assert waited == [{"company"}, {"company"}]
    else:
        assert statuses(of(2)) == ["applied"]
        # The first try, who made it, and the try that finds it.
        assert len(waited) == 3
    assert emptied.resource("workspace_connectors", link).source_version == 2
