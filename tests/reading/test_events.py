"""The events of the reading functions, replayed as API Gateway would deliver them."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from local.example_ids import id_of
from tests.support.api import TYPES
from tests.support.databases import Database, Statements
from tests.support.events import event, identify, load_demo, replay, told_of
from tests.support.world import RecordType, Row, World
from wellspring.errors import DatabaseAway
from wellspring.handlers.http import LARGEST_ANSWER_BYTES, LARGEST_BODY_BYTES
from wellspring.handlers.open import health_check
from wellspring.resources import records

# Of the demo: how many rows a list shows its caller, and the types that are included; None where nothing can be.
DEMO: dict[str, tuple[int, set[str] | None]] = {
    "workspace_group_workspace_list": (2, {"workspace", "people"}),
    "workspace_provider_list": (2, {"provider"}),
    "workspace_list_providers": (3, {"provider"}),
    "workspace_group_list": (1, {"workspace"}),
    "workspace_group_membership_list": (2, {"people"}),
    "workspace_list": (2, None),
    "people_list": (2, {"workspace"}),
    "company_list": (2, {"workspace"}),
    "account_list": (2, {"workspace"}),
    "connector_list": (2, None),
    "workspace_connector_list": (2, {"workspace", "connector"}),
    "provider_list": (2, None),
    "workspace_membership_list": (2, {"people", "workspace"}),
    "workspace_group_workspace_retrieve": (1, {"workspace_group"}),
    "workspace_provider_retrieve": (1, {"provider"}),
    "workspace_group_retrieve": (1, {"workspace", "workspace_group_membership"}),
    "workspace_group_membership_retrieve": (1, {"people"}),
    "workspace_retrieve": (1, None),
    "people_retrieve": (1, {"workspace"}),
    "company_retrieve": (1, {"workspace"}),
    "account_retrieve": (1, {"workspace"}),
    "connector_retrieve": (1, None),
    "workspace_connector_retrieve": (1, {"workspace"}),
    "provider_retrieve": (1, None),
    "workspace_membership_retrieve": (1, {"people"}),
}
PROVENANCE_LISTS = {f"{type_}_workspace_connector_list": type_ for type_ in TYPES}
PROVENANCE_ROWS = {f"{type_}_workspace_connector_retrieve": type_ for type_ in TYPES}
# Messages are of no demo: the types that are included.
MESSAGES: dict[str, set[str]] = {
    "sync_message_list": {"workspace_connector", "workspace", "sync_run"},
    "sync_message_retrieve": {"workspace_connector"},
    "sync_run_list": {"workspace_connector", "workspace"},
    "sync_run_retrieve": {"workspace_connector"},
}
SOURCES = {f"{record.type}_sources": record.type for record in records() if record.is_readable}
FLEET = ("fleet_retrieve",)
ANSWERS = ("audit_entry_list", "connector_activity_list", "workspace_connector_impact", *SOURCES)
AGENTS = ("agents_mcp",)
OPEN = ("agents_metadata", "health_check", "openapi_document", "docs_page", "console_page", "console_asset")
REPLAYED = (*PROVENANCE_LISTS, *PROVENANCE_ROWS, *DEMO, *MESSAGES, *ANSWERS, *FLEET, *AGENTS, *OPEN)


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


@pytest.mark.parametrize(("name", "type_"), PROVENANCE_LISTS.items())
def test_a_list_event_is_answered_with_the_callers_rows(world: World, name: str, type_: RecordType) -> None:
    row = seen_by(world, type_, subject_of(name))
    document = answered(name)
    assert [item["id"] for item in document["data"]] == [str(row.id)]
    assert included_in(document) == {type_, "workspace_connector"}


@pytest.mark.parametrize(("name", "type_"), PROVENANCE_ROWS.items())
def test_a_retrieve_event_is_answered_with_its_row(world: World, name: str, type_: RecordType) -> None:
    row = seen_by(world, type_, subject_of(name))
    assert replay(name)["statusCode"] == 404
    wanted = event(name)["pathParameters"]["id"]
    identify(world, row, wanted)
    assert answered(name)["data"]["id"] == wanted


def of_the_demo(world: World, name: str, status: int) -> Any:
    """Return what the event is answered with when the demo is there; before, it is answered with `status`."""
    assert replay(name)["statusCode"] == status
    load_demo(world.database)
    return answered(name)["data"]


def included_in(document: Any) -> set[str] | None:
    return {item["type"] for item in document["included"]} if "included" in document else None


@pytest.mark.parametrize("name", DEMO)
def test_an_event_of_the_demo_is_answered_with_its_rows(database: Database, name: str) -> None:
    rows, types = DEMO[name]
    is_one = name.endswith("_retrieve")
    if is_one:
        assert replay(name)["statusCode"] == 404
    load_demo(database)
    document = answered(name)
    found = [document["data"]] if is_one else document["data"]
    assert (len(found), included_in(document)) == (rows, types)
    if is_one:
        assert found[0]["id"] == event(name)["pathParameters"]["id"]


@pytest.mark.parametrize("name", MESSAGES)
def test_an_event_of_messages_and_runs_is_answered_with_what_came(world: World, name: str) -> None:
    workspace = world.workspace()
    world.member(world.people(workspace, id=subject_of(name)), workspace)
    type_, _, operation = name.rpartition("_")
    wanted = event(f"{type_}_retrieve")["pathParameters"]["id"]
    connector = world.workspace_connector(workspace)
    run = world.run(connector, workspace, id=UUID(wanted) if type_ == "sync_run" else uuid4())
    if type_ == "sync_message":
        world.message(connector, workspace, id=UUID(wanted), sync_run_pk=run.pk)
    document = answered(name)
    found = document["data"] if operation == "list" else [document["data"]]
    assert [item["id"] for item in found] == [wanted]
    assert included_in(document) == MESSAGES[name]


def test_an_event_that_asks_for_activity_is_answered_with_what_the_demos_connectors_did(world: World) -> None:
    name = "connector_activity_list"
    assert of_the_demo(world, name, 403) == []
    connector, company = (identified(world, type_) for type_ in ("workspace_connector", "company"))
    world.provenance(company, connector, created_at=datetime(2026, 5, 10, 8, tzinfo=UTC))
    assert [item["attributes"]["date"] for item in answered(name)["data"]] == ["2026-05-10"]


def test_an_event_that_asks_who_did_what_is_answered_with_what_was_written(world: World) -> None:
    name = "audit_entry_list"
    assert of_the_demo(world, name, 403) == []
    written = replay("workspace_select_provider")
    assert written["statusCode"] in {200, 201}
    document = answered(name)
    assert [item["attributes"]["operation"] for item in document["data"]] == ["create"]
    assert included_in(document) == {"people"}


@pytest.mark.parametrize(("name", "type_"), SOURCES.items())
def test_an_event_that_asks_for_sources_is_answered_with_them(world: World, name: str, type_: str) -> None:
    assert of_the_demo(world, name, 404) == []
    connector, record = (identified(world, each) for each in ("workspace_connector", type_))
    world.provenance(record, connector)
    document = answered(name)
    assert [item["id"] for item in document["data"]] == [f"{record.id}:{connector.id}:input"]
    assert included_in(document) == {"workspace_connector"}


def test_an_event_that_asks_for_an_impact_is_answered_with_what_would_be_lost(world: World) -> None:
    name = "workspace_connector_impact"
    assert of_the_demo(world, name, 404)["attributes"]["examined"] == 0
    connector, company = (identified(world, each) for each in ("workspace_connector", "company"))
    world.provenance(company, connector)
    sole = {record.type: int(record.type == "company") for record in records()}
    assert answered(name)["data"]["attributes"]["sole_source"] == sole


def identified(world: World, type_: str) -> Row:
    """Return the demo's row that examples show of a type."""
    return told_of(world, type_, id_of(type_))


