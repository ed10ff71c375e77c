"""README's questions, asked by agents: one call of a tool, or a second that goes on, tells what the request tells.

And the ten questions of docs/agents.md, which the demo answers as the page says.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local import demo_data
from local.example_ids import demo_id
from local.settings import ROOT
from tests.agents.conftest import count_fleet, told
from tests.reading.test_questions import AN_OWNER, PAYMENTS, synced_demo  # noqa: F401 - a fixture
from tests.support.api import READER, Caller, get
from tests.support.databases import CONSUMER, Database
from tests.support.events import load_demo
from tests.support.queue import consume
from wellspring.agents.questions import BY_NAME

type Call = tuple[str, dict[str, Any]]

FOODS, LOGISTICS = (demo_id("workspace", of) for of in "ab")
COMPANY, OF_FOODS, SINCE = {"type": "company"}, {"workspace": FOODS}, {"from": "2026-05-10"}
OF_PAYMENTS = {"connector": PAYMENTS}
DAYS, STATE = ("workspace_connector", "date", "linked", "ended"), ("id", "health", "status", "last_synced_at")
CAME = ("workspace_connector", "direction", "first_at", "last_at", "last_occurred_at", "rows", "live")
PARKED = ("workspace_connector", "reason")

# By question: the tool that answers it, by what, and what of each item of the request's answer it tells.
CALLS: dict[str, tuple[Call, tuple[str, ...]]] = {
    "Which workspaces are mine?": (("find", {}), ("id", "name")),
    "Which providers of telecom are there in France?": (
        ("providers", {"category": "telecom", "country": "FR"}),
        ("id", "name", "category", "countries"),
    ),
    'Which companies have a name that begins with "alder"?': (("find", COMPANY | {"name": "alder"}), ("id", "name")),
    "Where did Alder Trading come from, where did it go, when was it last seen?": (
        ("sources", OF_FOODS | {"record": "Alder Trading"}),
        CAME,
    ),
    "Where did each of the companies come from?": (("sources", OF_FOODS | COMPANY), ("id", "name", "sources")),
    "Which connectors are stale or failing, and why, the stalest first?": (
        ("connectors", OF_FOODS),
        (*STATE, "health_reasons"),
    ),
    "What is failing?": (("connectors", {"workspace": LOGISTICS, "health": "failing"}), (*STATE, "health_reasons")),
    "Who must reconnect within 30 days?": (
        ("connectors", {"workspace": LOGISTICS, "health": "consent_expires"}),
        STATE,
    ),
    "Which have not synced since then, or never?": (("connectors", OF_FOODS), STATE),
    "What did a connector bring on the latest day on which it did anything, by type?": (
        ("activity", OF_PAYMENTS | {"by": "day", "size": 1}),
        DAYS,
    ),
    "What did it bring in and carry out on each day, by type?": (("activity", OF_PAYMENTS | {"by": "day"}), DAYS),
    "How much did each connector of a workspace, in the last 400 days?": (("activity", OF_FOODS), DAYS),
    "What is lost if a connector is disconnected?": (
        ("impact", OF_PAYMENTS),
        ("live_rows", "sole_source", "examined", "is_capped"),
    ),
    "Which companies does nobody else bring in?": (("find", COMPANY | {"only_from": PAYMENTS}), ("id", "name")),
    "What did last night's sync bring?": (
        ("activity", OF_PAYMENTS | SINCE | {"by": "message"}),
        ("id", "outcome", "counts", "run"),
    ),
    "Did last night's sync come whole?": (("runs", OF_PAYMENTS), ("run", "state", "occurred_at")),
    "What would this snapshot end?": (("runs", OF_FOODS), ("run", "state", "snapshot")),
    "How many messages are parked for a reason, up to 10,000?": (
        ("failures", {"reason": "unknown_record"}),
        (*PARKED, "total"),
    ),
    "What failed, of which connectors, and why?": (("failures", OF_FOODS), PARKED),
    "Who chose, removed, enrolled, released or dismissed what, for owners and admins?": (
        ("activity", OF_FOODS | {"by": "caller"}),
        ("id", "at", "operation", "resource", "caller", "service"),
    ),
    "Which sync wrote this row, which one ended it?": (
        ("activity", COMPANY | {"by": "row", "size": 1}),
        ("id", "company", "direction", "sync_message", "ended_by"),
    ),
    "What was written, changed or ended since then?": (
        ("activity", COMPANY | SINCE | {"by": "row"}),
        ("id", "company", "updated_at", "deleted_at"),
    ),
    "Which tool is down? What is parked anywhere, by reason, and since when?": (
        ("fleet", {}),
        ("as_of", "connectors", "parked", "runs_incomplete"),
    ),
    "What is failing anywhere?": (("connectors", {"health": "failing"}), STATE),
    "Who is late by one tool?": (
        ("connectors", {"health": "late", "connector": "01990000-0005-7000-8000-000000000002"}),
        STATE,
    ),
    "Who must reconnect within 30 days, anywhere?": (("connectors", {"health": "consent_expires"}), STATE),
    "Whose consent has ended, anywhere?": (("connectors", {"health": "consent_expired"}), STATE),
    "What is parked anywhere for a reason?": (("failures", {"reason": "unknown_record"}), PARKED),
    "Where is a company that is called so, anywhere?": (
        ("find", COMPANY | {"name": "alder"}),
        ("id", "name", "workspace"),
    ),
}


# The rows of docs/agents.md: who of the demo asks, by which tool, with what, and the answer's sentence.
OF_THE_PAGE = [
    (who, tool, json.loads(arguments), answer)
    for who, tool, arguments, answer in re.findall(
        r"^\| [^|]+ \| `(\w+)` \| `(\w+)` \| `(\{.*?\})` \| ([^|]+) \|$",
        (ROOT / "docs/agents.md").read_text(),
        re.MULTILINE,
    )
]

# Each row of both tables; what a cell says behind its question is left out.
ROW = re.compile(r"^\| ([A-Z][^|]*\?)[^|?]* \| `(WHO=operator )?ask '([^']+)'` \|$", re.MULTILINE)
ASKED = [(row[1], row[3], READER if row[2] else AN_OWNER) for row in ROW.finditer((ROOT / "README.md").read_text())]


def values(told_of: Any) -> Iterator[str]:
    """Yield each value in an answer, as JSON, and what it is made of."""
    yield json.dumps(told_of, sort_keys=True)
    if isinstance(told_of, dict | list):
        for each in told_of.values() if isinstance(told_of, dict) else told_of:
            yield from values(each)


def facts(reply: Any, item: dict[str, Any], names: tuple[str, ...]) -> set[str]:
    """Return what a request's answer says of an item: its id, attributes, and the ids of what it is related to."""
    related = {name: each.get("data") for name, each in item.get("relationships", {}).items()}
    pages = reply.document.get("meta", {}).get("page", {})
    said = {**item["attributes"], "id": item["id"], **pages, **related}
    found: set[str] = set()
    for name in names:
        value = said[name]
        if name == "sources":
            included = {each["id"]: each for each in reply.document["included"]}
            value = [included[each["id"]]["relationships"]["workspace_connector"]["data"] for each in value]
        for each in value if name == "sources" else [value]:
            is_identifier = isinstance(each, dict) and name in related
            found.add(json.dumps(each["id"] if is_identifier else each, sort_keys=True))
    return found


