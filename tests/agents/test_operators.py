"""Operators ask as agents: they are told what a service is, and each look beyond their own workspaces is kept."""

from uuid import uuid4

import pytest

from tests.agents.conftest import Ledger, asked, by_id, use
from tests.support.api import READER
from tests.support.databases import Database
from tests.support.operators import noted, operator
from tests.support.world import Row
from wellspring.agents.questions import BY_NAME

pytestmark = pytest.mark.usefixtures("operators")
each_tool = pytest.mark.parametrize("tool", list(BY_NAME))


@pytest.fixture
def someone(ledger: Ledger) -> Row:
    workspace = ledger.world.workspace("Support")
    row = ledger.world.people(workspace, "Sam Support")
    ledger.world.member(row, workspace, "owner")
    return row


@each_tool
def test_an_operator_is_told_what_a_service_is(ledger: Ledger, someone: Row, tool: str) -> None:
    for arguments in asked(ledger)[tool]:
        assert use(operator(someone), tool, **arguments) == use(READER, tool, **arguments)


# What each tool looks at, asked by ids: the operation, the type, and whether the entry names the workspace. The
# catalogue is of no workspace, and leaves none; a group's lists are of none that is said.
LOOKS = {
    "find": [("list", type_, True) for type_ in ("account", "company", "people", "workspace_connector")],
    "sources": [("retrieve", "company", False), ("sources", "company", False)],
    "connectors": [("list", "workspace_connector", True)],
    "failures": [("list", "sync_message", True), ("list", "workspace_connector", True)],
    "runs": [("list", "sync_run", True), ("list", "workspace_connector", True)],
    "activity": [("list", "workspace_connector", True), ("list", "connector_activity", True)],
    "impact": [("impact", "workspace_connector", False)],
    "providers": [("list", "workspace_provider", True)],
    "groups": [("list", "workspace", False), ("list", "workspace_group_membership", False)],
    "fleet": [("retrieve", "fleet", False)],
}


@each_tool
def test_each_look_is_kept_as_that_over_http_is(database: Database, ledger: Ledger, someone: Row, tool: str) -> None:
    use(operator(someone), tool, **by_id(ledger, tool))
    kept = noted(database, someone)
    named = {True: ledger.workspace.id, False: None}
    assert [(operation, type_, workspace) for operation, type_, _, workspace in kept] == [
        (operation, type_, named[names]) for operation, type_, names in LOOKS[tool]
    ]
    ids = {"sources": ledger.company.id, "impact": ledger.connection.id}
    assert {id_ for _, _, id_, _ in kept} == {ids.get(tool)}


@pytest.mark.parametrize("tool", [tool for tool in BY_NAME if tool not in {"groups", "fleet"}])
def test_within_their_own_workspaces_nothing_is_kept(database: Database, ledger: Ledger, tool: str) -> None:
    assert use(operator(ledger.owner), tool, **by_id(ledger, tool))["structuredContent"]["items"]
    assert noted(database, ledger.owner) == []


@each_tool
def test_who_is_gone_or_was_never_told_of_is_refused(database: Database, ledger: Ledger, tool: str) -> None:
    result = use(operator(Row("people", 0, uuid4())), tool, **by_id(ledger, tool))
    assert result["isError"]
    assert result["content"][0]["text"].startswith("FORBIDDEN")
