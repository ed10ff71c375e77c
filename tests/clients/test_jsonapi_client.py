"""`jsonapi-client` (PyPI), unmodified. It accepts anything, sends raw brackets, and follows links by itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from jsonapi_client import Filter, Inclusion, Modifier, Session
from jsonapi_client.exceptions import DocumentError

from tests.clients.cast import COMPANY, CONNECTOR, NOBODY, Problem, each_refusal, problems
from tests.local.stack_process import StackProcess
from wellspring.resources import resource_of

LEDGER = "company-workspace-connectors"
TYPE = "company_workspace_connector"


def schema(type_: str) -> dict[str, Any]:
    """Return what the client wants to know of a type before it creates one; it validates what it reads, too."""
    declared = resource_of(type_)
    related = {
        each.name: {"relation": "to-many" if each.many else "to-one", "resource": [each.target]}
        for each in declared.relationships
    }
    return {"properties": {each.name: {"type": ["null", "string"]} for each in declared.attributes} | related}


SCHEMA = {type_: schema(type_) for type_ in (TYPE, "workspace_group", "workspace_group_workspace")}

type Connect = Callable[..., Any]


@pytest.fixture
def connect(stack: StackProcess, api_url: str) -> Connect:
    """Make a session of a demo principal."""

    def made(name: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {stack.token(name)}"}
        return Session(f"{api_url}/v1", schema=SCHEMA, request_kwargs={"headers": headers}, **options)

    return made


def ledger_row(direction: str = "input", company: str = COMPANY) -> dict[str, str]:
    return {"direction": direction, "company": company, "workspace_connector": CONNECTOR}


def commit(session: Any, path: str, type_: str, fields: dict[str, Any]) -> Any:
    """Create a resource as the client does where the path of the collection is not the type."""
    created = session.create(type_, fields=fields)
    created.commit(custom_url=f"{session.url_prefix}/{path}")
    return created


def refusal(attempt: Callable[[], object]) -> list[Problem]:
    """Return what the client's own error carries of the answer."""
    with pytest.raises(DocumentError) as refused:
        attempt()
    found = problems(refused.value.response.json()["errors"])
    assert {int(status) for status, _, _ in found} == {refused.value.errors["status_code"]}
    assert refused.value.response.json()["errors"][0]["title"] in str(refused.value)
    return found


def only(session: Any, path: str, id_: str, query: str = "") -> Any:
    """Return the resource `id_` of a list."""
    (found,) = (one for one in session.iterate(path, Modifier(query)) if one.id == id_)
    return found


# ---- reading ------------------------------------------------------------------------------------------
def test_it_walks_all_pages_by_itself(connect: Connect, stack: StackProcess) -> None:
    rows = [row.id for row in connect("owner").iterate(LEDGER, Modifier("page[size]=50"))]
    assert len(rows) > 50
    assert rows == [row["id"] for row in stack.rows("owner", "company")]


def test_it_finds_included_resources_without_another_request(connect: Connect) -> None:
    document = connect("owner").get(
        LEDGER, Inclusion("company.workspace", "workspace_connector.connector") + Modifier("page[size]=4")
    )
    assert len(document.resources) == 4
    assert {one.type for one in document.included} == {"company", "workspace", "workspace_connector", "connector"}
    for row in document.resources:
        assert row.company["name"]
        assert row["workspace_connector"]["connector"]["provider"]


# ---- writing: the pipeline ----------------------------------------------------------------------------
def test_the_pipeline_creates_tombstones_restores_and_deletes(connect: Connect) -> None:
    session = connect("pipeline")
    row = commit(session, LEDGER, TYPE, ledger_row())
    assert row.id
    assert (row["direction"], row["deleted_at"]) == ("input", None)
    assert row.relationships.company.as_json_resource_identifiers["id"] == COMPANY

    row["deleted_at"] = row["created_at"]
    row.commit()
    assert row["deleted_at"] == row["created_at"]
    # Another session, for it would give its own copy out of memory.
    other = connect("pipeline")
    gone = ("404", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", None)
    assert refusal(lambda: other.get(LEDGER, row.id)) == [gone]

    tombstoned = only(other, LEDGER, row.id, f"filter[deleted]=only&filter[company]={COMPANY}")
    tombstoned["deleted_at"] = None
    # It has no link to itself, which would be 404; without one the client takes the type for the path.
    tombstoned.commit(custom_url=f"{other.url_prefix}/{LEDGER}/{row.id}")
    assert connect("pipeline").get(LEDGER, row.id).resource["deleted_at"] is None

    async def delete() -> None:
        """Without waiting it looks for a document in a 204."""
        async with connect("pipeline", enable_async=True) as waiting:
            live = (await waiting.get(LEDGER, row.id)).resource
            live.delete()
            await live.commit()

    asyncio.run(delete())
    assert refusal(lambda: connect("pipeline").get(LEDGER, row.id)) == [gone]


# ---- errors -------------------------------------------------------------------------------------------
ATTEMPTS: dict[str, Callable[[Any], object]] = {
    "a path that is not there": lambda session: session.get("invoices"),
    "a row of no company": lambda session: commit(session, LEDGER, TYPE, ledger_row(company=NOBODY)),
    "a row that a person writes": lambda session: commit(session, LEDGER, TYPE, ledger_row()),
    "a row of no direction": lambda session: commit(session, LEDGER, TYPE, ledger_row("sideways")),
    "a filter that is not there": lambda session: session.get(LEDGER, Filter(colour="red")),
}


@each_refusal
def test_what_is_refused_is_its_own_error_with_our_code_and_source(
    connect: Connect, what: str, name: str, problem: Problem
) -> None:
    session = connect(name)
    assert refusal(lambda: ATTEMPTS[what](session)) == [problem]
