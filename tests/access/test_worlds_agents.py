"""Random worlds in which agents' tools (contract, section 11) tell what the model says, and refuse what it refuses."""

from typing import Any
from uuid import UUID

import pytest

from tests.access.answers import (
    FIRST,
    LAST,
    Activity,
    Impact,
    Messages,
    Question,
    Sources,
    States,
    WorkspacesOfGroup,
    told,
)
from tests.access.stage import Stage
from tests.access.test_worlds_answers import ASKED, _quiet, asked, caller_of, keep
from tests.access.worlds import Story, stories, worlds
from tests.agents.conftest import ask
from tests.support.databases import Database

__all__ = ["_quiet"]

pytestmark = pytest.mark.worlds

WORLDS = 30
OF_RECORDS = ("direction", "first_at", "last_at", "last_occurred_at", "rows", "live", "rows_is_capped")


def tool_of(question: Question) -> tuple[str, dict[str, Any]] | None:
    """Return the tool that answers a question, and its arguments; None where none does."""
    found: tuple[str, dict[str, Any]] | None = None
    match question:
        case Activity(workspace=UUID() as workspace):
            days = {"from": str(FIRST), "to": str(LAST), "by": "connector" if question.in_all else "day"}
            found = "activity", {"workspace": str(workspace), **days}
        case Sources():
            found = "sources", {"record": str(question.id), "type": question.type}
        case Impact():
            found = "impact", {"connector": str(question.id)}
        case States():
            found = "connectors", {"workspace": str(question.workspace)}
        case WorkspacesOfGroup():
            found = "groups", {"group": str(question.group)}
        case Messages(workspace=None, connectors=(), outcome="parked"):
            found = "failures", {}
    return found


def shown(question: Question, items: list[dict[str, Any]]) -> Any:
    """Return what a tool told, in the model's words."""
    match question:
        case Activity():
            return [
                (
                    item["connector_id"] + (f":{item['date']}" if not question.in_all else ""),
                    item["linked"],
                    item["ended"],
                )
                for item in items
            ]
        case Sources():
            return [
                (f"{question.id}:{item['connector_id']}:{item['direction']}", {name: item[name] for name in OF_RECORDS})
                for item in items
            ]
        case Impact():
            (item,) = items
            return {name: item[name] for name in item if name != "connector_id"}
        case States():
            names = ("id", "last_synced_at", "parked_messages", "live_rows")
            return [tuple(item[name] for name in names) for item in items]
        case WorkspacesOfGroup():
            return [item["id"] for item in items]
    return {(item["connector_id"], item["reason"]): item["messages"] for item in items}


def expected_of(question: Question, expected: Any) -> Any:
    """Return what the model says, as far as the tool tells it."""
    match question:
        case States():
            return [said[:4] for said in expected[0]] if expected else []
        case WorkspacesOfGroup():
            return expected[:-1]
        case Messages():
            groups: dict[tuple[str | None, str], int] = {}
            for _, attributes, connector, _ in expected[:-1]:
                group = (connector, attributes["reason"])
                groups[group] = groups.get(group, 0) + 1
            return groups
    return expected


def answered(caller: Any, tool: str, arguments: dict[str, Any]) -> tuple[bool, list[dict[str, Any]]]:
    """Use a tool until there is no more; return whether it was refused, and all its items."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        sized = {} if tool == "impact" else {"size": 100}
        reply = ask(caller, "tools/call", {"name": tool, "arguments": arguments | sized | cursor})
        result = reply.document["result"]
        content = result.get("structuredContent")
        if content is None or result["isError"]:
            return True, []
        items += content["items"]
        if not content["next_cursor"]:
            return False, items
        cursor = {"cursor": content["next_cursor"]}


def test_each_tool_tells_what_the_model_says(database: Database) -> None:
    stage = Stage(database, row_level_security=True)
    reached: set[tuple[str, str, str]] = set()

    @worlds(stories(stage.now, ASKED), WORLDS, others=2)
    def check(story: Story) -> None:
        with stage.set(story.world):
            keep(database.owner, story.world)
            for caller, question in asked(story):
                found = tool_of(question)
                if found is None:
                    continue
                tool, arguments = found
                status, expected = told(story.world, caller, question)
                is_refused, items = answered(caller_of(caller), tool, arguments)
                assert is_refused == (status != 200), (caller, question, status, items)
                if not is_refused:
                    assert shown(question, items) == expected_of(question, expected), (caller, question)
                reached.add((tool, type(caller).__name__, "refused" if is_refused else "some" if items else "none"))

    check()
    tools = {"activity", "sources", "impact", "connectors", "groups", "failures"}
    assert {(tool, who, "some") for tool in tools for who in ("Person", "Service")} <= reached
    assert {(tool, "Service", "refused") for tool in tools} <= reached
    assert {(tool, "Person", "refused") for tool in ("activity", "sources", "impact", "connectors")} <= reached
