"""The events of the reading functions, replayed as API Gateway would deliver them."""

import base64
import gzip
import json
from typing import Any
from uuid import UUID

import pytest

from tests.support.api import TYPES
from tests.support.databases import Database
from tests.support.events import event, identify, load_demo, replay
from tests.support.world import RecordType, Row, World

# Of the demo: how many rows each list shows its caller, or which row is retrieved, and the types that are included.
DEMO_LISTS: dict[str, tuple[int, set[str]]] = {
    "workspace_group_workspace_list": (2, {"workspace", "people"}),
    "workspace_provider_list": (2, {"provider"}),
    "workspace_list_providers": (3, {"provider"}),
    "workspace_group_list": (1, {"workspace"}),
}
DEMO_ROWS: dict[str, set[str]] = {
    "workspace_group_workspace_retrieve": {"workspace_group"},
    "workspace_provider_retrieve": {"provider"},
    "workspace_group_retrieve": {"workspace", "workspace_group_membership"},
}
# Lists and rows of parents: the types that are included, None where nothing can be.
PARENT_LISTS: dict[str, set[str] | None] = {
    "workspace_list": None,
    "people_list": {"workspace"},
    "company_list": {"workspace"},
    "account_list": {"workspace"},
    "connector_list": None,
    "workspace_connector_list": {"workspace", "connector"},
    "provider_list": None,
    "workspace_membership_list": {"people", "workspace"},
}
PARENT_ROWS: dict[str, set[str] | None] = {
    "workspace_retrieve": None,
    "people_retrieve": {"workspace"},
    "company_retrieve": {"workspace"},
    "account_retrieve": {"workspace"},
    "connector_retrieve": None,
    "workspace_connector_retrieve": {"workspace"},
    "provider_retrieve": None,
    "workspace_membership_retrieve": {"people"},
}
PROVENANCE_LISTS = {f"{type_}_workspace_connector_list": type_ for type_ in TYPES}
PROVENANCE_ROWS = {f"{type_}_workspace_connector_retrieve": type_ for type_ in TYPES}
OPEN = ("health_check", "openapi_document", "docs_page")
REPLAYED = (*PROVENANCE_LISTS, *PROVENANCE_ROWS, *DEMO_LISTS, *DEMO_ROWS, *PARENT_LISTS, *PARENT_ROWS, *OPEN)


def subject_of(name: str) -> UUID:
    return UUID(event(name)["requestContext"]["authorizer"]["jwt"]["claims"]["sub"])


def answered(name: str) -> Any:
    """Return the document that the event is answered with."""
    answer = replay(name)
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def seen_by(world: World, type_: RecordType, subject: UUID) -> Row:
    """Make a person with that id, who sees one row."""
    workspace = world.workspace()
    person = world.people(workspace, id=subject)
    world.member(person, workspace)
    return world.provenance(world.record(type_, workspace), world.workspace_connector(workspace))


@pytest.mark.parametrize("name", [name for name in REPLAYED if name not in OPEN])
def test_without_claims_it_is_401(database: Database, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stripped = event(name)
    del stripped["requestContext"]["authorizer"]
    monkeypatch.setattr("tests.support.events.event", lambda _name: stripped)
    assert replay(name)["statusCode"] == 401


@pytest.mark.parametrize(("name", "type_"), PROVENANCE_LISTS.items())
def test_a_list_event_is_answered_with_the_callers_rows(world: World, name: str, type_: RecordType) -> None:
    row = seen_by(world, type_, subject_of(name))
    document = answered(name)
    assert [item["id"] for item in document["data"]] == [str(row.id)]
    assert {item["type"] for item in document["included"]} == {type_, "workspace_connector"}


@pytest.mark.parametrize(("name", "type_"), PROVENANCE_ROWS.items())
def test_a_retrieve_event_is_answered_with_its_row(world: World, name: str, type_: RecordType) -> None:
    row = seen_by(world, type_, subject_of(name))
    assert replay(name)["statusCode"] == 404
    wanted = event(name)["pathParameters"]["id"]
    identify(world, row, wanted)
    assert answered(name)["data"]["id"] == wanted


@pytest.mark.parametrize("name", DEMO_LISTS)
def test_a_list_event_of_the_demo_is_answered_with_its_rows(database: Database, name: str) -> None:
    load_demo(database)
    rows, types = DEMO_LISTS[name]
    document = answered(name)
    assert len(document["data"]) == rows
    assert {item["type"] for item in document["included"]} == types


@pytest.mark.parametrize("name", DEMO_ROWS)
def test_a_retrieve_event_of_the_demo_is_answered_with_its_row(database: Database, name: str) -> None:
    assert replay(name)["statusCode"] == 404
    load_demo(database)
    document = answered(name)
    assert document["data"]["id"] == event(name)["pathParameters"]["id"]
    assert {item["type"] for item in document["included"]} == DEMO_ROWS[name]


def included_in(document: Any) -> set[str] | None:
    return {item["type"] for item in document["included"]} if "included" in document else None


@pytest.mark.parametrize("name", PARENT_LISTS)
def test_a_list_event_of_parents_is_answered_with_a_page(database: Database, name: str) -> None:
    load_demo(database)
    document = answered(name)
    # Of memberships and workspaces the demo's owner has fewer.
    assert 1 <= len(document["data"]) <= 2
    assert {item["type"] for item in document["data"]} == {name.removesuffix("_list")}
    assert included_in(document) == PARENT_LISTS[name]


@pytest.mark.parametrize("name", PARENT_ROWS)
def test_a_retrieve_event_of_a_parent_is_answered_with_its_row(database: Database, name: str) -> None:
    assert replay(name)["statusCode"] == 404
    load_demo(database)
    document = answered(name)
    assert document["data"]["id"] == event(name)["pathParameters"]["id"]
    assert included_in(document) == PARENT_ROWS[name]


def test_the_health_event_is_answered_from_the_database(database: Database) -> None:
    assert answered("health_check") == {"status": "ok"}


def test_the_description_is_answered_to_everybody() -> None:
    document = answered("openapi_document")
    assert document["openapi"].startswith("3.1")
    assert "/v1/workspace-groups" in document["paths"]


def test_the_page_is_answered_to_everybody() -> None:
    answer = replay("docs_page")
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert answer["headers"]["content-type"].startswith("text/html")
    assert b"<html" in gzip.decompress(base64.b64decode(answer["body"]))


@pytest.mark.parametrize("accepted", [None, "", "identity", "br", "gzip;q=0", "br, gzip; q=0.0", "gzipped"])
def test_the_page_is_packed_for_nobody_who_cannot_unpack_it(
    accepted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = replay("docs_page")
    asked = event("docs_page")
    headers = {name: value for name, value in asked["headers"].items() if name != "accept-encoding"}
    asked["headers"] = headers | ({} if accepted is None else {"Accept-Encoding": accepted})
    monkeypatch.setattr("tests.support.events.event", lambda _name: asked)
    answer = replay("docs_page")
    assert "content-encoding" not in answer["headers"]
    assert answer["headers"]["vary"] == packed["headers"]["vary"] == "accept-encoding"
    assert answer["body"].encode() == gzip.decompress(base64.b64decode(packed["body"]))


@pytest.mark.parametrize("accepted", ["gzip", "br;q=1.0, GZIP;q=0.5", "x-gzip", "gzip;q=0.001"])
def test_the_page_is_packed_for_whoever_can_unpack_it(accepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = event("docs_page")
    asked["headers"]["accept-encoding"] = accepted
    monkeypatch.setattr("tests.support.events.event", lambda _name: asked)
    assert replay("docs_page")["headers"]["content-encoding"] == "gzip"
