"""The functions of the HTTP API, each in its container, with its event: what they answer is what the database holds."""

import base64
import gzip
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.demo_data import OUTSIDER
from local.example_ids import demo_id
from local.settings import ROOT
from tests.reading import test_events as reading
from tests.sam.conftest import Deployed
from tests.sam.holding import everything, holds, live, newest, shown, write_provenance
from tests.support.api import TYPES
from tests.support.databases import FreshDatabase
from tests.support.events import event, function_of
from tests.writing import test_events as writing
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import READABLE_PARENTS, resource_of

REPLAYED = (*reading.REPLAYED, *writing.REPLAYED)
GUARDED = [name for name in REPLAYED if name not in reading.OPEN]
OF_PARENTS = [
    name
    for name in reading.DEMO
    for parent in READABLE_PARENTS
    if name in {f"{parent.type}_list", f"{parent.type}_retrieve"}
]
OF_OBJECTS = [name for name in reading.DEMO if name not in OF_PARENTS]
LISTS = (*reading.PROVENANCE_LISTS, *(name for name in OF_OBJECTS if not name.endswith("_retrieve")))
ROWS = (*reading.PROVENANCE_ROWS, *(name for name in OF_OBJECTS if name.endswith("_retrieve")))
CREATED = [name for name, status in writing.REPLAYED.items() if status == 201]
# Of a message that was applied, which is not parked any more; of many, of which there are none.
RELEASED = {"sync_message_release": 409, "sync_message_dismiss": 409, "sync_message_release_many": 200}
UPDATED = [name for name, status in writing.REPLAYED.items() if status == 200 and name not in RELEASED]
REMOVED = [name for name, status in writing.REPLAYED.items() if status == 204]
# What is removed where the path does not end with its id.
NAMED = {
    "workspace_group_withdraw": ("workspace_group_workspace", demo_id("workspace_group_workspace", "b")),
    "workspace_remove_provider": ("workspace_provider", demo_id("workspace_provider", "a", 1)),
}
# The rows of a list, newest first.
LISTED: dict[str, str] = {
    "workspace_group_workspace_list": "core_api.workspace_group_workspaces WHERE true",
    "workspace_provider_list": "core_api.workspace_providers WHERE is_selected AND workspace_pk = {a}",
    "workspace_list_providers": "core_api.workspace_providers WHERE workspace_pk = {a}",
    "workspace_group_list": "core_api.workspace_groups WHERE true",
    "workspace_group_membership_list": "core_api.workspace_group_memberships WHERE true",
}
A = f"(SELECT pk FROM core_api.workspaces WHERE id = '{demo_id('workspace', 'a')}')"
# What an outsider gets of a list that asks for a foreign workspace; all others are theirs.
NOTHING = {"workspace_list_providers": 404, "workspace_provider_list": 403}


@pytest.fixture
def ledger(demo: FreshDatabase) -> FreshDatabase:
    """The demo, and rows of provenance that lists and events speak of."""
    write_provenance(demo)
    return demo


