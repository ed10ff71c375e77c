"""The functions of the HTTP API, each in its container, with its event: each runs, and does what its event says."""

import base64
import gzip
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from local.demo_data import OUTSIDER
from local.example_ids import demo_id
from tests.reading import test_events as reading
from tests.sam.conftest import Deployed
from tests.support.api import TYPES
from tests.support.databases import FreshDatabase
from tests.support.events import event, function_of, identify, told_of
from tests.support.world import World
from tests.writing import test_events as writing
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.models import metadata
from wellspring.resources import resources

REPLAYED = (*reading.REPLAYED, *writing.REPLAYED)
GUARDED = [name for name in REPLAYED if name not in reading.OPEN]
ANSWERS = {reading.AUDIT, reading.FLEET, "connector_activity_list", "workspace_connector_impact"}
READ = [name for name in reading.READ if name not in ANSWERS and not name.endswith("_sources")]
# Of a message that was applied, which is not parked any more; of many, of which there are none.
RELEASED = {"sync_message_release": 409, "sync_message_dismiss": 409, "sync_message_release_many": 200}


@pytest.fixture
def ledger(demo: FreshDatabase) -> FreshDatabase:
    """The demo, and the rows of provenance, the message and the run that events speak of."""
    world = World(demo)
    workspace = told_of(world, "workspace", demo_id("workspace", "a"))
    connector = told_of(world, "workspace_connector", demo_id("workspace_connector", "a", 2))
    for type_ in TYPES:
        record = told_of(world, type_, demo_id(type_, "a"))
        row = world.provenance(record, connector, created_at=writing.BEFORE_THE_EVENTS)
        identify(world, row, named(f"{type_}_workspace_connector_retrieve"))
    run = world.run(connector, workspace, id=UUID(named("sync_run_retrieve")))
    world.message(connector, workspace, id=UUID(named("sync_message_retrieve")), sync_run_pk=run.pk)
    demo.commit()
    return demo


def named(name: str) -> str:
    return str(event(name)["pathParameters"]["id"])


def ids_of(answer: Mapping[str, Any]) -> set[str]:
    data = json.loads(answer["body"]).get("data", [])
    return {each["id"] for each in (data if isinstance(data, list) else [data])}


def everything(owner: FreshDatabase) -> dict[str, list[str]]:
    found = {
        name: list(owner.owner.exec_driver_sql(f"SELECT t::text FROM {name} t ORDER BY 1").scalars())
        for name in metadata.tables
        if name.startswith("core_api.")
    }
    owner.commit()
    return found


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


# ---- what is read and written, whose content tests/reading and tests/writing compare ----------------------------
@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_there_and_for_a_foreign_tenant_is_not(deployed: Deployed, name: str) -> None:
    mine, theirs = (invoke(deployed, name, claims) for claims in (None, {"sub": OUTSIDER}))
    assert document_of(mine, 200)["data"]
    if name.endswith("_retrieve"):
        assert ids_of(mine) == {named(name)}
    if not any(name.startswith(f"{each.type}_") and each.tenancy == "everybody" for each in resources()):
        assert theirs["statusCode"] in ({404} if name.endswith("_retrieve") else {200, 403, 404})
        assert not ids_of(mine) & ids_of(theirs)


@pytest.mark.parametrize("name", writing.REPLAYED)
def test_a_write_is_in_the_database_and_what_is_refused_is_not(
    deployed: Deployed, ledger: FreshDatabase, name: str
) -> None:
    if name in writing.BEFORE:
        assert invoke(deployed, writing.BEFORE[name])["statusCode"] == 204
    before, status = everything(ledger), RELEASED.get(name, writing.REPLAYED[name])
    # What a foreign tenant asks for is not done.
    assert invoke(deployed, name, {"sub": OUTSIDER, "scope": ""})["statusCode"] in {403, 404}
    assert everything(ledger) == before
    answer = invoke(deployed, name)
    assert answer["statusCode"] == status, answer
    assert (everything(ledger) != before) == (status < 300 and name not in RELEASED)


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


def test_the_metadata_for_agents_name_the_issuer_of_the_deployment(deployed: Deployed) -> None:
    document = json.loads(invoke(deployed, "agents_metadata")["body"])
    assert document["resource"] == f"https://{event('agents_metadata')['headers']['host']}/mcp"
    assert document["authorization_servers"] == ["https://issuer.example"]


def test_a_file_that_the_console_does_not_have_is_404(deployed: Deployed) -> None:
    assert invoke(deployed, "console_asset")["statusCode"] == 404


@pytest.mark.parametrize("name", ["console_page", "docs_page"])
def test_a_page_is_html(deployed: Deployed, name: str) -> None:
    answer = invoke(deployed, name)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert answer["headers"]["content-encoding"] == "gzip"
    assert b"<html" in gzip.decompress(base64.b64decode(answer["body"]))
