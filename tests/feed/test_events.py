"""The events of events/feed_*.json, replayed as Lambda would: to the functions that they are named after."""

from typing import Any
from uuid import UUID

import pytest

from feed.consume import handler
from feed.load import handler as load_handler
from feed.settle import handler as settle_handler
from local.example_ids import demo_id, id_of
from tests.feed.conftest import Tables
from tests.support.api import Context
from tests.support.events import event, load_demo, replay
from tests.support.feed import park
from tests.support.world import World
from tests.sync.conftest import outcomes
from wellspring.errors import DatabaseAway
from wellspring.services.feed import applying

# Of each event of the queue, what is kept of it: outcomes and reasons.
KEPT: dict[str, list[tuple[str, str | None]]] = {
    "batch": [],
    "erased": [],
    "waiting": [("waiting", None)],
    "workspace_changed": [("parked", "workspace_changed")],
    "malformed": [("parked", "malformed")],
}
# Of each request, what becomes of a parked event.
ANSWERED = {
    "feed_event_list": "parked",
    "feed_event_retrieve": "parked",
    "feed_event_release": "applied",
    "feed_event_dismiss": "dismissed",
    "feed_event_release_many": "parked",
    "feed_status_retrieve": "parked",
}
REPLAYED = (*(f"feed_{name}" for name in KEPT), "feed_settle", "feed_load", *ANSWERED)


@pytest.fixture(autouse=True)
def demo(world: World) -> None:
    load_demo(world.database)


@pytest.mark.parametrize("name", KEPT)
def test_an_event_does_what_its_name_says_and_once(tables: Tables, log: list[dict[str, Any]], name: str) -> None:
    for _ in range(2):
        assert handler(event(f"feed_{name}"), Context()) == {"batchItemFailures": []}
        assert [row[:2] for row in tables.pending()] == KEPT[name]
    assert outcomes(log) == 2 * [outcome for outcome, _ in KEPT[name] if outcome == "parked"]


def test_the_batch_changes_the_demo(tables: Tables) -> None:
    handler(event("feed_batch"), Context())
    assert tables.resource("workspaces", demo_id("workspace", "a")).name == "Verdier Foods SA"
    assert tables.resource("companies", demo_id("company", "a", 1)).name == "Alder & Sons"
    assert tables.resource("peoples", demo_id("people", "a", 4)).deleted_at is not None


def test_the_schedule_settles_and_says_what_it_did() -> None:
    assert settle_handler(event("feed_settle"), Context()) == {"applied": 0, "expired": 0, "erased": 0, "is_all": True}


def test_the_event_by_which_s3_tries_the_queue_is_done() -> None:
    assert load_handler(event("feed_load"), Context()) == {"batchItemFailures": []}


def test_what_is_no_notification_is_dropped_and_told(log: list[dict[str, Any]]) -> None:
    told = event("feed_load")
    told["Records"][0]["body"] = "nonsense"
    assert load_handler(told, Context()) == {"batchItemFailures": []}
    assert [line["level"] for line in log] == ["ERROR"]


def test_a_body_that_the_database_refuses_goes_back(monkeypatch: pytest.MonkeyPatch, log: list[dict[str, Any]]) -> None:
    def away(*_given: object, **_named: object) -> None:
        raise DatabaseAway("away")

    monkeypatch.setattr(applying, "with_retries", away)
    sent = event("feed_batch")
    assert handler(sent, Context()) == {"batchItemFailures": [{"itemIdentifier": sent["Records"][0]["messageId"]}]}
    assert {line["reason"] for line in log if "reason" in line} == {"SERVICE_UNAVAILABLE"}


@pytest.mark.parametrize("name", ANSWERED)
def test_a_request_is_answered(tables: Tables, name: str) -> None:
    park(tables.database, "/well/companies", UUID(id_of("feed_event")))
    answer = replay(name)
    assert answer["statusCode"] == 200, answer["body"]
    assert tables.pending()[0][0] == ANSWERED[name]
