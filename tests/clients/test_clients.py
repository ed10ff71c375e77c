"""JSON:API clients as PyPI and npm deliver them: each reads, writes, and makes its own error of a refusal."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
import requests
from jsonapi_client import Filter, Inclusion, Modifier, Session
from jsonapi_client.exceptions import DocumentError
from jsonapi_requests import Api, JsonApiObject
from jsonapi_requests.request_factory import ApiClientError

from tests.clients.conftest import COMPANY, CONNECTOR, ledger_row
from tests.local.stack_process import StackProcess
from tests.support.node import installed
from wellspring.resources import resource_of

LEDGER = "company-workspace-connectors"
TYPE = "company_workspace_connector"
# An id that nothing has.
NOBODY = str(UUID(int=1))
INCLUDES = ("company.workspace", "workspace_connector.connector")


class Client:
    """A client of one principal, which raises its own `error`; `told` says which status and error objects that has."""

    error: ClassVar[type[Exception]]

    def __init__(self, stack: StackProcess, name: str) -> None:
        self.url, self.headers = stack.facts["api_url"], {"Authorization": f"Bearer {stack.token(name)}"}


class JsonApiClient(Client):
    """`jsonapi-client`. It accepts anything, sends raw brackets, validates what it reads, and follows links itself."""

    error = DocumentError

    def session(self, **options: Any) -> Any:
        """Begin another session, for one gives its own copies out of memory."""
        schema = {type_: self.schema(type_) for type_ in (TYPE, "workspace_group", "workspace_group_workspace")}
        return Session(f"{self.url}/v1", schema=schema, request_kwargs={"headers": self.headers}, **options)

    def schema(self, type_: str) -> dict[str, Any]:
        declared = resource_of(type_)
        related = {
            each.name: {"relation": "to-many" if each.many else "to-one", "resource": [each.target]}
            for each in declared.relationships
        }
        return {"properties": {each.name: {"type": ["null", "string"]} for each in declared.attributes} | related}

    def told(self, error: Any) -> tuple[int, list[Any]]:
        errors: list[Any] = error.response.json()["errors"]
        assert errors[0]["title"] in str(error)
        return error.errors["status_code"], errors

    def walk(self) -> list[str]:
        return [row.id for row in self.session().iterate(LEDGER, Modifier("page[size]=50"))]

    def included(self) -> list[tuple[str, str]]:
        document = self.session().get(LEDGER, Inclusion(*INCLUDES) + Modifier("page[size]=4"))
        assert {one.type for one in document.included} == {"company", "workspace", "workspace_connector", "connector"}
        return [
            (row.company["name"], row["workspace_connector"]["connector"]["provider"]) for row in document.resources
        ]

    def get(self, path: str, **filters: str) -> Any:
        return self.session().get(path, Filter(**filters))

    def create(self, direction: str = "input", company: str = COMPANY) -> tuple[str, str]:
        session = self.session()
        said = {"direction": direction, "company": company, "workspace_connector": CONNECTOR}
        created = session.create(TYPE, fields=said)
        # As where the path of the collection is not the type.
        created.commit(custom_url=f"{session.url_prefix}/{LEDGER}")
        assert created.relationships.company.as_json_resource_identifiers["id"] == company
        return created.id, created["created_at"]

    def change(self, id_: str, deleted_at: str | None) -> str | None:
        session = self.session()
        rows = session.iterate(LEDGER, Modifier(f"filter[deleted]=include&filter[company]={COMPANY}"))
        (row,) = (one for one in rows if one.id == id_)
        row["deleted_at"] = deleted_at
        # A dead one has no link to itself, which would be 404; without one the client takes the type for the path.
        row.commit(custom_url="" if deleted_at else f"{session.url_prefix}/{LEDGER}/{id_}")
        changed: str | None = row["deleted_at"]
        return changed

    def delete(self, id_: str) -> None:
        async def delete() -> None:
            """Without waiting it looks for a document in a 204."""
            async with self.session(enable_async=True) as waiting:
                live = (await waiting.get(LEDGER, id_)).resource
                live.delete()
                await live.commit()

        asyncio.run(delete())


class JsonApiRequests(Client):
    """`jsonapi-requests`. It ends every path with a slash, and lives from being redirected."""

    error = ApiClientError

    def endpoint(self, path: str) -> Any:
        def signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers.update(self.headers)
            return request

        return Api.config({"API_ROOT": f"{self.url}/v1", "AUTH": signed, "TIMEOUT": 30}).endpoint(path)

    def told(self, error: Any) -> tuple[int, list[Any]]:
        return error.status_code, json.loads(error.content)["errors"]

    def walk(self) -> list[str]:
        rows: list[str] = []
        path: str | None = LEDGER
        while path:
            answer = self.endpoint(path).get()
            rows += [row.id for row in answer.data]
            path = answer.content.links["next"]
        return rows

    def get(self, path: str, **filters: str) -> Any:
        return self.endpoint(path).get(params={f"filter[{name}]": value for name, value in filters.items()})

    def create(self, direction: str = "input", company: str = COMPANY) -> tuple[str, str]:
        made = self.endpoint(LEDGER).post(object=JsonApiObject(**ledger_row(direction, company))).data
        return made.id, made.attributes["created_at"]

    def change(self, id_: str, deleted_at: str | None) -> str | None:
        said = JsonApiObject(type=TYPE, id=id_, attributes={"deleted_at": deleted_at})
        changed: str | None = self.endpoint(f"{LEDGER}/{id_}").patch(object=said).data.attributes["deleted_at"]
        return changed

    def delete(self, id_: str) -> None:
        self.endpoint(f"{LEDGER}/{id_}").delete()


class KitsuError(Exception):
    """A promise of kitsu's that was rejected: the error's name, the answer's status, and the `errors` in it."""


