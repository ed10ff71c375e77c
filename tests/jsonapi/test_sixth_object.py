"""A junction object that nobody has written a line of code for works like the others, from its declaration alone.

The scratch type stands in for a sixth object: its record `voucher`, its ledger `voucher_workspace_connector`. Of the
steps of docs/architecture.md, "Adding a junction object", this is the declaration; its tables and routes last for one
test. tests/declaring takes all steps, in a copy of the repository.
"""

import importlib
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Table

from local.openapi import document
from migrations.support import create_newest
from tests.jsonapi.conftest import Tenant, included
from tests.jsonapi.structure import check
from tests.support.api import READER, Caller, Context, Reply, call, draft, event, person, service
from tests.support.databases import Database, Role, Statements, role_of_call
from tests.support.world import Row, World
from wellspring import resources as declarations
from wellspring.handlers.http import LambdaHandler
from wellspring.handlers.reading import list_of, retrieve_of
from wellspring.handlers.writing import create_of, delete_of, update_of
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.models import junctions, metadata, parents
from wellspring.resources import Attribute, provenance, record, register
from wellspring.routes import objects, routes

ROUTE = "/v1/voucher-workspace-connectors"
TYPE = "voucher_workspace_connector"
PIPELINE = service("system:read", "sync:write")


@pytest.fixture
def vouchers(database: Database) -> Iterator[Table]:
    """The record's table and its ledger, in this test's transaction, and both types, until the test is over."""
    known, tables = dict(declarations._RESOURCES), set(metadata.tables)
    voucher = record("voucher", "vouchers", Attribute("number", "text", required=True))
    ledger = provenance(voucher, "workspace")
    register(voucher, ledger)
    made = (parents.record_table(voucher), junctions.provenance_table(ledger))
    try:
        metadata.create_all(database.owner, tables=made)
        for table in made:
            database.owner.exec_driver_sql(f"GRANT SELECT ON {table.fullname} TO wellspring_reader, wellspring_writer")
        database.owner.exec_driver_sql(
            "GRANT INSERT, UPDATE (updated_at, deleted_at, ended_by_pk)"
            f" ON core_api.{ledger.table} TO wellspring_writer"
        )
        with Operations.context(MigrationContext.configure(database.owner)):
            create_newest(voucher.type)
        yield made[0]
    finally:
        for name in set(metadata.tables) - tables:
            metadata.remove(metadata.tables[name])
        declarations._RESOURCES.clear()
        declarations._RESOURCES.update(known)


class Api:
    """The five functions of the sixth object, as its folder would declare them."""

    def __init__(self) -> None:
        resource = declarations.resource_of(TYPE)
        self.handlers: dict[tuple[str, bool], LambdaHandler] = {
            ("GET", False): list_of(resource),
            ("GET", True): retrieve_of(resource),
            ("POST", False): create_of(resource),
            ("PATCH", True): update_of(resource),
            ("DELETE", True): delete_of(resource),
        }

    def __call__(self, method: str, url: str, caller: Caller, document: Any = None, **headers: str) -> Reply:
        path, _, query = url.partition("?")
        id_ = path.removeprefix(ROUTE).strip("/")
        sent = event(
            path,
            query,
            caller,
            {"id": id_} if id_ else None,
            method=method,
            headers={"content-type": MEDIA_TYPE} | {name.replace("_", "-"): value for name, value in headers.items()},
            body=None if document is None else json.dumps(document),
        )
        role: Role = "wellspring_reader" if method == "GET" else "wellspring_writer"
        token = role_of_call.set(role)
        try:
            answer = self.handlers[method, bool(id_)](sent, Context())
        finally:
            role_of_call.reset(token)
        text = answer.get("body", "")
        request_id = sent["requestContext"]["requestId"]
        return Reply(answer["statusCode"], answer["headers"], text, request_id, json.loads(text) if text else None)


@pytest.fixture
def api(vouchers: Table) -> Api:
    return Api()


@pytest.fixture
def voucher(vouchers: Table, world: World, ours: Tenant) -> Row:
    return world._insert("voucher", vouchers, number="2026-001", workspace_pk=ours.workspace.pk)


@pytest.fixture
def row(api: Api, ours: Tenant, voucher: Row) -> Reply:
    return made(api, ours, voucher)


def made(api: Api, ours: Tenant, voucher: Row, direction: str = "input") -> Reply:
    document = draft(TYPE, {"direction": direction}, voucher=voucher, workspace_connector=ours.connector)
    reply = api("POST", ROUTE, PIPELINE, document)
    assert reply.status == 201, reply.body
    return reply


# ---- who sees it ---------------------------------------------------------------------------------------