def test_an_agents_event_is_answered_with_what_it_asks_for(world: World) -> None:
    assert answered("agents_mcp")["result"]["structuredContent"]["items"] == []
    load_demo(world.database)
    (item,) = answered("agents_mcp")["result"]["structuredContent"]["items"]
    assert (item["name"], item["type"]) == ("Verdier Foods", "workspace")


def test_the_metadata_for_agents_name_the_address_that_was_asked(database: Database) -> None:
    asked = event("agents_metadata")["headers"]["host"]
    assert answered("agents_metadata")["resource"] == f"https://{asked}/mcp"


def test_the_health_event_is_answered_from_the_database(database: Database) -> None:
    assert answered("health_check") == {"status": "ok"}


def test_what_is_open_is_answered_to_everybody() -> None:
    pages = {name: replay(name) for name in SENT_ONCE}
    assert {(page["statusCode"], page["isBase64Encoded"]) for page in pages.values()} == {(200, True)}
    texts = {name: gzip.decompress(base64.b64decode(page["body"])) for name, page in pages.items()}
    description = json.loads(texts["openapi_document"])
    assert description["openapi"].startswith("3.1")
    assert "/v1/workspace-groups" in description["paths"]
    for name in ("docs_page", "console_page"):
        assert pages[name]["headers"]["content-type"].startswith("text/html")
        assert b"<html" in texts[name]
    assert replay("console_asset")["statusCode"] == 404