class Kitsu(Client):
    """`kitsu`, in a process of Node. It sends a Content-Type with everything, and a body with DELETE."""

    error = KitsuError

    def __init__(self, stack: StackProcess, name: str) -> None:
        super().__init__(stack, name)
        # Its links are references from the host's root, so that is its base; types and members stay as they are.
        options = {"baseURL": self.url, "headers": self.headers, "pluralize": False, "camelCaseTypes": False}
        said = json.dumps({"options": options | {"resourceCase": "none"}, "paths": {TYPE: f"v1/{LEDGER}"}})
        # As a module from a string it finds its imports from where it runs, not from where it is kept.
        script = Path(__file__).with_name("kitsu.mjs").read_text()
        command, pipe = ["node", "--input-type=module", "--eval", script, said], subprocess.PIPE
        folder = installed(Path(__file__).parent).parent
        self.process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True)

    def close(self) -> None:
        # The end of its input is the end of it.
        self.process.communicate()

    def call(self, method: str, *args: Any) -> Any:
        """Return what kitsu's `method` resolves to."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"method": method, "args": args}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "kitsu's process ended; its own words are above"
        outcome = json.loads(line)
        if "error" in outcome:
            raise KitsuError(outcome["error"])
        return outcome.get("value")

    def told(self, error: Any) -> tuple[int, list[Any]]:
        (said,) = error.args
        assert said["name"] == "AxiosError"
        return said["status"], said["errors"]

    def walk(self) -> list[str]:
        rows: list[str] = []
        url = f"/v1/{LEDGER}?page[size]=50"
        while url:
            answer = self.call("request", {"url": url, "type": TYPE})
            rows += [row["id"] for row in answer["data"]]
            url = answer["links"]["next"]
        return rows

    def included(self) -> list[tuple[str, str]]:
        rows = self.call("get", TYPE, {"params": {"include": ",".join(INCLUDES), "page": {"size": 4}}})["data"]
        # It has moved attributes and relationships up into the resource, and what is included into these.
        return [
            (row["company"]["data"]["name"], row["workspace_connector"]["data"]["connector"]["data"]["provider"])
            for row in rows
        ]

    def get(self, path: str, **filters: str) -> Any:
        return self.call("get", f"v1/{path}", {"params": {"filter": filters}} if filters else {})

    def create(self, direction: str = "input", company: str = COMPANY) -> tuple[str, str]:
        related = ledger_row(direction, company)["relationships"]
        made = self.call("create", TYPE, {"direction": direction, **related})["data"]
        return made["id"], made["created_at"]

    def change(self, id_: str, deleted_at: str | None) -> str | None:
        changed: str | None = self.call("update", TYPE, {"id": id_, "deleted_at": deleted_at})["data"]["deleted_at"]
        return changed

    def delete(self, id_: str) -> None:
        # The body of its delete names the path as its type.
        self.call("delete", f"v1/{LEDGER}", id_)


type Connect = Callable[[str], Any]
# Each needs the whole stack.
OF_PYTHON = [pytest.param(client, marks=pytest.mark.long) for client in (JsonApiClient, JsonApiRequests)]
OF_NODE = pytest.param(Kitsu, marks=pytest.mark.outside)


@pytest.fixture(params=[*OF_PYTHON, OF_NODE])
def connect(request: pytest.FixtureRequest, stack: StackProcess) -> Connect:
    """Make a client of a demo principal."""

    def made(name: str) -> Client:
        client: Client = request.param(stack, name)
        if isinstance(client, Kitsu):
            request.addfinalizer(client.close)
        return client

    return made


type Problem = tuple[str, str, dict[str, str] | None]
GONE: Problem = ("404", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", None)


def refusal(client: Any, attempt: Callable[[], object]) -> Problem:
    """Return the status, the code and the source of the only error that the client's own error carries."""
    with pytest.raises(client.error) as refused:
        attempt()
    status, (error,) = client.told(refused.value)
    assert error["id"]
    assert error["title"]
    assert error["detail"]
    assert error["status"] == str(status)
    return error["status"], error["code"], error.get("source")