@pytest.fixture
def counted_demo(database: Database, synced_demo: None) -> None:  # noqa: F811 - a fixture of another module
    """The demo that README's questions are asked of, all of whose workspaces have been counted."""
    count_fleet(database)


def test_each_question_of_the_tables_has_a_tool_that_answers_it() -> None:
    assert list(CALLS) == [question for question, _, _ in ASKED]
    assert (ROOT / "README.md").read_text().count("ask '/v1/") == len(ASKED)


@pytest.mark.usefixtures("counted_demo")
def test_at_most_two_calls_tell_what_the_request_of_each_question_tells() -> None:
    missing = {}
    for question, url, caller in ASKED:
        (tool, arguments), names = CALLS[question]
        reply = get(url, caller)
        contents = [told(caller, tool, **arguments)]
        if (cursor := contents[0]["next_cursor"]) and not arguments.get("size"):
            contents.append(told(caller, tool, **arguments, cursor=cursor))
        whole = {
            value for content in contents for name in content if name != "items" for value in values(content[name])
        }
        told_items = [whole | set(values(item)) for content in contents for item in content["items"]]
        data = reply.data if isinstance(reply.data, list) else [reply.data]
        wanted = [facts(reply, item, names) for item in data]
        lost = [each for each in wanted if not any(each <= values_told for values_told in told_items)]
        if lost or not wanted:
            missing[question] = lost[:1]
    assert missing == {}


def test_each_tool_answers_a_question_of_the_page_as_that_says(database: Database) -> None:
    load_demo(database)
    database.role = CONSUMER
    for bodies in (*(run.bodies() for run in demo_data.runs()), *([each] for each in demo_data.ailing())):
        assert consume(*bodies) == []
    count_fleet(database)
    callers = {"owner": Caller(demo_data.PRINCIPALS["owner"]), "operator": READER}
    found = [told(callers[who], tool, **arguments)["summary"] for who, tool, arguments, _ in OF_THE_PAGE]
    assert found == [answer for *_, answer in OF_THE_PAGE]
    assert [tool for _, tool, *_ in OF_THE_PAGE] == list(BY_NAME)
