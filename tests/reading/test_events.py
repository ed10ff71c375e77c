"""The events of the reading functions, replayed as API Gateway would deliver them."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from local.example_ids import id_of
from tests.support.api import TYPES
from tests.support.databases import Database, Statements
from tests.support.events import EVENTS, event, identify, load_demo, replay, told_of
from tests.support.world import Row, World
from wellspring.errors import DatabaseAway
from wellspring.handlers.http import LARGEST_ANSWER_BYTES, LARGEST_BODY_BYTES
from wellspring.handlers.open import health_check

FLEET = "fleet_retrieve"
AUDIT = "audit_entry_list"
OPEN = ("agents_metadata", "health_check", "openapi_document", "docs_page", "console_page", "console_asset")
# What reads, but the feed's own, of which tests/feed tells.
READ = sorted(
    path.stem
    for path in EVENTS.glob("*.json")
    if not path.stem.startswith("feed_")
    and event(path.stem).get("requestContext", {}).get("http", {}).get("method") == "GET"
    and path.stem not in {*OPEN, "default_answer"}
)
REPLAYED = (*READ, "agents_mcp", *OPEN)


def answered(name: str) -> Any:
    """Return the document that the event is answered with."""
    answer = replay(name)
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def identified(world: World, type_: str) -> Row:
    """Return the demo's row that examples show of a type."""
    return told_of(world, type_, id_of(type_))


def bring(world: World) -> None:
    """Bring a record of each type in, by a message of a run, whose ids are those that the events name."""
    connector, workspace = (identified(world, type_) for type_ in ("workspace_connector", "workspace"))
    run, message = (event(f"{type_}_retrieve")["pathParameters"]["id"] for type_ in ("sync_run", "sync_message"))
    made = world.run(connector, workspace, id=UUID(run))
    world.message(connector, workspace, id=UUID(message), sync_run_pk=made.pk)
    for type_ in TYPES:
        row = world.provenance(identified(world, type_), connector, created_at=datetime(2026, 5, 10, 8, tzinfo=UTC))
        identify(world, row, event(f"{type_}_workspace_connector_retrieve")["pathParameters"]["id"])


def included_in(document: Any) -> set[str] | None:
    return {item["type"] for item in document["included"]} if "included" in document else None


@pytest.mark.parametrize("name", [name for name in READ if name != AUDIT])
def test_an_event_is_answered_with_what_is_there(world: World, name: str) -> None:
    is_one = name.endswith("_retrieve") and name != FLEET
    if is_one:
        assert replay(name)["statusCode"] == 404
    load_demo(world.database)
    bring(world)
    document = answered(name)
    assert document["data"]
    assert included_in(document) or "include" not in event(name).get("queryStringParameters", {})
    if is_one:
        assert document["data"]["id"] == event(name)["pathParameters"]["id"]


def test_an_event_that_asks_who_did_what_is_answered_with_what_was_written(world: World) -> None:
    load_demo(world.database)
    assert replay("workspace_select_provider")["statusCode"] in {200, 201}
    document = answered(AUDIT)
    assert [item["attributes"]["operation"] for item in document["data"]] == ["create"]
    assert included_in(document) == {"people"}


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
# What whoever is sent gzip, the text as it is, or neither, says that they take.
GZIP = ("gzip", "br;q=1.0, GZIP;q=0.5", "x-gzip", "gzip;q=0.001", "*", "gzip ; q=1., identity;q=1", "*;q=0, gzip")
NOT_GZIP = (
    *(None, "", "identity", "br", "gzip;q=0", "br, gzip; q=0.0", "gzipped", "*;q=0, identity", "gzip;q=0.5, identity"),
    *("gzip;q=0.5, identity;q=0.501", "*;q=0.1, identity;q=0.2", "gzip;q=2", "gzip;q=", "gzip;level=1"),
    *("x" * 5_000, "," * 5_000, " " * 5_000 + "x"),
)
NEITHER = ("identity;q=0", "*;q=0", "identity;q=0.000, br", "gzip;q=0, *;q=0")


def encoded(name: str, accepted: str | None, **headers: str) -> dict[str, Any]:
    """Return the answer to who takes these encodings."""
    return replay(name, {"accept-encoding": accepted, **headers})


@pytest.mark.parametrize("name", SENT_ONCE)
def test_the_page_is_packed_for_whoever_asks_for_it(name: str) -> None:
    """And fits as it is, too."""
    text = gzip.decompress(base64.b64decode(encoded(name, "gzip")["body"])).decode()
    for accepted in NOT_GZIP:
        answer = encoded(name, accepted)
        assert (answer["statusCode"], answer["isBase64Encoded"], answer["body"]) == (200, False, text), accepted
        assert "content-encoding" not in answer["headers"]
        assert answer["headers"]["vary"] == "accept-encoding"
    for accepted in GZIP:
        headers = encoded(name, accepted)["headers"]
        assert (headers["content-encoding"], headers["vary"]) == ("gzip", "accept-encoding"), accepted
    for accepted in NEITHER:
        refused = encoded(name, accepted)
        (error,) = json.loads(refused["body"])["errors"]
        assert (refused["statusCode"], error["source"]) == (406, {"header": "Accept-Encoding"}), accepted
    assert len(text.encode()) < LARGEST_BODY_BYTES
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < LARGEST_ANSWER_BYTES


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
