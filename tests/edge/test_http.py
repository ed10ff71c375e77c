"""The HTTP edge: what every answer has, whatever happens inside."""

import json
from typing import Any

import pytest

from tests.reading.conftest import Tenant, tenant
from tests.support.api import ANONYMOUS, READER, TEMPLATE, Context, call, event, get, person
from tests.support.databases import Database, engine_for
from tests.support.world import World
from wellspring.database import Transaction
from wellspring.handlers.http import Plan, Request, Response, http_handler

COMPANIES = "/v1/company-workspace-connectors"


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "company")


def broken(error: Exception) -> Any:
    """Return a handler whose operation raises `error` in its transaction."""

    def operation(_request: Request) -> Plan[None]:
        def work(_transaction: Transaction) -> None:
            raise error

        return Plan(work, lambda _: Response())

    return http_handler(operation)


def test_an_unexpected_exception_is_500_and_tells_nobody_its_message(
    database: Database, log: list[dict[str, Any]]
) -> None:
    answer = broken(ValueError("SELECT secret FROM vault"))(event("/x"), Context())
    (error,) = json.loads(answer["body"])["errors"]
    assert (answer["statusCode"], error["code"], error["title"]) == (500, "INTERNAL_ERROR", "Internal error")
    assert "secret" not in answer["body"]
    assert "secret" not in json.dumps(log)
    (line,) = [line for line in log if line["message"] == "unexpected exception"]
    assert (line["exception"], line["request_id"]) == ("ValueError", error["id"])
    assert any("test_http.py" in frame for frame in line["raised_at"])


def test_a_database_that_is_away_is_503_with_a_time_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_for("postgresql://wellspring_reader:secret-word@127.0.0.1:1/wellspring")
    monkeypatch.setattr("wellspring.database.scope.connection", engine.connect)
    reply = get(COMPANIES, READER)
    assert (reply.status, reply.codes) == (503, ["SERVICE_UNAVAILABLE"])
    assert int(reply.headers["retry-after"]) > 0
    assert not any(word in reply.body for word in ("secret-word", "127.0.0.1"))
    engine.dispose()


@pytest.mark.parametrize("url", [f"{COMPANIES}?foo=1", COMPANIES])
def test_what_can_be_refused_without_the_database_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr("wellspring.database.scope.connection", lambda: pytest.fail("a connection was asked for"))
    assert get(url, READER if "?" in url else ANONYMOUS).status in {400, 401}


def test_the_log_says_who_asked_for_nothing_but_the_route(ours: Tenant, log: list[dict[str, Any]]) -> None:
    get(f"{COMPANIES}?include=company", person(ours.member))
    written = json.dumps(log)
    assert str(ours.member.id) not in written
    assert "SELECT" not in written
    (line,) = [line for line in log if line["message"] == "answered"]
    assert line["status"] == 200


def test_every_answer_forbids_guessing_what_it_is(ours: Tenant) -> None:
    asked = [call(route.method, route.path, ANONYMOUS) for route in TEMPLATE.routes if route.path != "$default"]
    row = f"{COMPANIES}/{ours.provenance.id}"
    tag = get(row, READER).headers["etag"]
    asked += [get(COMPANIES, READER), get(f"{COMPANIES}?foo=1", READER), get(row, READER, if_none_match=tag)]
    asked += [
        get("/nowhere", READER),
        get(f"{COMPANIES}/", READER),
        get("/", ANONYMOUS),
        call("OPTIONS", row, ANONYMOUS),
    ]
    assert {200, 204, 302, 304, 308, 400, 401, 404} <= {reply.status for reply in asked}
    assert {reply.headers["x-content-type-options"] for reply in asked} == {"nosniff"}
