"""The events of the writing functions and of `$default`, replayed as API Gateway would deliver them."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from tests.support.api import TYPES
from tests.support.databases import Database
from tests.support.events import EVENTS, event, identify, load_demo, replay
from tests.support.world import World
from wellspring.resources import resource_of

HTTP = sorted(path.stem for path in EVENTS.glob("*.json") if "requestContext" in event(path.stem))
# What each operation is answered.
STATUSES = {
    **dict.fromkeys(("create", "enrol", "select_provider"), 201),
    **dict.fromkeys(("update", "release", "dismiss", "release_many"), 200),
    **dict.fromkeys(("delete", "withdraw", "remove_provider"), 204),
}
# Events of the feed are replayed in tests/feed.
REPLAYED: dict[str, int] = {
    name: status
    for name in HTTP
    for operation, status in STATUSES.items()
    if name.endswith(f"_{operation}") and not name.startswith("feed_")
} | {"workspace_group_workspace_update": 403, "default_answer": 404}
# The demo has both workspaces in the group already: an enrolment comes after a withdrawal.
BEFORE = {
    "workspace_group_workspace_create": "workspace_group_workspace_delete",
    "workspace_group_enrol": "workspace_group_withdraw",
}
# What an event says to have ended was there before.
BEFORE_THE_EVENTS = datetime(2026, 5, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def demo(database: Database, world: World) -> None:
    """What the events speak of."""
    load_demo(database)
    workspace = world.workspace()
    connector = world.workspace_connector(workspace)
    for type_ in TYPES:
        named = event(f"{type_}_workspace_connector_update")["pathParameters"]["id"]
        row = world.provenance(world.record(type_, workspace), connector, created_at=BEFORE_THE_EVENTS)
        identify(world, row, named)
    # Of what is no message any more: it stays parked for that.
    id_ = UUID(event("sync_message_release")["pathParameters"]["id"])
    body = {"body": "none", "digest": sha256(b"none").digest(), "group_id": "none"}
    world.message(connector, workspace, "parked", id=id_, reason="malformed", **body)


@pytest.mark.parametrize("name", REPLAYED)
def test_an_event_is_answered_with_its_success(name: str) -> None:
    if name in BEFORE:
        assert replay(BEFORE[name])["statusCode"] == 204
    answer = replay(name)
    assert answer["statusCode"] == REPLAYED[name], answer.get("body")
    document: Any = json.loads(answer.get("body") or "null")
    if answer["statusCode"] == 204:
        assert "body" not in answer
    elif name.startswith("sync_message_release_many"):
        assert document["meta"] == {"matching": 0, "released": 0, "still_parked": 0, "remaining": 0}
    elif name.startswith("sync_message_"):
        outcome = {"sync_message_release": "parked", "sync_message_dismiss": "dismissed"}[name]
        assert document["data"]["attributes"]["outcome"] == outcome
    elif answer["statusCode"] < 300:
        asked = json.loads(event(name)["body"])["data"]
        assert document["data"]["type"] == asked["type"]
        assert document["data"]["attributes"].items() >= asked.get("attributes", {}).items()
        for key, value in asked.get("relationships", {}).items():
            said = document["data"]["relationships"][key]
            assert said["data"] == value["data"]
            if isinstance(one := value["data"], dict):
                route = resource_of(one["type"]).route
                link = {"related": f"{route}/{one['id']}"} if route else None
                # Who sees an enrolment does not always see its group, nor who sees a membership the person.
                hidden = "people" if asked["type"] == "workspace_group_membership" else "workspace_group"
                assert said.get("links") == (None if key == hidden else link)
        assert ("location" in answer["headers"]) == (answer["statusCode"] == 201)
    else:
        assert [error["status"] for error in document["errors"]] == [str(answer["statusCode"])]


@pytest.mark.parametrize("name", [name for name in REPLAYED if "idempotency-key" in event(name)["headers"]])
def test_an_event_with_a_key_is_answered_twice_alike(name: str) -> None:
    assert replay(name) == replay(name)