SENT_ONCE = ("docs_page", "openapi_document", "console_page")
OPEN_TO_ALL = pytest.mark.parametrize("name", SENT_ONCE)
NOT_GZIP = (
    *(None, "", "identity", "br", "gzip;q=0", "br, gzip; q=0.0", "gzipped", "*;q=0, identity"),
    *(
        "gzip;q=0.5, identity",
        "gzip;q=0.5, identity;q=0.501",
        "*;q=0.1, identity;q=0.2",
        "gzip;q=2",
        "gzip;q=",
        "gzip;level=1",
    ),
    *("x" * 5_000, "," * 5_000, " " * 5_000 + "x"),
)


def encoded(name: str, accepted: str | None, **headers: str) -> dict[str, Any]:
    """Return the answer to who takes these encodings."""
    return replay(name, {"accept-encoding": accepted, **headers})


@OPEN_TO_ALL
def test_who_does_not_ask_for_gzip_is_sent_the_text_as_it_is_and_it_fits(name: str) -> None:
    text = gzip.decompress(base64.b64decode(encoded(name, "gzip")["body"])).decode()
    for accepted in NOT_GZIP:
        answer = encoded(name, accepted)
        assert (answer["statusCode"], answer["isBase64Encoded"], answer["body"]) == (200, False, text), accepted
        assert "content-encoding" not in answer["headers"]
        assert answer["headers"]["vary"] == "accept-encoding"
    assert len(text.encode()) < LARGEST_BODY_BYTES
    assert len(json.dumps(encoded(name, "identity"), ensure_ascii=False).encode()) < LARGEST_ANSWER_BYTES


@OPEN_TO_ALL
def test_who_takes_neither_the_text_nor_gzip_is_told(name: str) -> None:
    for accepted in ("identity;q=0", "*;q=0", "identity;q=0.000, br", "gzip;q=0, *;q=0"):
        answer = encoded(name, accepted)
        (error,) = json.loads(answer["body"])["errors"]
        assert (answer["statusCode"], error["source"]) == (406, {"header": "Accept-Encoding"}), accepted


@OPEN_TO_ALL
def test_the_page_is_packed_for_whoever_asks_for_it(name: str) -> None:
    for accepted in (
        *("gzip", "br;q=1.0, GZIP;q=0.5", "x-gzip", "gzip;q=0.001", "*"),
        *("gzip ; q=1., identity;q=1", "*;q=0, gzip"),
    ):
        headers = encoded(name, accepted)["headers"]
        assert (headers["content-encoding"], headers["vary"]) == ("gzip", "accept-encoding"), accepted


@pytest.mark.parametrize("name", ["docs_page", "openapi_document"])
def test_what_changes_with_a_release_only_is_kept_by_caches_and_compared(name: str) -> None:
    tags = set()
    for accepted in ("gzip", "identity"):
        headers = encoded(name, accepted)["headers"]
        assert (headers["cache-control"], headers["vary"]) == ("public, max-age=300", "accept-encoding")
        tags.add(headers["etag"])
        again = encoded(name, accepted, **{"if-none-match": f"W/{headers['etag']}"})
        assert (again["statusCode"], again.get("body", "")) == (304, "")
        assert again["headers"]["etag"] == headers["etag"]
    # Two representations are not the same bytes.
    assert len(tags) == 2


def test_the_database_is_asked_for_its_health_once_a_second(
    database: Database, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("wellspring.handlers.open.time.monotonic", lambda: now)
    handler = health_check()
    asked = []
    for seconds in (0.0, 0.0, 0.9, 1.1, 0.0):
        now += seconds
        before = len(statements)
        assert handler(event("health_check"), None)["statusCode"] == 200
        asked.append(len(statements) > before)
    assert asked == [True, False, False, True, False]


def test_a_database_that_is_away_is_told_at_once_to_who_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def away(*_: object, **__: object) -> None:
        tries.append(1)
        raise DatabaseAway("The database does not answer.")

    monkeypatch.setattr("wellspring.handlers.open.in_transaction", away)
    handler = health_check()
    assert [handler(event("health_check"), None)["statusCode"] for _ in range(3)] == [503] * 3
    assert len(tries) == 1


@pytest.mark.parametrize("name", FLEET)
def test_the_fleet_is_told_to_the_pipeline(world: World, name: str) -> None:
    world.workspace_connector(world.workspace())
    assert answered(name)["data"]["attributes"]["is_silent"] is False
