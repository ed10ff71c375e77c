"""Functions that no request calls, in their containers, by what they leave in Postgres: all tests' schema is one's."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from local.example_ids import id_of
from tests.feed.test_events import ANSWERED, KEPT
from tests.feed.test_events import REPLAYED as FEED
from tests.sam.conftest import Deployed
from tests.sam.service import MIGRATION
from tests.support.databases import FreshDatabase
from tests.support.events import event, function_of
from tests.support.feed import park
from tests.support.queue import failed_positions
from tests.sync.conftest import Ledger
from tests.sync.test_events import REPLAYED as SYNC
from tests.sync.test_pruning import Memory

REPLAYED = (
    *(f"sync_{name}" for name in SYNC),
    *("maintenance_export", "maintenance_prune", "maintenance_publish", "maintenance_settle"),
    *("schema_migrate", "schema_migrate_by_hand"),
    *FEED,
)


@pytest.fixture
def ledger(demo: FreshDatabase) -> Ledger:
    return Ledger(demo)


def deliver(deployed: Deployed, name: str) -> list[int]:
    """Give the event to the consumer; return the positions of the messages that go back to the queue."""
    sent = event(f"sync_{name}")
    answer: Any = deployed.lambdas.invoke(function_of(f"sync_{name}").name, sent)
    assert set(answer) == {"batchItemFailures"}, answer
    return failed_positions(sent, answer)


@pytest.mark.parametrize("name", SYNC)
def test_an_event_does_what_its_name_says_and_once(deployed: Deployed, ledger: Ledger, name: str) -> None:
    written, _ = SYNC[name]
    assert deliver(deployed, name) == []
    rows = ledger.rows()
    assert sum(ledger.live().values()) == written
    assert len(ledger.messages()) == len(event(f"sync_{name}")["Records"])
    assert deliver(deployed, name) == []
    assert ledger.rows() == rows


def test_the_prune_event_forgets_what_is_old_and_nothing_else(deployed: Deployed, demo: FreshDatabase) -> None:
    memory = Memory(demo)
    memory.remember(3, "400 days")
    memory.remember(2, "1 minute")
    answer = deployed.lambdas.invoke(function_of("maintenance_prune").name, event("maintenance_prune"))
    assert answer == {
        "deleted": {"sync_messages": 3, "sync_runs": 0, "idempotency_keys": 3, "audit": 3},
        "is_all": True,
    }
    assert memory.left() == (2, 2, 2)


def test_the_publish_event_finds_nothing_to_publish(deployed: Deployed, demo: FreshDatabase) -> None:
    said: Any = deployed.lambdas.invoke(function_of("maintenance_publish").name, event("maintenance_publish"))
    assert said["EventsPublished"] == said["EventsDropped"] == 0


def test_the_export_event_reads_its_workspace_and_looks_for_the_bucket(deployed: Deployed, demo: FreshDatabase) -> None:
    exporter, asked = function_of("maintenance_export").name, event("maintenance_export")
    never: Any = deployed.lambdas.invoke(exporter, asked | {"workspace": str(uuid4())})
    assert never["errorType"] == "NotFound"
    # There is no S3 here.
    found: Any = deployed.lambdas.invoke(exporter, asked)
    assert found["errorType"] in {"ClientError", "EndpointConnectionError", "NoCredentialsError"}


@pytest.mark.parametrize("name", KEPT)
def test_an_event_of_the_feed_is_applied_kept_or_parked(deployed: Deployed, demo: FreshDatabase, name: str) -> None:
    answer: Any = deployed.lambdas.invoke(function_of(f"feed_{name}").name, event(f"feed_{name}"))
    assert answer == {"batchItemFailures": []}
    kept = demo.owner.execute(text("SELECT outcome, reason FROM wellspring.pending_events ORDER BY pk")).all()
    assert [tuple(row) for row in kept] == KEPT[name]


def test_the_feeds_schedule_and_loader_answer(deployed: Deployed) -> None:
    settled: Any = deployed.lambdas.invoke(function_of("feed_settle").name, event("feed_settle"))
    assert settled["is_all"] is True
    assert deployed.lambdas.invoke(function_of("feed_load").name, event("feed_load")) == {"batchItemFailures": []}


@pytest.mark.parametrize("name", ANSWERED)
def test_a_request_about_the_feed_is_answered(deployed: Deployed, demo: FreshDatabase, name: str) -> None:
    park(demo, "/well/companies", UUID(id_of("feed_event")))
    answer: Any = deployed.lambdas.invoke(function_of(name).name, event(name))
    assert answer["statusCode"] == 200
    left = demo.owner.execute(text("SELECT outcome FROM wellspring.pending_events")).scalar_one()
    assert left == ANSWERED[name]


def test_cloudformation_is_answered_with_the_revision_that_the_database_is_at(
    deployed: Deployed, owner: FreshDatabase
) -> None:
    asked, answer = event("schema_migrate"), deployed.migrated[0]
    (revision,) = owner.owner.exec_driver_sql("SELECT version_num FROM wellspring.alembic_version").scalars()
    assert answer == {
        "Status": "SUCCESS",
        "Data": {"Revision": revision},
        "PhysicalResourceId": asked["LogicalResourceId"],
        **{name: asked[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }


def test_the_second_call_in_a_warm_container_is_answered_alike(deployed: Deployed) -> None:
    first, second = deployed.migrated
    assert first == second


def test_whoever_calls_by_hand_gets_the_same_revision(deployed: Deployed) -> None:
    answer = deployed.lambdas.invoke(MIGRATION, event("schema_migrate_by_hand"))
    assert answer == {"Status": "SUCCESS", "Data": deployed.migrated[0]["Data"]}
