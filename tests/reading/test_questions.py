"""README's questions: each is one request, which is pasted and answered as it stands there."""

import re
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from local import demo_data
from local.demo_data import OWNER, PRINCIPALS
from local.example_ids import demo_id
from local.settings import ROOT
from tests.support.api import READER, Caller, call, get
from tests.support.databases import CONSUMER, WRITER, Database
from tests.support.events import load_demo
from tests.support.queue import consume, disconnected
from wellspring.routes import routes

TABLE = re.compile(r"^\| ([A-Z][^|]*\?) \| `ask '([^']+)'` \|$", re.MULTILINE)
PAGE = (ROOT / "docs/a-person-asks.md").read_text()
PAYMENTS, MAIL, PAYROLL, CRM = (demo_id("workspace_connector", "a", number) for number in (1, 2, 3, 4))
AN_OWNER = Caller(PRINCIPALS["owner"])
NOBODY = demo_id("message", "a", 99)
OF_OPERATORS = re.compile(r"^\| ([A-Z][^|]*\?) \| `WHO=operator ask '([^']+)'` \|$", re.MULTILINE)
QUESTIONS = TABLE.findall((ROOT / "README.md").read_text())

OPERATORS_QUESTIONS = OF_OPERATORS.findall((ROOT / "README.md").read_text())


def test_there_is_a_question_for_each_answer() -> None:
    urls = [url for _, url in QUESTIONS + OPERATORS_QUESTIONS]
    asked = {re.sub(r"[0-9a-f-]{36}", "{id}", urlsplit(url).path) for url in urls}
    answers = {route.path for route in routes() if route.operation in {"answers", "answer"}}
    # Of sources one record type stands for all.
    assert {path for path in answers if not path.endswith("/sources")} | {"/v1/companies/{id}/sources"} <= asked


def removes_a_provider(database: Database) -> str:
    """Have the owner remove one, and return the choice's id."""
    database.role = WRITER
    removed, *_ = get(f"/v1/workspaces/{demo_id('workspace', 'a')}/providers", AN_OWNER).ids
    assert call("DELETE", f"/v1/workspace-providers/{removed}", AN_OWNER).status == 204
    return str(removed)


@pytest.fixture
def synced_demo(database: Database) -> None:
    """What the demo's connectors brought, and what README's questions ask for beside it.

    A message that failed, a connector that is disconnected, so that another alone brings companies in, and a provider
    that was removed.
    """
    load_demo(database)
    database.role = CONSUMER
    unknown = [{"type": "company", "id": NOBODY}]
    failed = demo_data.message(NOBODY, PAYROLL, "input", unknown)
    for run in demo_data.runs():
        assert consume(*run.bodies()) == []
    for ailing in demo_data.ailing():
        assert consume(ailing) == []
    assert consume(failed, disconnected(UUID(MAIL))) == []
    removes_a_provider(database)


@pytest.mark.usefixtures("synced_demo")
def test_each_question_is_answered_by_one_request_that_shows_something() -> None:
    found = {question: get(url, AN_OWNER) for question, url in QUESTIONS}
    assert {question: reply.status for question, reply in found.items()} == dict.fromkeys(found, 200)
    assert [question for question, reply in found.items() if not reply.data] == []

    sources = found["Where did Alder Trading come from, where did it go, when was it last seen?"].document
    names = {item["attributes"].get("name") for item in sources["included"]}
    assert names >= {"Payments", "CRM"}
    assert {item["attributes"]["last_occurred_at"] for item in sources["data"]} == {demo_data.OCCURRED_AT}

    (day,) = found["What did a connector bring on the latest day on which it did anything, by type?"].data
    assert day["attributes"]["linked"]["company"] == {"input": 72, "output": 0}
    assert day["attributes"]["linked"]["account"] == {"input": 6, "output": 0}

    connectors = found["Which connectors are stale or failing, and why, the stalest first?"].document
    states = {item["id"]: item["attributes"] for item in connectors["data"]}
    assert (states[PAYMENTS]["last_synced_at"], states[PAYMENTS]["parked_messages"]) == (demo_data.OCCURRED_AT, 0)
    assert states[PAYROLL]["parked_messages"] == 1
    failures = {item["id"]: item["relationships"]["last_failure"]["data"] for item in connectors["data"]}
    whys = {item["attributes"]["reason"]: item for item in connectors["included"] if item["type"] == "sync_message"}
    why, end = whys["unknown_record"], whys["too_many_endings"]
    parked = {of: {"type": "sync_message", "id": item["id"]} for of, item in ((PAYROLL, why), (CRM, end))}
    assert failures == dict.fromkeys(states) | parked
    assert why["attributes"]["problems"] == [{"code": "unknown_record", "type": "company", "id": NOBODY}]
    failed = found["What failed, of which connectors, and why?"].document
    assert {item["attributes"]["reason"] for item in failed["data"]} == {"unknown_record", "too_many_endings"}
    assert {item["id"]: item["attributes"]["parked_messages"] for item in failed["included"]} == {PAYROLL: 1, CRM: 1}

    (run,) = found["Did last night's sync come whole?"].data
    assert (run["attributes"]["run"], run["attributes"]["state"]) == ("2026-05-10-nightly", "complete")
    (run,) = found["What would this snapshot end?"].data
    (ends,) = run["attributes"]["snapshot"]["endings"]
    assert ends["records"] == ends["live"] > 0

    lost = found["What is lost if a connector is disconnected?"].data["attributes"]
    assert (lost["live_rows"]["company"]["input"], lost["sole_source"]["company"]) == (72, 72)


@pytest.mark.usefixtures("synced_demo")
def test_each_question_of_an_operator_is_one_request_which_tells_a_person_of_nothing_foreign() -> None:
    assert len(OPERATORS_QUESTIONS) >= 7
    outsider = Caller(PRINCIPALS["outsider"])
    for question, url in OPERATORS_QUESTIONS:
        reply = get(url, READER)
        assert (reply.status, bool(reply.data)) == (200, True), question
        theirs = get(url, outsider)
        if url == "/v1/fleet":
            assert theirs.status == 403
            continue
        named, shown = (
            {item["attributes"]["name"] for item in of.document.get("included", ()) if item["type"] == "workspace"}
            for of in (reply, theirs)
        )
        assert named & {"Verdier Foods", "Verdier Logistics"}, question
        assert shown <= {"Northwind Studio"}, question


def test_a_person_is_told_what_is_known_of_them_by_requests(database: Database) -> None:
    load_demo(database)
    removed = removes_a_provider(database)
    asked = TABLE.findall(PAGE)
    assert len(asked) > 5
    found = {question: get(url, READER) for question, url in asked}
    assert {question: reply.status for question, reply in found.items()} == dict.fromkeys(found, 200)
    groups = found["Of which groups?"].document["included"]
    assert [group["attributes"]["name"] for group in groups] == ["Verdier Group"]
    enrolled = found["Which workspaces did they enrol in groups?"].data
    assert [item["relationships"]["created_by"]["data"]["id"] for item in enrolled] == [str(OWNER)] * 2
    (written,) = found["What did they write over HTTP, and where did they look as an operator?"].data
    assert written["attributes"]["resource"] == {"type": "workspace_provider", "id": removed}
    assert [person["id"] for person in found["Whose name begins like this, in any workspace?"].data] == [str(OWNER)]