def test_it_is_404_and_absent_for_the_foreign_tenant(
    vouchers: Table, api: Api, ours: Tenant, theirs: Tenant, row: Reply
) -> None:
    for caller in (theirs.caller, person(Row("people", 0, uuid4()))):
        foreign = api("GET", row.data["links"]["self"], caller)
        assert (foreign.status, foreign.error["code"]) == (404, "VOUCHER_WORKSPACE_CONNECTOR_NOT_FOUND")
        assert foreign.error["title"] == "Voucher workspace connector not found"
        assert api("GET", ROUTE, caller).ids == []
        voucher_id = row.data["relationships"]["voucher"]["data"]["id"]
        assert api("GET", f"{ROUTE}?filter[voucher]={voucher_id}", caller).ids == []
    assert api("GET", f"{ROUTE}?filter[workspace]={ours.workspace.id}", theirs.caller).codes == ["FORBIDDEN"]


# ---- the five operations -------------------------------------------------------------------------------
def test_it_is_created(api: Api, ours: Tenant, voucher: Row, row: Reply) -> None:
    check(row.document)
    assert row.headers["location"] == row.data["links"]["self"] == f"{ROUTE}/{row.data['id']}"
    assert row.data["attributes"].keys() == {"direction", "created_at", "updated_at", "deleted_at"}
    assert row.data["relationships"] == {
        "voucher": {"data": {"type": "voucher", "id": str(voucher.id)}},
        "workspace_connector": {
            "data": {"type": "workspace_connector", "id": str(ours.connector.id)},
            "links": {"related": f"/v1/workspace-connectors/{ours.connector.id}"},
        },
        "sync_message": {"data": None},
        "ended_by": {"data": None},
    }


def test_it_is_retrieved(api: Api, ours: Tenant, row: Reply) -> None:
    for caller in (ours.caller, READER):
        reply = api("GET", row.headers["location"], caller)
        check(reply.document)
        assert (reply.status, reply.data, reply.headers["etag"]) == (200, row.data, row.headers["etag"])
    assert api("GET", row.headers["location"], READER, if_none_match=row.headers["etag"]).status == 304


def test_it_is_listed_filtered_sorted_and_paged(
    vouchers: Table, world: World, api: Api, ours: Tenant, voucher: Row
) -> None:
    other = world._insert("voucher", vouchers, number="2026-002", workspace_pk=ours.workspace.pk)
    ids = [
        UUID(made(api, ours, one, direction).data["id"])
        for one in (voucher, other)
        for direction in ("input", "output")
    ]
    for query, expected in {
        "": ids[::-1],
        "sort=created_at": ids,
        "sort=-updated_at": ids[::-1],
        f"filter[voucher]={other.id}&sort=created_at": ids[2:],
        "filter[direction]=output&sort=created_at": ids[1::2],
        f"filter[workspace_connector]={ours.connector.id}&sort=created_at": ids,
        f"filter[workspace]={ours.workspace.id}&sort=created_at": ids,
        "filter[created_at][lt]=2000-01-01T00:00:00Z": [],
        "filter[deleted]=only": [],
    }.items():
        # A direction is not for the rows of all workspaces.
        callers = (ours.caller,) if query.startswith("filter[direction]") else (ours.caller, READER)
        for caller in callers:
            reply = api("GET", f"{ROUTE}?{query}", caller)
            check(reply.document)
            assert reply.ids == expected, query
    seen, url = [], f"{ROUTE}?page[size]=3&page[total]=true"
    while url:
        reply = api("GET", url, ours.caller)
        assert reply.document["meta"] == {"page": {"total": 4}}
        seen += reply.ids
        url = reply.document["links"]["next"]
    assert seen == ids[::-1]


def test_it_is_tombstoned_restored_and_deleted(api: Api, ours: Tenant, row: Reply) -> None:
    url, id_ = row.headers["location"], row.data["id"]
    at = row.data["attributes"]["created_at"]
    gone = api("PATCH", url, PIPELINE, draft(TYPE, {"deleted_at": at}, id_))
    assert (gone.status, gone.data["attributes"]["deleted_at"]) == (200, at)
    assert api("GET", url, ours.caller).status == 404
    assert api("GET", f"{ROUTE}?filter[deleted]=only", ours.caller).ids == [UUID(id_)]
    back = api("PATCH", url, PIPELINE, draft(TYPE, {"deleted_at": None}, id_), if_match=gone.headers["etag"])
    assert (back.status, back.data["attributes"]["deleted_at"]) == (200, None)
    assert api("DELETE", url, PIPELINE, if_match='"stale"').codes == ["PRECONDITION_FAILED"]
    assert api("DELETE", url, PIPELINE).status == 204
    assert api("DELETE", url, PIPELINE).codes == ["VOUCHER_WORKSPACE_CONNECTOR_NOT_FOUND"]


