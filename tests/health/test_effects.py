"""Health is kept in the transaction of each effect: messages of each type, parking, releasing, the feed."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.health.conftest import Tenant
from tests.support.api import PIPELINE, get
from tests.support.databases import CONSUMER, FEEDER, FreshDatabase, Statements, acting_as
from tests.support.feed import apply, deleted, statuses, upserted
from tests.support.queue import completed, consume, disconnected, invalidated, reverted, synced
from tests.support.world import Row, World
from tests.sync import conftest as syncs
from wellspring.database.retry import Deadline
from wellspring.services import recounting

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def tell(world: World, ours: Tenant) -> Callable[..., None]:
    versions = iter(range(10, 1000))
    connector = world.connector()

    def told(*, is_deleted: bool = False, **data: Any) -> None:
        version = next(versions)
        of: dict[str, Any] = {"workspace_id": ours.workspace, "connector_id": connector, **data}
        event = (
            deleted("workspace_connector", ours.connector, version)
            if is_deleted
            else upserted("workspace_connector", ours.connector, version, **of)
        )
        with acting_as(FEEDER):
            assert statuses(event) == ["applied"]

    return told


@pytest.fixture(autouse=True)
def recounted(world: World, ours: Tenant) -> Iterator[None]:
    """Whatever was done, the rule says the same of it again."""
    yield
    world.database.role = CONSUMER
    assert recounting.recount(Deadline(30), None).differences == []


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        ("", []),
        ("sync", []),
        ("sync park", ["failing"]),
        ("sync park hour", ["failing"]),
        ("sync park hour sync", []),
        ("park release", []),
        ("sync park dismiss", []),
        ("both", ["failing"]),
        ("sync disconnect", ["disconnected"]),
        ("sync disconnect invalidate", []),
        ("sync disconnect undo", []),
        ("sync error", ["failing"]),
        ("sync error active", []),
        ("sync gone", ["disconnected"]),
        ("sync gone active", []),
    ],
)
def test_health_is_what_the_last_of_these_leaves(
    world: World, ours: Tenant, tell: Callable[..., None], now: datetime, steps: str, codes: list[str]
) -> None:
    assert (ours.kept.health, ours.kept.codes) == ("new", [])
    missing, over = Row("company", 0, uuid4()), disconnected(ours.connector)

    def release() -> None:
        world.record("company", ours.workspace, id=missing.id)
        assert syncs.settle()["release"]["applied"] == 1

    def dismiss() -> None:
        (parked,) = get("/v1/sync-messages?filter[outcome]=parked", PIPELINE).ids
        assert syncs.dismiss(parked).status == 200

    does: dict[str, Callable[[], object]] = {
        "sync": lambda: ours.sync(now),
        "park": lambda: ours.park(missing),
        "both": lambda: consume(synced(ours.connector, [missing]), synced(ours.connector, [ours.records["company"]])),
        "hour": lambda: ours.kept.passes(HOUR),
        "release": release,
        "dismiss": dismiss,
        "disconnect": lambda: consume(over),
        "invalidate": lambda: consume(invalidated(ours.connector, [ours.records["company"]])),
        "undo": lambda: consume(reverted(ours.connector, over["id"])),
        "error": lambda: tell(status="error"),
        "active": lambda: tell(status="active"),
        "gone": lambda: tell(is_deleted=True),
    }
    for step in steps.split():
        does[step]()
    assert ours.kept.codes == codes
    assert ours.kept.health == (codes or ["ok" if steps else "new"])[0]


class TestMessages:
    def test_of_four_syncs_it_is_known_when_the_next_is_expected(self, ours: Tenant, now: datetime) -> None:
        for days in (4, 3, 2):
            ours.sync(now - days * DAY)
        assert ours.kept.row().expected_by is None
        ours.sync(now - DAY)
        assert ours.kept.row().expected_by == now + DAY
        # Some messages are one sync.
        ours.sync(now - DAY + timedelta(minutes=5))
        row = ours.kept.row()
        assert len(row.syncs) == 4
        assert row.expected_by == now + DAY + timedelta(minutes=5)

    def test_syncs_of_one_batch_are_each_one(self, ours: Tenant, now: datetime) -> None:
        times = [now - days * DAY for days in (4, 3, 2, 1)]
        consume(*(synced(ours.connector, [ours.records["company"]]) | {"occurred_at": at.isoformat()} for at in times))
        assert ours.kept.row().syncs == times

    def test_a_run_is_one_sync(self, ours: Tenant, now: datetime) -> None:
        for hours in (3, 2, 1):
            ours.sync(now - hours * HOUR, run="nightly")
        assert ours.kept.row().syncs == [now - 3 * HOUR]

    def test_a_whole_run_says_how_far_it_is_complete(self, ours: Tenant, now: datetime) -> None:
        first, second = (ours.sync(now - hours * HOUR, run=run) for run, hours in (("one", 2), ("two", 1)))
        for run, message, hours in (("one", first, 2), ("two", second, 1)):
            at = {"occurred_at": (now - hours * HOUR).isoformat()}
            consume(completed(ours.connector, run, message["id"]) | at)
            assert ours.kept.row().complete_through == now - hours * HOUR
        consume(reverted(ours.connector, run="two"))
        assert ours.kept.row().complete_through == now - 2 * HOUR
        consume(reverted(ours.connector, run="one"))
        assert ours.kept.row().complete_through is None


class TestTheFeed:
    def test_says_when_a_consent_ends(self, ours: Tenant, tell: Callable[..., None], now: datetime) -> None:
        ours.sync(now)
        tell(consent_expires_at=(now + 10 * DAY).isoformat())
        row = ours.kept.row()
        assert (row.health, row.changes_at) == ("consent_expires", now + 10 * DAY)
        tell(consent_expires_at=(now - DAY).isoformat())
        assert ours.kept.health == "consent_expired"
        tell(consent_expires_at=(now + 180 * DAY).isoformat())
        row = ours.kept.row()
        assert (row.health, row.changes_at) == ("ok", now + 150 * DAY)
        tell()
        assert ours.kept.row().changes_at is None

    def test_tells_of_a_new_one_that_fails(self, world: World, ours: Tenant) -> None:
        world.database.role = FEEDER
        id_, connector = uuid4(), world.connector()
        event = upserted(
            "workspace_connector", id_, workspace_id=ours.workspace, connector_id=connector, status="error"
        )
        assert statuses(event) == ["applied"]
        found = world.database.owner.exec_driver_sql(
            f"SELECT health FROM core_api.workspace_connectors WHERE id = '{id_}'"
        ).scalar_one()
        world.database.commit()
        assert found == "failing"


def test_a_batch_sends_no_statement_more_for_it(ours: Tenant, now: datetime, statements: Statements) -> None:
    ours.sync(now)
    statements.clear()
    ours.sync(now)
    assert sum("connector_state" in one for one in statements) == 1
    assert not [one for one in statements if "health" in one]


def test_the_feed_locks_connectors_as_everybody_does(fresh_database: FreshDatabase, world: World, ours: Tenant) -> None:
    fresh_database.role = FEEDER
    with fresh_database.session() as other:
        other.exec_driver_sql(f"SELECT wellspring.lock_connectors(ARRAY[{ours.connector.pk}]::bigint[], NULL)")
        event = upserted(
            "workspace_connector", ours.connector, 9, workspace_id=ours.workspace, connector_id=world.connector()
        )
        (verdict,) = apply(event, seconds=2)
        assert verdict.status == "returned"
        other.rollback()
    assert statuses(event) == ["applied"]
