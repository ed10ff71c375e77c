"""`jsonapi-requests` (PyPI), unmodified. It ends every path with a slash, and lives from being redirected."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import requests
from jsonapi_requests import Api, JsonApiObject, orm
from jsonapi_requests.request_factory import ApiClientError

from tests.clients.cast import COMPANY, CONNECTOR, NOBODY, WORKSPACE_A, Problem, each_refusal, problems
from tests.local.stack_process import StackProcess

LEDGER = "company-workspace-connectors"
LEDGER_TYPE = "company_workspace_connector"


class Bearer(requests.auth.AuthBase):
    """What the client's option `AUTH` takes."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["authorization"] = f"Bearer {self.token}"
        return request


type Connect = Callable[..., Api]


@pytest.fixture
def connect(stack: StackProcess, api_url: str) -> Connect:
    """Make a client of a demo principal."""

    def made(name: str, **options: object) -> Api:
        return Api.config({"API_ROOT": f"{api_url}/v1", "AUTH": Bearer(stack.token(name)), "TIMEOUT": 30, **options})

    return made


def to_one(type_: str, id_: str) -> dict[str, dict[str, str]]:
    return {"data": {"type": type_, "id": id_}}


def ledger_row(direction: str = "input", company: str = COMPANY) -> JsonApiObject:
    return JsonApiObject(
        type=LEDGER_TYPE,
        attributes={"direction": direction},
        relationships={
            "company": to_one("company", company),
            "workspace_connector": to_one("workspace_connector", CONNECTOR),
        },
    )


def refusal(attempt: Callable[[], object]) -> list[Problem]:
    """Return what the client's own error says of an attempt."""
    with pytest.raises(ApiClientError) as refused:
        attempt()
    found = problems(json.loads(refused.value.content)["errors"])
    assert {status for status, _, _ in found} == {str(refused.value.status_code)}
    return found


# ---- reading ------------------------------------------------------------------------------------------
def test_it_lists_and_reads_one_resource(connect: Connect) -> None:
    api = connect("owner")
    answer = api.endpoint(LEDGER).get(params={"page[size]": 3})
    assert answer.status_code == 200
    assert [row.type for row in answer.data] == [LEDGER_TYPE] * 3
    assert all(row.attributes["direction"] in {"input", "output"} for row in answer.data)
    assert answer.content.jsonapi["version"] == "1.1"
    (first, *_) = answer.data
    one = api.endpoint(f"{LEDGER}/{first.id}").get().data
    assert (one.id, one.attributes) == (first.id, first.attributes)


@pytest.mark.parametrize("slash", [False, True])
def test_it_follows_the_links_with_its_slash_and_without(connect: Connect, stack: StackProcess, *, slash: bool) -> None:
    api = connect("owner", APPEND_SLASH=slash)
    rows: list[str] = []
    path: str | None = LEDGER
    while path:
        answer = api.endpoint(path).get()
        rows += [row.id for row in answer.data]
        path = answer.content.links["next"]
    assert len(rows) > 50
    assert rows == [row["id"] for row in stack.rows("owner", "company")]


def test_it_includes_related_resources(connect: Connect) -> None:
    params = {"include": "company,workspace_connector.connector", "page[size]": 5}
    answer = connect("owner").endpoint(LEDGER).get(params=params)
    included = {(one.type, one.id): one for one in answer.content.included}
    assert {type_ for type_, _ in included} == {"company", "workspace_connector", "connector"}
    for row in answer.data:
        company = row.relationships["company"].data
        assert included[company.type, company.id].attributes["name"]


def test_it_filters_and_sorts(connect: Connect, stack: StackProcess) -> None:
    params = {
        "filter[company]": COMPANY,
        "filter[direction]": "output",
        "filter[created_at][gte]": "2026-01-01T00:00:00+01:00",
        "sort": "created_at",
        "fields[company_workspace_connector]": "direction,company",
    }
    answer = connect("owner").endpoint(LEDGER).get(params=params)
    expected = stack.rows("owner", "company", f"&filter[company]={COMPANY}&filter[direction]=output&sort=created_at")
    assert [row.id for row in answer.data] == [row["id"] for row in expected] != []
    assert {tuple(row.attributes) for row in answer.data} == {("direction",)}