# ---- include, fields and what they cost ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "types"),
    [
        ("voucher", {"voucher"}),
        ("voucher.workspace", {"voucher", "workspace"}),
        ("workspace_connector.connector", {"workspace_connector", "connector"}),
        (
            "voucher.workspace,workspace_connector.workspace,workspace_connector.connector",
            {"voucher", "workspace", "workspace_connector", "connector"},
        ),
    ],
)
def test_its_parents_are_included_with_one_statement_each(
    api: Api, ours: Tenant, row: Reply, statements: Statements, path: str, types: set[str]
) -> None:
    for url in (ROUTE, row.headers["location"]):
        api("GET", url, ours.caller)  # the first answer of a process also reads the cursor keys
        statements.clear()
        reply = api("GET", f"{url}?include={path}&fields[voucher]=number,workspace", ours.caller)
        check(reply.document)
        assert {type_ for type_, _ in included(reply)} == types
        assert len(statements) == 1 + len(types)
        vouchers = [item for item in reply.document["included"] if item["type"] == "voucher"]
        assert [item["attributes"] for item in vouchers] == [{"number": "2026-001"}] * ("voucher" in types)


# ---- errors --------------------------------------------------------------------------------------------


def test_its_documents_are_checked_by_its_declaration(api: Api, row: Reply) -> None:
    wrong = draft(TYPE, {"direction": "up", "number": "1", "created_at": None}, id_=uuid4())
    wrong["data"]["relationships"] = {"company": {"data": None}}
    reply = api("POST", f"{ROUTE}?include=company&filter[voucher]=7", PIPELINE, wrong)
    check(reply.document)
    assert {error["source"].get("pointer") or error["source"]["parameter"] for error in reply.errors} == {
        "include",
        "filter[voucher]",
        "/data/id",
        "/data/attributes/direction",
        "/data/attributes/number",
        "/data/attributes/created_at",
        "/data/relationships/company",
        "/data/relationships",
    }
    change = draft(TYPE, {"direction": "output", "updated_at": None}, row.data["id"])
    assert set(api("PATCH", row.headers["location"], PIPELINE, change).codes) == {
        "IMMUTABLE_ATTRIBUTE",
        "SYSTEM_ATTRIBUTE",
    }
    assert api("POST", ROUTE, PIPELINE, {"data": {**change["data"], "type": "company"}}).status == 400


def test_its_parameters_are_checked_by_its_declaration(api: Api) -> None:
    for query, parameter in (
        ("include=voucher.created_by", "include"),
        ("filter[company]=7", "filter[company]"),
        ("filter[voucher]=7", "filter[voucher]"),
        ("fields[voucher]=amount", "fields[voucher]"),
        ("sort=number", "sort"),
    ):
        assert api("GET", f"{ROUTE}?{query}", READER).error["source"] == {"parameter": parameter}


# ---- routes and description ----------------------------------------------------------------------------
def test_its_routes_are_known(api: Api) -> None:
    assert TYPE in {resource.type for resource in objects()}
    assert {(route.method, route.path) for route in routes() if route.path.startswith(ROUTE)} == {
        ("GET", ROUTE),
        ("POST", ROUTE),
        *((method, f"{ROUTE}/{{id}}") for method in ("GET", "PATCH", "DELETE")),
    }


def test_what_its_routes_do_not_match_is_answered(api: Api, ours: Tenant) -> None:
    for url, allowed in ((ROUTE, "GET, HEAD, POST"), (f"{ROUTE}/{uuid4()}", "GET, HEAD, PATCH, DELETE")):
        # No template entry names them here, so that $default gets all of it.
        reply = call("PUT", url, ours.caller)
        assert (reply.status, reply.error["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert reply.headers["allow"] == allowed
        assert call("PUT", f"{url}/", ours.caller).headers["location"] == url


def test_it_is_described(api: Api) -> None:
    described = document()
    assert described["paths"][ROUTE].keys() == {"get", "post"}
    assert described["paths"][f"{ROUTE}/{{id}}"].keys() == {"get", "patch", "delete"}
    text = json.dumps(described)
    for word in ("filter[voucher]", "fields[voucher]", "VOUCHER_NOT_FOUND", "VOUCHER_WORKSPACE_CONNECTOR_NOT_FOUND"):
        assert word in text


# ---- afterwards ----------------------------------------------------------------------------------------
def test_nothing_of_it_is_left_for_the_tests_that_follow(ours: Tenant) -> None:
    assert not [route for route in routes() if "voucher" in route.path]
    assert "core_api.vouchers" not in metadata.tables
    with pytest.raises(KeyError):
        declarations.resource_of("voucher")
    assert call("GET", ROUTE, ours.caller).codes == ["NOT_FOUND"]
    assert "voucher" not in json.dumps(importlib.import_module("local.openapi").document())
