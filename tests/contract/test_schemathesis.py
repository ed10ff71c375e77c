"""Schemathesis, a generator of requests from the OpenAPI document, finds no answer that the document does not describe.

Each principal is tried twice: on every operation with examples, chance and sequences (`wide`), and on the operations
that are theirs with every parameter and member of a document, valid and spoilt, one by one (`deep`).
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.openapi.naming import operation_id
from local.settings import ROOT
from tests.local.stack_process import StackProcess
from tests.support.stack import running
from wellspring.resources import ledgers
from wellspring.routes import routes

pytestmark = pytest.mark.contract

# Where chance begins, so that a failure can be had again. CONTRACT_SEED=2 tries other requests.
SEED = os.environ.get("CONTRACT_SEED", "1")
SECONDS = 600

type Run = Callable[..., set[str]]

LISTS = {
    *(f"list_{ledger.type}s 2xx" for ledger in ledgers().values()),
    "list_workspace_group_workspaces 2xx",
    "list_workspace_providers 2xx",
    "list_workspace_groups 2xx",
    "workspace_list_providers 2xx",
}
# What must have been answered, or nothing much was tried.
ANSWERED = {
    "owner": LISTS
    | {
        "create_workspace_group 2xx",
        "create_workspace_provider 2xx",
        "workspace_select_provider 2xx",
        "create_workspace_group_workspace 409",
        "update_workspace_group_workspace 403",
        "create_company_workspace_connector 403",
    },
    "pipeline": LISTS | {*(f"create_{ledger.type} 2xx" for ledger in ledgers().values()), "create_workspace_group 403"},
    "matcher": LISTS | {"create_workspace_provider 403", "create_company_workspace_connector 403"},
    None: {"list_company_workspace_connectors 401", "health_check 2xx", "openapi_document 2xx", "docs_page 2xx"},
}
# One of the three provenance types is tried in full: they are made by one declaration. So are the lists of the others.
DEEP = {
    "pipeline": "company_workspace_connector|(create|update|delete)_[a-z_]+_workspace_connector$",
    "owner": "workspace_groups?$|(?<!list)_workspace_group_workspace|(?<!list)_workspace_provider|^workspace_",
    "matcher": "(create|update)_workspace_provider$|^workspace_select_provider$",
}
SUCCEEDED = {
    "pipeline": {"create_company_workspace_connector 2xx", "retrieve_company_workspace_connector 2xx"},
    "owner": {"create_workspace_group 2xx", "create_workspace_provider 2xx", "workspace_select_provider 2xx"},
    "matcher": {"create_workspace_provider 2xx", "workspace_select_provider 2xx"},
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture(scope="module")
def group(stack: StackProcess) -> str:
    """The id of the demo's group, before anybody renames or deletes it."""
    return stack.group()


@pytest.fixture
def run(stack: StackProcess, group: str, tmp_path: Path) -> Run:
    """Runs schemathesis against the stack as a principal; returns what was answered, as `operation status`."""
    seen = tmp_path / "seen"

    def go(name: str | None, *arguments: str) -> set[str]:
        token = ["-H", f"Authorization: Bearer {stack.token(name)}"] if name else []
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/contract/schemathesis.toml", "run"]
        place = ["docs/openapi.json", "--url", stack.facts["api_url"], "--seed", SEED, "--checks", "all"]
        ended = subprocess.run(
            [*command, *place, *token, *arguments, "--no-color"],
            cwd=ROOT,
            env=os.environ | {"CONTRACT_SEEN": str(seen), "CONTRACT_GROUP": group},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return set(seen.read_text().splitlines())

    return go


@pytest.mark.parametrize("name", ANSWERED, ids=str)
def test_every_operation_answers_as_it_is_described(run: Run, name: str | None) -> None:
    answered = run(name, "--phases", "examples,fuzzing,stateful")
    assert answered >= ANSWERED[name]
    assert {line.split()[0] for line in answered} == {operation_id(route) for route in routes()}


@pytest.mark.parametrize("name", DEEP)
def test_every_part_of_a_request_is_read_as_it_is_described(run: Run, name: str) -> None:
    answered = run(name, "--phases", "coverage", "--include-operation-id-regex", DEEP[name])
    assert answered >= SUCCEEDED[name]
    tried = {line.split()[0] for line in answered}
    assert tried == {operation_id(route) for route in routes() if re.search(DEEP[name], operation_id(route))}