def invoke(deployed: Deployed, name: str, claims: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give the event to its function and return the answer; `claims` replace those of the event."""
    sent = event(name)
    if claims is not None:
        sent["requestContext"]["authorizer"]["jwt"]["claims"] |= claims
    answer: dict[str, Any] = deployed.lambdas.invoke(function_of(name).name, sent)
    assert "statusCode" in answer, answer
    return answer


def document_of(answer: Mapping[str, Any], status: int) -> Any:
    """Return the JSON:API document of an answer with this status."""
    assert answer["statusCode"] == status, answer
    assert answer["headers"]["content-type"].startswith(MEDIA_TYPE)
    return json.loads(answer["body"])


def assert_it_is_what_is_held(owner: FreshDatabase, document: Any) -> None:
    objects = document["data"] if isinstance(document["data"], list) else [document["data"]]
    for each in [*objects, *document.get("included", [])]:
        assert shown(each) == holds(owner, each["type"], each["id"])


# ---- who calls ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def refusals(deployed: Deployed) -> dict[str, Any]:
    """The answers of all functions behind the authorizer to their events without claims.

    All at once, so that the containers start side by side.
    """

    def stripped(name: str) -> Any:
        sent = event(name)
        del sent["requestContext"]["authorizer"]
        return deployed.lambdas.invoke(function_of(name).name, sent)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(zip(GUARDED, threads.map(stripped, GUARDED), strict=True))


@pytest.mark.parametrize("name", GUARDED)
def test_without_claims_it_is_401(refusals: dict[str, Any], name: str) -> None:
    (error,) = document_of(refusals[name], 401)["errors"]
    assert (error["status"], error["code"]) == ("401", "UNAUTHORIZED")
    assert error["id"] == event(name)["requestContext"]["requestId"]


@pytest.mark.parametrize("name", LISTS)
def test_a_foreign_tenant_finds_only_its_own_in_a_list(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    answer = invoke(deployed, name, {"sub": OUTSIDER})
    document = document_of(answer, NOTHING.get(name, 200))
    found = [each["id"] for each in document.get("data", [])]
    assert found == (newest("c", 2) if name in reading.PROVENANCE_LISTS else [])


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_absent_for_a_foreign_tenant(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    (error,) = document_of(invoke(deployed, name, {"sub": OUTSIDER}), 404)["errors"]
    assert error["code"] == f"{name.removesuffix('_retrieve').upper()}_NOT_FOUND"


@pytest.mark.parametrize("name", reading.MESSAGES)
def test_messages_are_what_the_database_holds_and_absent_for_a_foreign_tenant(
    deployed: Deployed, ledger: FreshDatabase, name: str
) -> None:
    document = document_of(invoke(deployed, name), 200)
    assert document["data"]
    assert_it_is_what_is_held(ledger, document)
    foreign = invoke(deployed, name, {"sub": OUTSIDER})
    assert document_of(foreign, 200)["data"] == [] if name.endswith("_list") else foreign["statusCode"] == 404


@pytest.mark.parametrize("name", writing.REPLAYED)
def test_a_foreign_tenant_writes_nothing(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    before = everything(ledger)
    answer = invoke(deployed, name, {"sub": OUTSIDER, "scope": ""})
    assert answer["statusCode"] in {403, 404}
    assert everything(ledger) == before


@pytest.mark.parametrize("name", [name for name in OF_PARENTS if name.endswith("_retrieve")])
def test_a_parent_is_absent_for_a_foreign_tenant_unless_it_is_for_everybody(
    deployed: Deployed, ledger: FreshDatabase, name: str
) -> None:
    type_ = name.removesuffix("_retrieve")
    assert document_of(invoke(deployed, name), 200)["data"]["id"] == event(name)["pathParameters"]["id"]
    for_all = resource_of(type_).tenancy == "everybody"
    document_of(invoke(deployed, name, {"sub": OUTSIDER}), 200 if for_all else 404)


@pytest.mark.parametrize("name", [name for name in OF_PARENTS if name.endswith("_list")])
def test_a_list_of_parents_is_of_what_the_database_holds(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    document = document_of(invoke(deployed, name), 200)
    assert document["data"]
    assert_it_is_what_is_held(ledger, document)


# ---- what is read ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_what_the_database_holds(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    document = document_of(invoke(deployed, name), 200)
    if name in LISTED:
        sql = f"SELECT id FROM {LISTED[name].format(a=A)} AND deleted_at IS NULL ORDER BY created_at DESC, pk DESC"
        wanted = [str(id_) for id_ in ledger.owner.exec_driver_sql(sql).scalars()]
        assert len(wanted) == reading.DEMO[name][0]
    else:
        wanted = newest("a", 2)
        assert document["links"]["next"]
    assert [each["id"] for each in document["data"]] == wanted
    assert document["included"]
    assert_it_is_what_is_held(ledger, document)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_what_the_database_holds(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    answer = invoke(deployed, name)
    document = document_of(answer, 200)
    assert document["data"]["id"] == event(name)["pathParameters"]["id"]
    assert document["included"]
    assert_it_is_what_is_held(ledger, document)
    unchanged = event(name)
    unchanged["headers"]["if-none-match"] = answer["headers"]["etag"]
    assert deployed.lambdas.invoke(function_of(name).name, unchanged)["statusCode"] == 304


# ---- what is written ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", CREATED)
def test_what_is_created_is_in_the_database(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    if name in writing.BEFORE:
        assert invoke(deployed, writing.BEFORE[name])["statusCode"] == 204
    asked = json.loads(event(name)["body"])["data"]
    before = live(ledger, asked["type"])
    answer = invoke(deployed, name)
    document = document_of(answer, 201)
    assert document["data"]["attributes"].items() >= asked.get("attributes", {}).items()
    assert live(ledger, asked["type"]) - before == {document["data"]["id"]}
    assert answer["headers"]["location"].endswith(document["data"]["id"])
    assert_it_is_what_is_held(ledger, document)


@pytest.mark.parametrize("name", [name for name in CREATED if "idempotency-key" in event(name)["headers"]])
def test_what_is_asked_twice_with_one_key_is_done_once(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    first = invoke(deployed, name)
    done = everything(ledger)
    assert invoke(deployed, name) == first
    assert everything(ledger) == done


@pytest.mark.parametrize("name", UPDATED)
def test_what_is_updated_is_in_the_database(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    asked = json.loads(event(name)["body"])["data"]
    before = holds(ledger, asked["type"], asked["id"])
    document = document_of(invoke(deployed, name), 200)
    assert document["data"]["attributes"].items() >= asked["attributes"].items()
    assert holds(ledger, asked["type"], asked["id"]) != before
    assert_it_is_what_is_held(ledger, document)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("name", RELEASED)
def test_a_release_is_looked_for_in_the_database(deployed: Deployed, name: str) -> None:
    document_of(invoke(deployed, name), RELEASED[name])


@pytest.mark.parametrize("name", REMOVED)
def test_what_is_removed_is_gone_and_nothing_else(deployed: Deployed, ledger: FreshDatabase, name: str) -> None:
    sent = event(name)
    type_, id_ = NAMED.get(name) or (name.removesuffix("_delete"), sent["pathParameters"]["id"])
    before = live(ledger, type_)
    answer = invoke(deployed, name)
    assert (answer["statusCode"], answer.get("body")) == (204, None)
    assert before - live(ledger, type_) == {id_}


def test_an_enrolment_is_not_changed(deployed: Deployed, ledger: FreshDatabase) -> None:
    before = everything(ledger)
    (error,) = document_of(invoke(deployed, "workspace_group_workspace_update"), 403)["errors"]
    assert error["status"] == "403"
    assert everything(ledger) == before


def test_what_no_route_matches_is_404(deployed: Deployed) -> None:
    (error,) = document_of(invoke(deployed, "default_answer"), 404)["errors"]
    assert error["status"] == "404"


# ---- agents ---------------------------------------------------------------------------------------------------
def test_an_agent_is_told_what_the_database_holds_and_of_a_foreign_tenant_nothing(
    deployed: Deployed, ledger: FreshDatabase
) -> None:
    def items(answer: Mapping[str, Any]) -> Any:
        assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "application/json")
        return json.loads(answer["body"])["result"]["structuredContent"]["items"]

    (found,) = items(invoke(deployed, "agents_mcp"))
    name = ledger.owner.exec_driver_sql(f"SELECT name FROM core_api.workspaces WHERE id = '{found['id']}'").scalar_one()
    assert (found["type"], found["name"]) == ("workspace", name)
    assert items(invoke(deployed, "agents_mcp", {"sub": OUTSIDER})) == []


# ---- what is open ---------------------------------------------------------------------------------------------
def test_health_is_the_databases(deployed: Deployed) -> None:
    answer = invoke(deployed, "health_check")
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})


def test_the_description_is_the_one_of_the_papers(deployed: Deployed) -> None:
    answer = invoke(deployed, "openapi_document")
    assert answer["statusCode"] == 200
    body = gzip.decompress(base64.b64decode(answer["body"])) if answer["isBase64Encoded"] else answer["body"]
    assert json.loads(body) == json.loads((ROOT / "docs" / "openapi.json").read_text())


def test_the_metadata_for_agents_name_the_issuer_of_the_deployment(deployed: Deployed) -> None:
    document = json.loads(invoke(deployed, "agents_metadata")["body"])
    assert document["resource"] == f"https://{event('agents_metadata')['headers']['host']}/mcp"
    assert document["authorization_servers"] == ["https://issuer.example"]


def test_a_file_that_the_console_does_not_have_is_404(deployed: Deployed) -> None:
    assert invoke(deployed, "console_asset")["statusCode"] == 404


@pytest.mark.parametrize("name", ["docs_page", "console_page"])
def test_the_page_is_html(deployed: Deployed, name: str) -> None:
    answer = invoke(deployed, name)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert answer["headers"]["content-encoding"] == "gzip"
    assert b"<html" in gzip.decompress(base64.b64decode(answer["body"]))


def test_there_is_a_list_a_row_and_each_write_of_every_type_of_provenance() -> None:
    for type_ in TYPES:
        for operation in ("list", "retrieve", "create", "update", "delete"):
            assert f"{type_}_workspace_connector_{operation}" in {*LISTS, *ROWS, *CREATED, *UPDATED, *REMOVED}
