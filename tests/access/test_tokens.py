"""Claims, as API Gateway hands them on and as nobody would: who is nobody, and who is whom.

The gateway's own check of a token is in `tests/local/test_gateway.py`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.access.good_requests import CLOSED, WITH_DOCUMENT, Good, Requests, of_routes, secrets_in
from tests.support.api import MATCHER, PIPELINE, Caller, Reply, person, send, service
from tests.support.databases import Statements
from wellspring.routes import Route

MARK = "quetzal"
SOMEBODY = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
UUIDS = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SCOPES = "system:read sync:write providers:match"
ADMIN = {"role": "owner", "admin": "true", "client_id": "sync-pipeline", "cognito:groups": "[admins]"}
# A program, which its token proves.
PROGRAM = {"sub": "sync-pipeline", "client_id": "sync-pipeline"}

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
# Scopes that are no space-separated list: they grant nothing.
NO_SCOPES: tuple[Any, ...] = (
    *(None, "", " ", True, 7, [], SCOPES.split(), {"system:read": True}, {"sync:write": "true"}),
    # As API Gateway writes an array and an object.
    *(f"[{SCOPES}]", "[sync:write]", "[a system:read sync:write providers:match b]", "map[a:b sync:write c:d]"),
    *(SCOPES.replace(" ", separator) for separator in (",", "+", ";", "%20", "\x00", "\xad")),
    *(SCOPES.upper(), SCOPES.replace(":", "."), SCOPES.replace(":", ":*"), "system:* sync:* providers:*", "*"),
    *(SCOPES.replace("e", "\u0435"), SCOPES.replace(":", "\uff1a")),
)

of_each_closed_route = of_routes(CLOSED)


@pytest.fixture
def statements(statements_of_all: Statements) -> Statements:
    statements_of_all.clear()
    return statements_of_all


@pytest.fixture(autouse=True)
def the_log_tells_nothing(log: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    written = json.dumps(log, ensure_ascii=False) + caplog.text
    assert secrets_in(written, MARK, SOMEBODY, "sync-pipeline", "system:read") == []


def with_claims(good: Good, claims: Mapping[str, object]) -> Good:
    return good.but(caller=Caller(claims))


def without_id(reply: Reply) -> str:
    return reply.body.replace(reply.request_id, "")


# ---- nobody ----------------------------------------------------------------------------------------------
@of_each_closed_route
def test_who_is_not_named_is_nobody_whatever_else_is_said(
    requests: Requests, route: Route, statements: Statements
) -> None:
    good = requests.good(route)
    replies = [requests.ask(with_claims(good, claims)) for claims in NOBODY]
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
    assert len({without_id(reply) for reply in replies}) == 1
    assert len(statements) == 0


def test_a_token_in_the_headers_is_not_looked_at() -> None:
    route = CLOSED[0]
    good = Good(route, Caller(None), 401, headers={"authorization": "Bearer e30.e30.e30", "x-amzn-oidc-data": SOMEBODY})
    assert good.ask().codes == ["UNAUTHORIZED"]


# ---- persons ---------------------------------------------------------------------------------------------
@of_each_closed_route
def test_a_person_is_told_the_same_whatever_else_their_token_says(requests: Requests, route: Route) -> None:
    """Scopes, roles and groups of a token are none of a person's: only what the ledger knows of them counts."""
    good = requests.good(route)
    for row in (requests.owner, requests.outsider):
        plain = requests.ask(good.but(caller=person(row)))
        for scope in (SCOPES, SCOPES.split(), f"[{SCOPES}]", " ".join([SCOPES] * 5000)):
            reply = requests.ask(good.but(caller=person(row, **ADMIN | {"scope": scope})))
            assert as_it_would_be_again(reply) == as_it_would_be_again(plain)


def the(function: str) -> Route:
    return next(route for route in CLOSED if route.function == function)


def test_a_uuid_in_capitals_is_the_same_person(requests: Requests) -> None:
    claims = {"sub": str(requests.owner.id).upper(), "scope": SCOPES}
    listing, writing = (the(f"company_workspace_connector.{operation}") for operation in ("list", "create"))
    assert with_claims(requests.good(listing), claims).ask().ids == [requests.rows["company_workspace_connector"].id]
    assert with_claims(requests.good(writing), claims).ask().codes == ["FORBIDDEN"]


# ---- services --------------------------------------------------------------------------------------------
@of_each_closed_route
def test_what_is_no_list_of_scopes_grants_nothing(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    plain = requests.ask(good.but(caller=service()))
    # Who has no scope is refused, but where no route is; an agent is told so as its tool's result.
    assert plain.status == (200 if route.operation == "mcp" else 403 if route.resource else 404)
    assert route.operation != "mcp" or "system:read" in plain.document["result"]["content"][0]["text"]
    # Scopes are read from `scope` and `scp` alone.
    others = dict.fromkeys(("scopes", "Scope", "SCP", "permissions", "roles", "cognito:groups", "scope "), SCOPES)
    for claims in (others, *({"scope": scope} for scope in NO_SCOPES)):
        reply = requests.ask(with_claims(good, PROGRAM | claims))
        assert without_id(reply) == without_id(plain), repr(claims)


@pytest.mark.parametrize("caller", [PIPELINE, MATCHER], ids=lambda caller: caller.claims["sub"])
@of_each_closed_route
def test_oversized_claims_change_nothing(requests: Requests, route: Route, caller: Caller) -> None:
    assert caller.claims is not None
    good = requests.good(route)
    many = {f"{MARK}{number}": MARK for number in range(5000)}
    scope = " ".join([str(caller.claims["scope"]), *(f"{MARK}:{number}" for number in range(50_000))])
    large = requests.ask(with_claims(good, {**many, **caller.claims, "scope": scope}))
    plain = requests.ask(good.but(caller=caller))
    assert as_it_would_be_again(large) == as_it_would_be_again(plain)


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
    assert with_claims(good, claims).but(document={"data": document}).ask().status == 200


def as_it_would_be_again(reply: Reply) -> tuple[int, str]:
    """Return what is not new each time: the request's id is, and in an answer to a creation all ids."""
    body = re.sub(UUIDS if reply.status == 201 else re.escape(reply.request_id), "", reply.body)
    return reply.status, body
