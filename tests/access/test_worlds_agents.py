"""Random worlds in which agents' tools (contract, section 11) tell what the model says, and refuse what it refuses."""

from collections import Counter
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
from tests.access.exploring import quiet
from tests.access.stage import Stage, caller_of
from tests.access.test_worlds_answers import ASKED, asked, keep
from tests.access.worlds import Story, stories, worlds
from tests.agents.conftest import ask
from tests.support.databases import Database

pytestmark = pytest.mark.worlds

WORLDS = 30
OF_RECORDS = ("direction", "first_at", "last_at", "last_occurred_at", "rows", "live", "rows_is_capped")


type Items = list[dict[str, Any]]


def tool_of(question: Question) -> tuple[str, dict[str, Any]] | None:
    """Return the tool that answers a question, and its arguments; None where none does."""
    match question:
        case Activity(workspace=UUID()):
            days = {"from": str(FIRST), "to": str(LAST), "by": "connector" if question.in_all else "day"}
            return "activity", {"workspace": str(question.workspace), **days}
        case Sources() | Impact():
            named = {"type": question.type} if isinstance(question, Sources) else {}
            tool, of = ("sources", "record") if named else ("impact", "connector")
            return tool, {of: str(question.id), **named}
        case States():
            return "connectors", {"workspace": str(question.workspace)}
        case WorkspacesOfGroup():
            return "groups", {"group": str(question.group)}
        case Messages(workspace=None, connectors=(), outcome="parked"):
            return "failures", {}
    return None


def agree(question: Question, items: Items, expected: Any) -> bool:
    """Say whether a tool told what the model says, as far as it tells it."""
    shown: Any
    match question:
        case Activity():
            days = ["" if question.in_all else f":{item['date']}" for item in items]
            sums = [(item["linked"], item["ended"]) for item in items]
            shown = [(item["connector_id"] + day, *of) for item, day, of in zip(items, days, sums, strict=True)]
        case Sources():
            ids = [f"{question.id}:{item['connector_id']}:{item['direction']}" for item in items]
            shown = [(id_, {name: item[name] for name in OF_RECORDS}) for id_, item in zip(ids, items, strict=True)]
        case Impact():
            (item,) = items
            shown = {name: item[name] for name in item if name != "connector_id"}
        case States():
            names = ("id", "last_synced_at", "parked_messages", "live_rows")
            shown = [tuple(item[name] for name in names) for item in items]
            expected = [said[:4] for said in expected[0]] if expected else []
        case WorkspacesOfGroup():
            shown, expected = [item["id"] for item in items], expected[:-1]
        case _:
            shown = {(item["connector_id"], item["reason"]): item["messages"] for item in items}
            expected = Counter((connector, said["reason"]) for _, said, connector, _ in expected[:-1])
    return bool(shown == expected)


def answered(caller: Any, tool: str, arguments: dict[str, Any]) -> tuple[bool, Items]:
    """Use a tool until there is no more; return whether it was refused, and all its items."""
    items: Items = []
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
                    assert agree(question, items, expected), (caller, question, items, expected)
                reached.add((tool, type(caller).__name__, "refused" if is_refused else "some" if items else "none"))

    with quiet():
        check()
    tools = {"activity", "sources", "impact", "connectors", "groups", "failures"}
    assert {(tool, who, "some") for tool in tools for who in ("Person", "Service")} <= reached
    assert {(tool, "Service", "refused") for tool in tools} <= reached
    assert {(tool, "Person", "refused") for tool in ("activity", "sources", "impact", "connectors")} <= reached
