"""The HTTP edge: what every answer has, whatever happens inside."""

import json
from typing import Any

import pytest

from tests.support.api import ANONYMOUS, READER, TEMPLATE, Caller, Context, call, event, get, person
from tests.support.databases import Database, engine_for
from tests.support.tenants import Tenant, tenant
from tests.support.world import World
from wellspring.database import Transaction
from wellspring.errors import Forbidden, NotFound
from wellspring.handlers.http import Plan, Request, Response, http_handler, jsonapi_handler

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


def test_every_error_object_is_whole_and_carries_the_request_id(database: Database) -> None:
    reply = get(f"{COMPANIES}?foo=1&page[size]=0", READER)
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/vnd.api+json"
    assert reply.document["jsonapi"] == {"version": "1.1"}
    assert reply.errors[0]["detail"].startswith("There is no such parameter for this operation. There are: include, ")
    assert reply.errors == [
        {
            "id": reply.request_id,
            "status": "400",
            "code": "INVALID_QUERY_PARAMETER",
            "title": "Invalid query parameter",
            "detail": reply.errors[0]["detail"],
            "source": {"parameter": "foo"},
        },
        {
            "id": reply.request_id,
            "status": "400",
            "code": "INVALID_QUERY_PARAMETER",
            "title": "Invalid query parameter",
            "detail": "The page size is a whole number from 1 to 500.",
            "source": {"parameter": "page[size]"},
        },
    ]


def test_a_bad_cursor_is_told_from_a_bad_parameter(database: Database) -> None:
    (error,) = get(f"{COMPANIES}?page[after]=abcd", READER).errors
    assert (error["status"], error["code"], error["source"]) == ("400", "INVALID_CURSOR", {"parameter": "page[after]"})


def test_a_cursor_of_another_sort_is_refused(ours: Tenant) -> None:
    cursor = get(COMPANIES, ours.caller).data[0]["meta"]["page"]["cursor"]
    assert get(f"{COMPANIES}?sort=created_at&page[after]={cursor}", ours.caller).codes == ["INVALID_CURSOR"]
    assert get(f"{COMPANIES}?sort=-created_at&page[after]={cursor}", ours.caller).status == 200


def test_an_answer_may_not_be_kept_for_others(ours: Tenant) -> None:
    headers = get(COMPANIES, ours.caller).headers
    assert headers["cache-control"] == "private, no-cache"
    assert headers["vary"] == "Accept"


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


@pytest.mark.parametrize(("error", "status"), [(Forbidden("No."), 403), (NotFound("No."), 404)])
def test_an_error_of_ours_is_answered_as_it_is(database: Database, error: Exception, status: int) -> None:
    assert broken(error)(event("/x"), Context())["statusCode"] == status


def test_a_database_that_is_away_is_503_with_a_time_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_for("postgresql://wellspring_reader:secret-word@127.0.0.1:1/wellspring")
    monkeypatch.setattr("wellspring.database.scope.connection", engine.connect)
    reply = get(COMPANIES, READER)
    assert (reply.status, reply.codes) == (503, ["SERVICE_UNAVAILABLE"])
    assert int(reply.headers["retry-after"]) > 0
    assert "secret-word" not in reply.body
    engine.dispose()


@pytest.mark.parametrize("url", [f"{COMPANIES}?foo=1", COMPANIES])
def test_what_can_be_refused_without_the_database_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr("wellspring.database.scope.connection", lambda: pytest.fail("a connection was asked for"))
    assert get(url, READER if "?" in url else ANONYMOUS).status in {400, 401}


def test_the_log_says_who_asked_for_nothing_but_the_route(ours: Tenant, log: list[dict[str, Any]]) -> None:
    get(f"{COMPANIES}?include=company", person(ours.owner))
    written = json.dumps(log)
    assert str(ours.owner.id) not in written
    assert "SELECT" not in written
    (line,) = [line for line in log if line["message"] == "answered"]
    assert line["status"] == 200


def test_claims_that_are_no_object_are_401() -> None:
    sent = event(COMPANIES, "", Caller({"sub": "x"}))
    sent["requestContext"]["authorizer"]["jwt"]["claims"] = "sub"
    answer = jsonapi_handler(lambda _request: pytest.fail("it was let in"))(sent, Context())
    assert answer["statusCode"] == 401


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