# ---- writing: the pipeline ----------------------------------------------------------------------------
def test_the_pipeline_creates_tombstones_restores_and_deletes(connect: Connect) -> None:
    api = connect("pipeline")
    created = api.endpoint(LEDGER).post(object=ledger_row())
    assert created.status_code == 201
    row = api.endpoint(f"{LEDGER}/{created.data.id}")
    assert row.get().data.relationships["company"].data.id == COMPANY

    def change(deleted_at: str | None) -> JsonApiObject:
        return JsonApiObject(type=LEDGER_TYPE, id=created.data.id, attributes={"deleted_at": deleted_at})

    at = created.data.attributes["created_at"]
    assert row.patch(object=change(at)).data.attributes["deleted_at"] == at
    assert refusal(row.get) == [("404", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", None)]
    assert row.patch(object=change(None)).data.attributes["deleted_at"] is None
    assert row.get().data.id == created.data.id

    assert row.delete().status_code == 204
    assert refusal(row.delete) == [("404", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", None)]


def test_an_idempotency_key_passes_through_its_headers(connect: Connect) -> None:
    endpoint = connect("pipeline").endpoint(LEDGER)
    headers = {
        "accept": "application/vnd.api+json",
        "content-type": "application/vnd.api+json",
        "idempotency-key": "jsonapi-requests-1",
    }
    first, again = (endpoint.post(object=ledger_row(), headers=headers) for _ in range(2))
    assert (again.status_code, again.payload) == (first.status_code, first.payload) == (201, first.payload)


# ---- errors -------------------------------------------------------------------------------------------
ATTEMPTS: dict[str, Callable[[Api], object]] = {
    "a path that is not there": lambda api: api.endpoint("invoices").get(),
    "a row of no company": lambda api: api.endpoint(LEDGER).post(object=ledger_row(company=NOBODY)),
    "a row that a person writes": lambda api: api.endpoint(LEDGER).post(object=ledger_row()),
    "a row of no direction": lambda api: api.endpoint(LEDGER).post(object=ledger_row("sideways")),
    "a filter that is not there": lambda api: api.endpoint(LEDGER).get(params={"filter[colour]": "red"}),
}


@each_refusal
def test_what_is_refused_is_its_own_error_with_our_code_and_source(
    connect: Connect, what: str, name: str, problem: Problem
) -> None:
    api = connect(name)
    assert refusal(lambda: ATTEMPTS[what](api)) == [problem]


# ---- its object-relational mapper ---------------------------------------------------------------------
class Models(NamedTuple):
    """The classes that the mapper fills, for one principal."""

    row: Any
    company: Any
    workspace: Any
    workspace_connector: Any


@pytest.fixture
def models(stack: StackProcess, api_url: str) -> Callable[[str], Models]:
    """Map the types of one principal; where a type's path is another word, `Meta` says it."""

    def made(name: str) -> Models:
        mapped = orm.OrmApi.config({"API_ROOT": f"{api_url}/v1", "AUTH": Bearer(stack.token(name)), "TIMEOUT": 30})

        class Workspace(orm.ApiModel):  # type: ignore[misc]
            class Meta:
                api = mapped
                type = "workspace"

            name = orm.AttributeField("name")

        class Company(orm.ApiModel):  # type: ignore[misc]
            class Meta:
                api = mapped
                type = "company"

            name = orm.AttributeField("name")
            workspace = orm.RelationField("workspace")

        class WorkspaceConnector(orm.ApiModel):  # type: ignore[misc]
            class Meta:
                api = mapped
                type = "workspace_connector"

            status = orm.AttributeField("status")

        class Row(orm.ApiModel):  # type: ignore[misc]
            class Meta:
                api = mapped
                type = LEDGER_TYPE
                path = LEDGER

            direction = orm.AttributeField("direction")
            created_at = orm.AttributeField("created_at")
            deleted_at = orm.AttributeField("deleted_at")
            company = orm.RelationField("company")
            workspace_connector = orm.RelationField("workspace_connector")

        return Models(Row, Company, Workspace, WorkspaceConnector)

    return made


def test_its_mapper_walks_relationships_without_another_request(models: Callable[[str], Models]) -> None:
    rows = models("member").row.get_list(params={"include": "company.workspace,workspace_connector", "page[size]": 4})
    assert len(rows) == 4
    for row in rows:
        assert row.company.name
        # The consumer may have brought in either's companies last.
        assert row.company.workspace.name in {"Verdier Foods", "Verdier Logistics"}
        assert row.workspace_connector.status == "active"


def test_its_mapper_creates_tombstones_restores_and_deletes(models: Callable[[str], Models]) -> None:
    of = models("pipeline")
    row = of.row()
    row.direction = "output"
    row.company = of.company.from_id(COMPANY)
    row.workspace_connector = of.workspace_connector.from_id(CONNECTOR)
    row.save()
    assert of.row.exists(row.id)

    of.row(JsonApiObject(type=LEDGER_TYPE, id=row.id, attributes={"deleted_at": row.created_at})).save()
    assert not of.row.exists(row.id)

    # It sends back all that it was given, so it asks for no more than what it may change.
    tombstones = of.row.get_list(
        params={
            "filter[deleted]": "only",
            "filter[company]": COMPANY,
            "fields[company_workspace_connector]": "deleted_at",
        }
    )
    (mine,) = (one for one in tombstones if one.id == row.id)
    mine.deleted_at = None
    mine.save()
    assert of.row.exists(row.id)

    row.delete()  # with the whole resource as its body
    assert not of.row.exists(row.id)


def test_a_resource_sent_back_whole_is_refused_with_a_pointer_to_each_field(models: Callable[[str], Models]) -> None:
    (row,) = models("pipeline").row.get_list(params={"page[size]": 1})
    found = refusal(row.save)
    assert ("403", "IMMUTABLE_ATTRIBUTE", {"pointer": "/data/attributes/direction"}) in found
    assert ("403", "SYSTEM_ATTRIBUTE", {"pointer": "/data/attributes/created_at"}) in found
    assert ("403", "SYSTEM_ATTRIBUTE", {"pointer": "/data/attributes/updated_at"}) in found


def test_it_follows_links_from_a_row_to_its_record_and_its_workspace(connect: Connect) -> None:
    api = connect("owner")

    def follow(relationship: Any) -> JsonApiObject:
        return api.endpoint(relationship.links["related"].removeprefix("/v1/")).get().data

    row = api.endpoint(LEDGER).get(params={"page[size]": "1"}).data[0]
    company = follow(row.relationships["company"])
    assert (company.type, company.id) == ("company", row.relationships["company"].data.id)
    workspace = follow(company.relationships["workspace"])
    assert (workspace.type, workspace.id) == ("workspace", WORKSPACE_A)
    assert api.endpoint(workspace.links["self"].removeprefix("/v1/")).get().data.id == WORKSPACE_A


def test_a_person_selects_a_provider_by_what_it_is_and_knows_no_id_beforehand(connect: Connect) -> None:
    api = connect("owner")
    mine = {row.attributes["name"]: row for row in api.endpoint("workspaces").get().data}
    workspace = mine["Verdier Logistics"]
    of_kind = {"filter[category]": "telecom", "filter[country]": "FR", "sort": "name"}
    provider = api.endpoint("providers").get(params=of_kind).data[0]
    assert (provider.attributes["category"], provider.attributes["countries"]) == ("telecom", ["FR"])

    providers = api.endpoint(f"{workspace.links['self'].removeprefix('/v1/')}/providers")
    before = [row.id for row in providers.get().data]
    chosen = JsonApiObject(type="workspace_provider", relationships={"provider": to_one("provider", provider.id)})
    selected = providers.post(object=chosen)
    assert selected.status_code == 201
    answer = providers.get()
    assert {row.id for row in answer.data} == {*before, selected.data.id}
    assert provider.attributes["name"] in {one.attributes["name"] for one in answer.content.included}
    (row,) = (row for row in answer.data if row.id == selected.data.id)
    seen = api.endpoint(row.relationships["provider"].links["related"].removeprefix("/v1/")).get().data
    assert seen.attributes["name"] == provider.attributes["name"]
    assert row.attributes["is_selected"] is True
    assert api.endpoint(row.links["self"].removeprefix("/v1/")).delete().status_code == 204
