"""`jsonapi-requests` (PyPI), unmodified. It ends every path with a slash, and lives from being redirected."""

import json
from collections.abc import Callable

import pytest
import requests
from jsonapi_requests import Api, JsonApiObject
from jsonapi_requests.request_factory import ApiClientError

from tests.clients.cast import COMPANY, NOBODY, Problem, each_refusal, ledger_row, problems
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


# ---- writing: the pipeline ----------------------------------------------------------------------------
def test_the_pipeline_creates_tombstones_restores_and_deletes(connect: Connect) -> None:
    api = connect("pipeline")
    created = api.endpoint(LEDGER).post(object=JsonApiObject(**ledger_row()))
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


# ---- errors -------------------------------------------------------------------------------------------
ATTEMPTS: dict[str, Callable[[Api], object]] = {
    "a path that is not there": lambda api: api.endpoint("invoices").get(),
    "a row of no company": lambda api: api.endpoint(LEDGER).post(object=JsonApiObject(**ledger_row(company=NOBODY))),
    "a row that a person writes": lambda api: api.endpoint(LEDGER).post(object=JsonApiObject(**ledger_row())),
    "a row of no direction": lambda api: api.endpoint(LEDGER).post(object=JsonApiObject(**ledger_row("sideways"))),
    "a filter that is not there": lambda api: api.endpoint(LEDGER).get(params={"filter[colour]": "red"}),
}


@each_refusal
def test_what_is_refused_is_its_own_error_with_our_code_and_source(
    connect: Connect, what: str, name: str, problem: Problem
) -> None:
    api = connect(name)
    assert refusal(lambda: ATTEMPTS[what](api)) == [problem]