def test_it_walks_all_pages_by_their_links(connect: Connect, stack: StackProcess) -> None:
    rows = connect("owner").walk()
    assert len(rows) > 50
    assert rows == [row["id"] for row in stack.rows("owner", "company")]


@pytest.mark.parametrize("connect", [OF_PYTHON[0], OF_NODE], indirect=True)
def test_it_finds_included_resources_without_another_request(connect: Connect) -> None:
    found = connect("owner").included()
    assert len(found) == 4
    assert all(name and provider for name, provider in found)


def test_the_pipeline_creates_tombstones_restores_and_deletes(connect: Connect) -> None:
    client = connect("pipeline")
    id_, at = client.create()
    path = f"{LEDGER}/{id_}"
    client.get(path)
    assert client.change(id_, at) == at
    assert refusal(client, lambda: client.get(path)) == GONE
    assert client.change(id_, None) is None
    client.get(path)
    client.delete(id_)
    assert refusal(client, lambda: client.get(path)) == GONE


NO_COMPANY: Problem = ("404", "COMPANY_NOT_FOUND", {"pointer": "/data/relationships/company/data/id"})
NO_DIRECTION: Problem = ("422", "SCHEMA_VALIDATION_ERROR", {"pointer": "/data/attributes/direction"})


@pytest.mark.parametrize(
    ("name", "attempt", "problem"),
    [
        ("owner", lambda client: client.get("invoices"), ("404", "NOT_FOUND", None)),
        ("pipeline", lambda client: client.create(company=NOBODY), NO_COMPANY),
        ("owner", lambda client: client.create(), ("403", "FORBIDDEN", None)),
        ("pipeline", lambda client: client.create("sideways"), NO_DIRECTION),
        (
            "owner",
            lambda client: client.get(LEDGER, colour="red"),
            ("400", "INVALID_QUERY_PARAMETER", {"parameter": "filter[colour]"}),
        ),
    ],
    ids=lambda said: said[1] if isinstance(said, tuple) else "",
)
def test_what_is_refused_is_its_own_error_with_our_code_and_source(
    connect: Connect, name: str, attempt: Callable[[Any], object], problem: Problem
) -> None:
    client = connect(name)
    assert refusal(client, lambda: attempt(client)) == problem
