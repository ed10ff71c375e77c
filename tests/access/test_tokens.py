"""Claims, as API Gateway hands them on and as nobody would: who is nobody, and by what name keys are kept.

What claims say of who calls is in `tests/unit/test_principal.py`.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.good_requests import CLOSED, WITH_DOCUMENT, Good, Requests, of_routes, secrets_in
from tests.support.api import Caller, send
from tests.support.databases import Statements
from wellspring.routes import Route

MARK = "quetzal"
SOMEBODY = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SCOPES = "system:read sync:write providers:match"

# What is no `sub` of anybody's: no text, no name, and an id that is not the 36 characters of RFC 9562.
NO_SUBS: tuple[Any, ...] = (
    *("", " \t\n", None, 1, True, [SOMEBODY], {"id": SOMEBODY}, MARK * 100_000),
    *(f"{MARK}\x00", f"{MARK}\n{MARK}", f"{MARK}\ud800", SOMEBODY.replace("3", "\uff13"), f"{{{SOMEBODY}}}"),
    *(SOMEBODY.replace("-", ""), f"urn:uuid:{SOMEBODY}", f" {SOMEBODY}", f"{SOMEBODY}\n"),
)
# Claims in which nobody is named.
NOBODY: tuple[dict[str, Any], ...] = (
    *({}, {"scope": SCOPES}, *({"sub": sub, "scope": SCOPES} for sub in NO_SUBS)),
    {"client_id": "sync-pipeline", "username": SOMEBODY, "SUB": SOMEBODY, "subject": "x"},
    # No UUID, and no proof of a program; and one that is too long for a name.
    {"sub": "auth0|5f7c8ec7c33c6c004bbafe82", "azp": "web", "scope": SCOPES},
    {"sub": "q" * 256, "client_id": "q" * 256, "scope": SCOPES},
)
# What may stand where the authorizer's answer belongs, without being one.
AUTHORIZERS: tuple[Any, ...] = (
    *(None, "", MARK, 0, True, [], [MARK], {}, {"jwt": None}, {"jwt": MARK}, {"jwt": [MARK]}, {"jwt": {}}),
    *({"jwt": {"claims": claims}} for claims in (None, MARK, [], [["sub", SOMEBODY]], 1)),
    # Of other authorizers, and of API Gateway's older kind.
    *({"claims": {"sub": SOMEBODY}}, {"lambda": {"sub": SOMEBODY}}, {"iam": {"userId": SOMEBODY}}, {"sub": SOMEBODY}),
)


@pytest.fixture(autouse=True)
def the_log_tells_nothing(log: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    written = json.dumps(log, ensure_ascii=False) + caplog.text
    assert secrets_in(written, MARK, SOMEBODY, "sync-pipeline", "system:read") == []


# ---- nobody ----------------------------------------------------------------------------------------------
@of_routes(CLOSED)
def test_who_is_not_named_is_nobody_whatever_else_is_said(requests: Requests, route: Route, sql: Statements) -> None:
    good = requests.good(route)
    replies = [requests.ask(good.but(caller=Caller(claims))) for claims in NOBODY]
    sent = good.event
    for authorizer in AUTHORIZERS:
        sent["requestContext"]["authorizer"] = authorizer
        replies.append(send(sent))
    del sent["requestContext"]["authorizer"]
    replies.append(send(sent))
    # 401 comes first: before the path's id, the query, the headers and the body are looked at.
    spoilt = good.but(
        caller=Caller({}),
        parameters=dict.fromkeys(good.parameters, MARK),
        query=f"{MARK}=%ff",
        headers={"accept": MARK, "content-type": MARK, "if-match": MARK, "idempotency-key": " "},
        document=None,
        body="{" * 2_000_000 if route in WITH_DOCUMENT else None,
    )
    replies.append(spoilt.ask())
    assert [(reply.status, reply.codes) for reply in replies] == [(401, ["UNAUTHORIZED"])] * len(replies)
    assert len({reply.body.replace(reply.request_id, "") for reply in replies}) == 1
    assert len(sql) == 0


def test_a_token_in_the_headers_is_not_looked_at() -> None:
    route = CLOSED[0]
    good = Good(route, Caller(None), 401, headers={"authorization": "Bearer e30.e30.e30", "x-amzn-oidc-data": SOMEBODY})
    assert good.ask().codes == ["UNAUTHORIZED"]


def the(function: str) -> Route:
    return next(route for route in CLOSED if route.function == function)


def test_the_longest_name_of_a_service_can_be_kept_with_its_key(requests: Requests) -> None:
    caller = Caller({"sub": "~" * 255, "client_id": "~" * 255, "scope": "sync:write system:read"})
    good = requests.good(the("company_workspace_connector.create")).but(
        caller=caller, headers={"idempotency-key": "k" * 255}
    )
    first = good.ask()
    assert first.status == 201
    assert good.ask().data == first.data


def test_a_service_that_is_called_like_a_persons_key_is_not_that_person(requests: Requests) -> None:
    """An Idempotency-Key is the caller's own: no name of a service can be spelt like a person."""
    good = requests.good(the("workspace_provider.create")).but(headers={"idempotency-key": "mine"})
    assert good.ask().status == 201
    name = f"person:{requests.owner.id}"
    claims = {"sub": name, "client_id": name, "scope": SCOPES}
    document = good.document["data"] | {"attributes": {"is_matched": True}}
    assert good.but(caller=Caller(claims), document={"data": document}).ask().status == 200
