"""The HTTP edge: what every answer has, whatever happens inside.

HEAD is what GET answers but its content, which the server in front leaves out (RFC 9110, section 9.3.2; ADR 0049).
"""

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import ANONYMOUS, READER, TEMPLATE, Caller, Context, Reply, call, event, get, person
from tests.support.databases import Database
from tests.support.tenants import Tenant, tenant
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


@pytest.mark.parametrize("url", [f"{COMPANIES}?foo=1", COMPANIES])
def test_what_can_be_refused_without_the_database_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr("wellspring.database.scope.connection", lambda: pytest.fail("a connection was asked for"))
    assert get(url, READER if "?" in url else ANONYMOUS).status in {400, 401}


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


def both(url: str, caller: Caller, **headers: str) -> tuple[Reply, Reply]:
    """Ask the same by GET and by HEAD."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call("GET", url, caller, headers=named), call("HEAD", url, caller, headers=named)


def test_every_get_knows_head_which_says_the_same_to_a_stranger_and_of_what_is_not_there(ours: Tenant) -> None:
    for path in {route.path for route in TEMPLATE.routes if route.method == "GET"}:
        url = re.sub(r"{\w*id}", lambda _: str(uuid4()), path).replace("{file}", "x").replace("{proxy+}", "")
        for caller in (ANONYMOUS, READER, person(ours.owner)):
            whole, head = both(url, caller)
            assert (head.status, head.headers) == (whole.status, whole.headers), path
            assert head.status in {200, 302, 308, 400, 401, 403, 404}, path


def test_what_is_there_has_the_same_headers_and_its_content_is_left_to_the_gateway(ours: Tenant) -> None:
    row = f"{COMPANIES}/{ours.provenance.id}"
    tag = get(row, READER).headers["etag"]
    for url, status, headers in (
        (COMPANIES, 200, {}),
        (f"{COMPANIES}?include=company", 200, {}),
        (f"{row}?foo=1", 400, {}),
        (f"{row}/", 308, {}),
        (row, 200, {"if_none_match": '"other"'}),
        (row, 304, {"if_none_match": tag}),
        # It changes nothing, whatever it carries.
        (row, 200, {"idempotency_key": "one", "if_match": '"x"'}),
    ):
        whole, head = both(url, READER, **headers)
        assert (head.status, head.headers) == (whole.status, whole.headers) == (status, whole.headers)
        # With it API Gateway knows the length; what it sends of it is headers.
        assert len(head.body) == len(whole.body)
    assert get(row, READER).headers["etag"] == tag
