"""Random worlds in which what people and agents' tools ask (contract, sections 7 and 11) is answered as the model says.

And in which no count, sum or status changes when another tenant's rows do.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from tests.access.answers import (
    FIRST,
    LAST,
    TYPES,
    Activity,
    Impact,
    Messages,
    Question,
    Sources,
    States,
    WorkspacesOfGroup,
    kept_of,
    messages_of,
    picked,
    questions,
    told,
)
from tests.access.exploring import quiet
from tests.access.model import Caller, Person, World, workspaces_of
from tests.access.stage import Stage, caller_of
from tests.access.worlds import ABSENT, Story, stories, worlds
from tests.agents.conftest import ask
from tests.support import api
from tests.support.databases import Database

pytestmark = pytest.mark.worlds

WORLDS = 40
# A caller asks one in so many of the questions.
PARTS = 4
# The callers of a world are those who would ask for this.
ASKED = (("list", "company_workspace_connector"),)
KEPT = text(
    "INSERT INTO wellspring.connector_state (workspace_connector_pk, last_synced_at, parked_messages)"
    " VALUES (:pk, :last_synced_at, :parked_messages) ON CONFLICT (workspace_connector_pk) DO UPDATE"
    " SET last_synced_at = excluded.last_synced_at, parked_messages = excluded.parked_messages"
)
SENT = (
    "INSERT INTO wellspring.sync_messages ({columns}) SELECT {columns}"
    " FROM jsonb_populate_recordset(NULL::wellspring.sync_messages, CAST(:messages AS jsonb))"
)
LINKED = (
    "INSERT INTO core_api.{record}_workspace_connectors ({record}_pk, workspace_connector_pk, direction)"
    " SELECT record.pk, connector.pk, 'input'"
    "  FROM core_api.{table} AS record, core_api.workspace_connectors AS connector"
    " WHERE NOT connector.workspace_pk = ANY(CAST(:seen AS bigint[]))"
)
ENDED = (
    "UPDATE core_api.{record}_workspace_connectors SET deleted_at = coalesce(deleted_at, created_at)"
    " WHERE mod(pk, 2) = 0 AND workspace_connector_pk IN"
    " (SELECT pk FROM core_api.workspace_connectors WHERE NOT workspace_pk = ANY(CAST(:seen AS bigint[])))"
)
PARKED = (
    "INSERT INTO wellspring.sync_messages (message_id, workspace_connector_pk, workspace_pk, outcome, reason)"
    " SELECT uuidv7(), pk, workspace_pk, 'parked', 'unexpected' FROM core_api.workspace_connectors"
    " WHERE NOT workspace_pk = ANY(CAST(:seen AS bigint[]))"
)
FAILED = (
    "UPDATE wellspring.connector_state SET last_synced_at = now(), parked_messages = parked_messages + 1"
    " WHERE workspace_connector_pk IN"
    " (SELECT pk FROM core_api.workspace_connectors WHERE NOT workspace_pk = ANY(CAST(:seen AS bigint[])))"
)


def keep(owner: Connection, world: World) -> None:
    """Put down what these worlds keep of connectors, and their messages."""
    for connector in world.workspace_connectors:
        synced_at, parked = kept_of(connector)
        owner.execute(KEPT, {"pk": connector.pk, "last_synced_at": synced_at, "parked_messages": parked})
    messages = [message.columns() for message in messages_of(world)]
    owner.execute(text(SENT.format(columns=", ".join(messages[0]))), {"messages": json.dumps(messages)})


def asked(story: Story) -> Iterator[tuple[Caller, Question]]:
    """Yield who asks what: every caller some of the questions, about other rows than the one before."""
    world = story.world
    for number, (caller, _) in enumerate(story.asked):
        named = (*TYPES, "workspace", "workspace_group", "workspace_connector")
        ids = {type_: picked(world.of(type_), number, ABSENT) for type_ in named}
        # Neighbours of a list are often of one tenant.
        ids["sync_message"] = picked(messages_of(world), number * 5, ABSENT)
        yield from ((caller, question) for question in questions(world, ids)[number % PARTS :: PARTS])


def test_each_question_is_answered_as_the_model_says(database: Database) -> None:
    stage = Stage(database, row_level_security=True)
    reached: set[tuple[str, str, int]] = set()
    full: set[str] = set()
    reasons: set[tuple[str, str | None]] = set()

    @worlds(stories(stage.now, ASKED), WORLDS, others=2)
    def check(story: Story) -> None:
        with stage.set(story.world):
            keep(database.owner, story.world)
            for caller, question in asked(story):
                status, expected = told(story.world, caller, question)
                reply = api.get(question.url, caller_of(caller))
                name, who = type(question).__name__, type(caller).__name__
                assert (name, reply.status) == (name, status), (caller, question)
                reached.add((name, who, status))
                if status == 200:
                    assert question.shown(reply.document) == expected, (caller, question)
                    full.update([f"{name} {who}"] if expected else [])
                    if expected and isinstance(question, Messages):
                        reasons.add((who, question.reason))

    with quiet():
        check()
    several = {"Activity": 403, "Sources": 404, "Impact": 404, "States": 403, "Messages": 403, "Message": 404}
    everybody = {(name, who) for name in (*several, "SoleSource", "WorkspacesOfGroup") for who in ("Person", "Service")}
    assert {(name, who, 200) for name, who in everybody} <= reached
    assert {(name, "Person", status) for name, status in several.items()} <= reached
    assert {(name, "Service", 403) for name, _ in everybody} <= reached
    assert {status for name, _, status in reached if name == "FeedStatus"} == {200, 403}
    assert {f"{name} {who}" for name, who in everybody} <= full
    # To a person no message has the one reason, and has the other.
    assert ("Person", "tenant_mismatch") not in reasons
    assert reasons >= {("Service", "tenant_mismatch"), ("Service", "unknown_record"), ("Person", "unknown_record")}


def test_no_count_sum_or_status_changes_when_another_tenants_rows_do(database: Database) -> None:
    stage = Stage(database, row_level_security=True)
    changes = [form.format(record=type_, table=table) for type_, table in TYPES.items() for form in (LINKED, ENDED)]
    changes += [PARKED, FAILED]
    changed: list[int] = []

    @worlds(stories(stage.now, ASKED), WORLDS // 2, others=3)
    def check(story: Story) -> None:
        persons = [(caller, question) for caller, question in asked(story) if isinstance(caller, Person)]
        if not persons:
            return
        caller = persons[0][0]
        several = [question for other, question in persons if other == caller]
        with stage.set(story.world):
            keep(database.owner, story.world)
            seen = [workspace.pk for workspace in workspaces_of(story.world, caller)]

            def answers() -> list[tuple[int, Any, Any]]:
                replies = [api.get(question.url, caller_of(caller)) for question in several]
                return [(reply.status, reply.document.get("data"), reply.document.get("meta")) for reply in replies]

            before = answers()
            touched = [database.owner.execute(text(change), {"seen": seen}).rowcount for change in changes]
            changed.append(sum(touched))
            assert answers() == before, caller

    with quiet():
        check()
    assert sum(number > 0 for number in changed) > len(changed) // 2


# ---- agents' tools -----------------------------------------------------------------------------------------
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

    @worlds(stories(stage.now, ASKED), WORLDS - 10, others=2)
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
