"""README's questions: each is one request, which is pasted and answered as it stands there."""

import re
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from local.demo_data import OWNER, PRINCIPALS
from local.settings import ROOT
from tests.support.api import READER, Caller, get
from tests.support.databases import Database
from tests.support.events import load_demo
from wellspring.routes import routes

TABLE = re.compile(r"^\| ([A-Z][^|]*\?) \| `ask '([^']+)'` \|$", re.MULTILINE)
PAGE = (ROOT / "docs/a-person-asks.md").read_text()
QUESTIONS = TABLE.findall((ROOT / "README.md").read_text())


def test_there_is_a_question_for_each_answer() -> None:
    asked = {re.sub(r"[0-9a-f-]{36}", "{id}", urlsplit(url).path) for _, url in QUESTIONS}
    answers = {route.path for route in routes() if route.operation in {"answers", "answer"}}
    # Of sources one record type stands for all.
    assert {path for path in answers if not path.endswith("/sources")} | {"/v1/companies/{id}/sources"} <= asked


@pytest.mark.parametrize(("question", "url"), QUESTIONS)
def test_a_question_is_answered(database: Database, question: str, url: str) -> None:
    load_demo(database)
    reply = get(url, Caller(PRINCIPALS["owner"]))
    assert reply.status == 200, (question, reply.body)


def test_a_person_is_told_what_is_known_of_them_by_requests(database: Database) -> None:
    load_demo(database)
    asked = TABLE.findall(PAGE)
    assert len(asked) > 5
    found = {question: get(url, READER) for question, url in asked}
    assert {question: reply.status for question, reply in found.items()} == dict.fromkeys(found, 200)
    groups, written = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [row.name for row in database.owner.execute(text(groups))] == ["Verdier Group"]
    # The demo's group was made by nobody.
    assert database.owner.execute(text(written)).all() == []
    assert [person["id"] for person in found["Who of a workspace is called so?"].data] == [str(OWNER)]
