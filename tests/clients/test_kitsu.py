"""`kitsu` (npm), unmodified. It sends a Content-Type with everything, and a body with DELETE.

Its methods are called in a process of Node that lives as long as the client is used.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cast import COMPANY, CONNECTOR, NOBODY, Problem, each_refusal, problems
from tests.local.stack_process import StackProcess
from tests.support.node import installed

pytestmark = pytest.mark.outside

LEDGER = "company_workspace_connector"
# The paths of the types whose collection is at one that is not their name.
PATHS = {
    LEDGER: "company-workspace-connectors",
    "workspace_group": "workspace-groups",
    "workspace_group_workspace": "workspace-group-workspaces",
}
# Types and members as they are; by itself kitsu writes `type` in camelCase and plural.
AS_IT_IS = {"camelCaseTypes": False, "resourceCase": "none", "pluralize": False}
SCRIPT = Path(__file__).with_name("kitsu.mjs").read_text()


@dataclass(eq=False)
class KitsuError(Exception):
    """A promise of kitsu's that was rejected: the JavaScript error's name, and what kitsu found in the answer."""

    name: str
    status: int | None
    errors: list[dict[str, Any]]


class Kitsu:
    """One client. Each method of kitsu's can be called; its promise is awaited."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, method: str, *args: Any) -> Any:
        """Return what kitsu's `method` resolves to; `KitsuError` where it rejects."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"method": method, "args": args}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "kitsu's process ended; its own words are above"
        outcome = json.loads(line)
        if "error" in outcome:
            raise KitsuError(**outcome["error"])
        return outcome.get("value")


@contextmanager
def kitsu(folder: Path, options: Mapping[str, Any]) -> Iterator[Kitsu]:
    """Start a client with the options of kitsu's constructor, where `node_modules` is."""
    # As a module from a string it finds its imports from where it runs, not from where it is kept.
    command = ["node", "--input-type=module", "--eval", SCRIPT, json.dumps({"options": options, "paths": PATHS})]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Kitsu(process)
        finally:
            # The end of its input is the end of it; leaving `Popen` waits for that.
            assert process.stdin
            process.stdin.close()


type Connect = Callable[..., Kitsu]
type Ref = dict[str, dict[str, str]]


@pytest.fixture(scope="session")
def modules() -> Path:
    return installed(Path(__file__).parent).parent


@pytest.fixture(scope="module")
def connect(modules: Path, stack: StackProcess, api_url: str) -> Iterator[Connect]:
    """Make the client of a demo principal, once for each set of options."""
    clients: dict[str, Kitsu] = {}
    with ExitStack() as running:

        def made(name: str, base: str = "/v1", **options: Any) -> Kitsu:
            key = repr((name, base, options))
            if key not in clients:
                headers = {"Authorization": f"Bearer {stack.token(name)}"}
                chosen = {"baseURL": api_url + base, "headers": headers, **(options or AS_IT_IS)}
                clients[key] = running.enter_context(kitsu(modules, chosen))
            return clients[key]

        yield made


def to_one(type_: str, id_: str) -> Ref:
    return {"data": {"type": type_, "id": id_}}


def ledger_row(direction: str = "input", company: str = COMPANY) -> dict[str, Any]:
    return {
        "direction": direction,
        "company": to_one("company", company),
        "workspace_connector": to_one("workspace_connector", CONNECTOR),
    }


def refusal(client: Kitsu, method: str, *args: Any) -> list[Problem]:
    """Return the `errors` that kitsu puts on the error of its rejected promise."""
    with pytest.raises(KitsuError) as refused:
        client(method, *args)
    assert refused.value.name == "AxiosError"
    found = problems(refused.value.errors)
    assert {status for status, _, _ in found} == {str(refused.value.status)}
    return found


# ---- reading ------------------------------------------------------------------------------------------
def test_it_lists(connect: Connect) -> None:
    answer = connect("owner")("get", LEDGER, {"params": {"page": {"size": 3}}})
    assert answer["status"] == 200
    assert [row["type"] for row in answer["data"]] == [LEDGER] * 3
    # It has moved attributes and relationships up into the resource.
    assert all(row["direction"] in {"input", "output"} for row in answer["data"])
    assert all(row["company"]["data"]["type"] == "company" for row in answer["data"])


def test_it_follows_the_links_of_the_pages(connect: Connect, stack: StackProcess) -> None:
    # The links are references from the host's root, so that is what its base is.
    client = connect("owner", base="")
    rows: list[str] = []
    url = "/v1/company-workspace-connectors?page[size]=50"
    while url:
        answer = client("request", {"url": url, "type": LEDGER})
        rows += [row["id"] for row in answer["data"]]
        url = answer["links"]["next"]
    assert len(rows) > 50
    assert rows == [row["id"] for row in stack.rows("owner", "company")]


def test_it_links_included_resources_into_the_rows(connect: Connect) -> None:
    params = {"include": "company.workspace,workspace_connector.connector", "page": {"size": 4}}
    answer = connect("member")("get", LEDGER, {"params": params})
    assert len(answer["data"]) == 4
    for row in answer["data"]:
        assert row["company"]["data"]["name"]
        assert row["workspace_connector"]["data"]["connector"]["data"]["provider"]
        # The consumer may have brought in either's companies last.
        assert row["company"]["data"]["workspace"]["data"]["name"] in {"Verdier Foods", "Verdier Logistics"}


# ---- writing: the pipeline ----------------------------------------------------------------------------
def test_the_pipeline_creates_tombstones_restores_and_deletes(connect: Connect) -> None:
    client = connect("pipeline")
    created = client("create", LEDGER, ledger_row())
    assert created["status"] == 201
    id_ = created["data"]["id"]
    assert created["headers"]["location"] == f"/v1/company-workspace-connectors/{id_}"
    assert client("get", f"{LEDGER}/{id_}")["data"]["company"]["data"]["id"] == COMPANY

    at = created["data"]["created_at"]
    assert client("update", LEDGER, {"id": id_, "deleted_at": at})["data"]["deleted_at"] == at
    assert refusal(client, "get", f"{LEDGER}/{id_}") == [("404", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", None)]
    assert client("update", LEDGER, {"id": id_, "deleted_at": None})["data"]["deleted_at"] is None

    # The body of its delete may name the path as its type.
    assert client("delete", PATHS[LEDGER], id_)["status"] == 204
    assert refusal(client, "delete", LEDGER, id_) == [("404", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", None)]


# ---- errors -------------------------------------------------------------------------------------------
ATTEMPTS: dict[str, tuple[Any, ...]] = {
    "a path that is not there": ("get", "invoices"),
    "a row of no company": ("create", LEDGER, ledger_row(company=NOBODY)),
    "a row that a person writes": ("create", LEDGER, ledger_row()),
    "a row of no direction": ("create", LEDGER, ledger_row("sideways")),
    "a filter that is not there": ("get", LEDGER, {"params": {"filter": {"colour": "red"}}}),
}


@each_refusal
def test_what_is_refused_is_its_own_error_with_our_code_and_source(
    connect: Connect, what: str, name: str, problem: Problem
) -> None:
    assert refusal(connect(name), *ATTEMPTS[what]) == [problem]
