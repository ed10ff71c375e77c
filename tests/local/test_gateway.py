"""The HTTP API: routes, tokens and limits, against functions that are fakes."""

import asyncio
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local import gateway, payload
from local.authorizer import as_text
from local.gateway import Gateway, Router, Throttle
from local.half_closed import RESET_SECONDS
from local.identity import Identity, base64url
from local.lambdas import InvocationError, RequestTooLargeError
from local.template import Cors, Function, Route, Template
from tests.local.stack_process import Answer

FUNCTION = Function("ThingsFunction", "things.list.handler", 10, 128, {}, ())
PRIVATE = Route("GET", "/v1/things", FUNCTION, needs_token=True)
OPEN = Route("GET", "/health", FUNCTION, needs_token=False)
POST = Route("POST", "/v1/things", FUNCTION, needs_token=False)


@dataclass
class Client:
    """Calls the gateway as uvicorn does, in front of a function that answers `answer`."""

    identity: Identity
    executor: ThreadPoolExecutor
    routes: tuple[Route, ...] = (PRIVATE, OPEN, POST)
    cors: Cors | None = None
    answer: Callable[[Mapping[str, Any]], Any] = field(default=lambda _: {"statusCode": 200, "body": "{}"})
    events: list[Mapping[str, Any]] = field(default_factory=list)
    throttle: Throttle | None = None

    def __call__(
        self,
        path: str,
        method: str = "GET",
        *,
        token: str | None = None,
        chunks: tuple[bytes, ...] = (b"",),
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        headers = [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in (more or {}).items())]
        if token is not None:
            headers.append((b"authorization", token.encode()))
        raw, _, query = path.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "http_version": "1.1",
            "client": ("127.0.0.1", 50000),
        }
        waiting = [
            {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
            for number, chunk in enumerate(chunks, 1)
        ]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            if not waiting:
                await asyncio.Event().wait()
            return waiting.pop(0)

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        def invoke(_: Function, event: Mapping[str, Any]) -> Any:
            self.events.append(event)
            return self.answer(event)

        app = Gateway(self.routes, ("wellspring",), self.identity, invoke, self.executor, self.cors, self.throttle)
        asyncio.run(app(scope, receive, send))
        start, body = sent
        return Answer(
            start["status"],
            {name.decode(): value.decode() for name, value in start["headers"]},
            body["body"],
        )


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("state"), 3000)


@pytest.fixture
def client(identity: Identity) -> Iterator[Client]:
    with ThreadPoolExecutor() as executor:
        yield Client(identity, executor)


def claims(identity: Identity, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"iss": identity.issuer, "aud": "wellspring", "iat": now, "nbf": now, "exp": now + 60, "sub": "me"}
    return {name: value for name, value in (made | changes).items() if value is not None}


# ---- tokens -------------------------------------------------------------------------------------------
def test_a_good_token_lets_in_and_its_claims_arrive_as_text(client: Client, identity: Identity) -> None:
    token = identity.sign(claims(identity, scope="a b", groups=["x", "y"], admin=True, level=3))
    assert client("/v1/things", token=f"Bearer {token}").status == 200
    arrived = client.events[0]["requestContext"]["authorizer"]["jwt"]["claims"]
    assert (arrived["sub"], arrived["scope"], arrived["groups"]) == ("me", "a b", "[x y]")
    assert (arrived["admin"], arrived["level"], arrived["exp"].isdigit()) == ("true", "3", True)


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer ", "BEARER  ", ""])
def test_the_prefix_is_written_as_one_likes_or_left_out(client: Client, identity: Identity, prefix: str) -> None:
    assert client("/v1/things", token=prefix + identity.sign(claims(identity))).status == 200


AUDIENCE = "the token does not have a valid audience"
ISSUER = "the token's iss is not the issuer of this API"
KEY = "the token's kid is not a key of the issuer"
SIGNATURE = "the token's signature does not match its key"
ALGORITHM = "the token is not signed by RS256"
NO_JWT = "the token is not a JWT"


def refused(client: Client, token: str | None, reason: str | None) -> None:
    """Check that a token is refused, and that `www-authenticate` says why; None where there is none to speak of."""
    answer = client("/v1/things", token=token)
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    said = f'Bearer scope="" error="invalid_token" error_description="{reason}"' if reason else "Bearer"
    assert answer.headers["www-authenticate"] == said
    assert client.events == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 1}, "the token has expired"),
        ({"exp": None}, "the token has no exp"),
        ({"exp": "soon"}, NO_JWT),
        ({"exp": float("inf")}, NO_JWT),
        ({"nbf": 4102444800}, "the token is not valid yet"),
        ({"iat": 4102444800}, "the token is not valid yet"),
        ({"iss": "https://elsewhere.example/"}, ISSUER),
        ({"iss": "http://127.0.0.1:3000/issuer/"}, ISSUER),
        ({"iss": None}, ISSUER),
        ({"aud": "another"}, AUDIENCE),
        ({"aud": "wellspring-2"}, AUDIENCE),
        ({"aud": ["another", "more"]}, AUDIENCE),
        ({"aud": None}, AUDIENCE),
        ({"aud": []}, AUDIENCE),
        ({"aud": "another", "client_id": "wellspring"}, AUDIENCE),
        ({"aud": None, "client_id": "another"}, AUDIENCE),
    ],
)
def test_a_token_whose_claims_do_not_fit_is_refused_and_told_why(
    client: Client, identity: Identity, changes: dict[str, Any], reason: str
) -> None:
    refused(client, "Bearer " + identity.sign(claims(identity, **changes)), reason)


@pytest.mark.parametrize("changes", [{"aud": ["other", "wellspring"]}, {"aud": None, "client_id": "wellspring"}])
def test_the_audience_may_be_one_of_several_or_the_client_id(
    client: Client, identity: Identity, changes: dict[str, Any]
) -> None:
    assert client("/v1/things", token=identity.sign(claims(identity, **changes))).status == 200


@pytest.mark.parametrize("token", [None, "", "Basic abc", "Bearer x y"])
def test_who_sends_no_bearer_token_is_asked_for_one(client: Client, token: str | None) -> None:
    refused(client, token, None)


@pytest.mark.parametrize("token", ["Bearer", "Bearer ", "Bearer a.b.c", "ü"])
def test_what_is_no_token_is_refused(client: Client, token: str) -> None:
    refused(client, token, NO_JWT)


def by_hand(identity: Identity, sign: Callable[[bytes], bytes] = lambda _: b"x", **header: Any) -> str:
    """Return a token with any header, and the signature that `sign` makes of its text."""
    parts = ({"alg": "RS256", "kid": identity.key_id} | header, claims(identity))
    text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return f"{text}.{base64url(sign(text.encode()))}"


def by_another_key(identity: Identity, **header: Any) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims(identity), key, "RS256", headers={"kid": identity.key_id} | header)


def with_part(identity: Identity, number: int, part: bytes) -> str:
    """Return a good token, one of whose three parts is another."""
    parts = identity.sign(claims(identity)).split(".")
    parts[number] = base64url(part)
    return ".".join(parts)


def with_public_key(identity: Identity, encoding: serialization.Encoding) -> str:
    """Return a token that is signed with the public key as a shared secret."""
    key = identity.find_key(identity.key_id)
    assert key is not None
    secret = key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return by_hand(identity, lambda text: hmac.digest(secret, text, hashlib.sha256), alg="HS256")


FORGED: dict[str, tuple[Callable[[Identity], str], str]] = {
    "unsigned": (lambda identity: by_hand(identity, lambda _: b"", alg="none"), ALGORITHM),
    "unsigned, in capitals": (lambda identity: by_hand(identity, lambda _: b"", alg="NONE"), ALGORITHM),
    "without its signature": (lambda identity: with_part(identity, 2, b""), SIGNATURE),
    "with another's claims": (
        lambda identity: with_part(identity, 1, json.dumps(claims(identity, sub="somebody else")).encode()),
        SIGNATURE,
    ),
    "signed with the public key as a secret": (
        lambda identity: with_public_key(identity, serialization.Encoding.PEM),
        ALGORITHM,
    ),
    "signed with the public key's bytes": (
        lambda identity: with_public_key(identity, serialization.Encoding.DER),
        ALGORITHM,
    ),
    "signed by another key": (by_another_key, SIGNATURE),
    "signed by the key it brings": (
        lambda identity: by_another_key(identity, jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        SIGNATURE,
    ),
    "of no key": (lambda identity: jwt.encode(claims(identity), identity._key, "RS256"), KEY),
    "of an unknown key": (lambda identity: by_another_key(identity, kid="unknown"), KEY),
    "of a key that is a path": (lambda identity: by_another_key(identity, kid="../../dev/null"), KEY),
    "with an extension that nobody knows": (lambda identity: by_hand(identity, crit=["quetzal"], quetzal=1), NO_JWT),
    "deep": (lambda identity: with_part(identity, 0, b"[" * 5_000), NO_JWT),
    "deep in its claims": (lambda identity: with_part(identity, 1, b'{"a":' * 1_000), NO_JWT),
    "of two parts": (lambda identity: identity.sign(claims(identity)).rpartition(".")[0], NO_JWT),
    "of four parts": (lambda identity: identity.sign(claims(identity)) + ".x", NO_JWT),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_token_that_the_issuer_did_not_sign_so_is_refused(client: Client, identity: Identity, name: str) -> None:
    make, reason = FORGED[name]
    refused(client, f"Bearer {make(identity)}", reason)


@pytest.mark.parametrize("name", ["sub", "client_id"])
def test_a_claim_that_is_null_is_not_there(client: Client, identity: Identity, name: str) -> None:
    assert client("/v1/things", token=identity.sign({**claims(identity), name: None})).status == 200
    assert name not in client.events[0]["requestContext"]["authorizer"]["jwt"]["claims"]


@pytest.mark.parametrize("sub", [5, True, ["me"], {"me": 1}])
def test_a_subject_that_is_no_text_is_refused(client: Client, identity: Identity, sub: object) -> None:
    refused(client, identity.sign(claims(identity, sub=sub)), "the token's sub is not a text")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda part: part + "=" * (-len(part) % 4),
        lambda part: f"{part[:9]}!{part[9:]}",
        lambda part: f"{part[:9]}\t{part[9:]}",
    ],
)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_part_that_is_not_bare_base64url_is_refused(
    client: Client, identity: Identity, number: int, spoil: Callable[[str], str]
) -> None:
    for filler in ("", "x", "xx", "xxx"):
        parts = identity.sign(claims(identity, filler=filler)).split(".")
        spoilt = spoil(parts[number])
        if spoilt != parts[number]:
            parts[number] = spoilt
            assert client("/v1/things", token=".".join(parts)).status == 401


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be", "utf-8-sig"])
def test_claims_in_another_encoding_than_utf_8_are_refused(client: Client, identity: Identity, encoding: str) -> None:
    said = json.dumps(claims(identity)).encode(encoding)
    # The issuer's own key: what is refused is the encoding, and not the signature.
    refused(client, jwt.PyJWS().encode(said, identity._key, "RS256", headers={"kid": identity.key_id}), NO_JWT)


def test_an_open_route_needs_no_token(client: Client) -> None:
    assert client("/health").status == 200
    assert "authorizer" not in client.events[0]["requestContext"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (1, "1"), (True, "true"), (None, "null"), (["a", 1], "[a 1]"), ({"a": [1]}, "map[a:[1]]")],
)
def test_claims_are_text_as_api_gateway_writes_them(value: object, text: str) -> None:
    assert as_text(value) == text


def test_the_issuers_documents_lead_to_its_keys(client: Client, identity: Identity) -> None:
    configuration = client("/issuer/.well-known/openid-configuration").json
    assert configuration["issuer"] == identity.issuer
    path = configuration["jwks_uri"].removeprefix("http://127.0.0.1:3000")
    (key,) = jwt.PyJWKSet.from_dict(client(path).json).keys
    token = identity.sign(claims(identity))
    assert jwt.decode(token, key, algorithms=["RS256"], audience="wellspring")["sub"] == "me"


# ---- routes -------------------------------------------------------------------------------------------
def router(*keys: str) -> Router:
    routes = []
    for key in keys:
        method, _, path = key.partition(" ")
        routes.append(Route(method, path or method, FUNCTION, needs_token=False))
    return Router(routes)


@pytest.mark.parametrize(
    ("request_line", "key", "parameters"),
    [
        ("GET /v1/things", "GET /v1/things", {}),
        ("GET /v1/things/1", "GET /v1/things/{id}", {"id": "1"}),
        ("GET /v1/things/a%20b%2Fc", "GET /v1/things/{id}", {"id": "a b/c"}),
        ("GET /v1/things/special", "GET /v1/things/special", {}),
        ("POST /v1/things/1", "ANY /v1/things/{id}", {"id": "1"}),
        ("GET /v1/groups/1/members/2", "GET /v1/groups/{group}/members/{id}", {"group": "1", "id": "2"}),
        ("GET /v1/files/a/b", "GET /v1/files/{proxy+}", {"proxy": "a/b"}),
        ("GET /v1/files/one", "GET /v1/files/one", {}),
        ("GET /v1/files/", "GET /v1/files/{proxy+}", {"proxy": ""}),
        ("GET /v1/files", "$default", {}),
    ],
)
def test_the_most_specific_route_answers(request_line: str, key: str, parameters: dict[str, str]) -> None:
    routes = router(
        "$default",
        "GET /v1/files/{proxy+}",
        "GET /v1/files/one",
        "ANY /v1/things/{id}",
        "GET /v1/things/{id}",
        "GET /v1/things/special",
        "GET /v1/things",
        "GET /v1/groups/{group}/members/{id}",
    )
    method, path = request_line.split(" ")
    match = routes.find(method, path)
    assert match is not None
    assert (match.route.key, dict(match.parameters)) == (key, parameters)


@pytest.mark.parametrize(
    "request_line",
    ["GET /v1/things/", "GET /v1/things/1/2", "GET /V1/things", "GET /", "HEAD /v1/things", "OPTIONS /v1/things"],
)
def test_what_no_route_matches_goes_to_the_default_route_if_there_is_one(request_line: str) -> None:
    method, path = request_line.split(" ")
    keys = ("GET /v1/things", "GET /v1/things/{id}")
    assert router(*keys).find(method, path) is None
    match = router(*keys, "$default").find(method, path)
    assert match is not None
    assert match.route.key == "$default"


def test_without_a_route_the_answer_is_404(client: Client) -> None:
    answer = client("/nowhere")
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')
    assert answer.headers["content-type"] == "application/json"
    assert client("/health", "HEAD").status == 404


def test_head_has_the_headers_of_get_and_no_content(client: Client) -> None:
    client.routes = (*client.routes, Route("HEAD", "/health", FUNCTION, needs_token=False))
    client.answer = lambda _: {"statusCode": 200, "headers": {"etag": '"1"'}, "body": '{"status":"ok"}'}
    whole, head = client("/health"), client("/health", "HEAD")
    assert (whole.status, whole.body) == (200, b'{"status":"ok"}')
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == "15"
    # Each request has an id of its own.
    assert head.headers | {"apigw-requestid": ""} == whole.headers | {"apigw-requestid": ""}


# ---- pages of other origins ---------------------------------------------------------------------------
PAGE = "https://page.example"
DEFAULT = Route("$default", "$default", FUNCTION, needs_token=True)
OPTIONS = Route("OPTIONS", "/{proxy+}", FUNCTION, needs_token=False)


def preflight(origin: str = PAGE) -> dict[str, str]:
    """Return the headers by which a browser asks whether it may send a GET with a token."""
    return {
        "origin": origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }


@pytest.fixture
def shared(client: Client) -> Client:
    """The client of an API whose CORS is configured, and which has a `$default` with an authorizer."""
    client.cors = Template().cors([PAGE])
    client.routes = (PRIVATE, OPEN, POST, DEFAULT)
    return client


def test_a_preflight_that_falls_to_a_default_route_with_an_authorizer_is_refused(shared: Client) -> None:
    answer = shared("/v1/things", "OPTIONS", more=preflight())
    assert answer.status == 401
    # The browser is told its origin, and refuses because of the status.
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-methods" not in answer.headers


def test_an_open_options_route_has_the_gateway_answer_the_preflight(shared: Client) -> None:
    shared.routes = (*shared.routes, OPTIONS)
    answer = shared("/v1/things", "OPTIONS", more=preflight())
    assert (answer.status, answer.body, shared.events) == (204, b"", [])
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert set(answer.headers["access-control-allow-methods"].split(",")) == {"GET", "POST", "PATCH", "DELETE"}
    assert "authorization" in answer.headers["access-control-allow-headers"].split(",")
    assert "access-control-allow-credentials" not in answer.headers


def test_a_page_of_another_origin_is_told_nothing(shared: Client) -> None:
    shared.routes = (*shared.routes, OPTIONS)
    for method, path in (("OPTIONS", "/v1/things"), ("GET", "/health")):
        answer = shared(path, method, more=preflight("https://elsewhere.example"))
        assert answer.status in {200, 204}
        assert not [name for name in answer.headers if name.startswith("access-control-allow-origin")]


def test_a_page_may_read_what_a_function_answers_and_the_functions_own_headers_of_cors_are_dropped(
    shared: Client,
) -> None:
    shared.answer = lambda _: {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "ETag": '"1"'}}
    answer = shared("/health", more={"origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "etag" in answer.headers["access-control-expose-headers"].split(",")
    assert answer.headers["etag"] == '"1"'


def test_a_page_may_read_what_the_gateway_answers_by_itself(shared: Client) -> None:
    def failing(_: Mapping[str, Any]) -> Any:
        raise InvocationError("Error", "it fails")

    shared.answer = failing
    shared.throttle = Throttle(1, 5)
    large = (b"x" * (10 * 1024 * 1024), b"x")
    asked = [
        shared("/v1/things", more={"origin": PAGE}),
        shared("/v1/things", "POST", chunks=large, more={"origin": PAGE}),
        shared("/health", more={"origin": PAGE, "x-long": "x" * 10_240}),
        shared("/health", more={"origin": PAGE}),
    ]
    shared.throttle = Throttle(1, 0)
    asked.append(shared("/health", more={"origin": PAGE}))
    assert [answer.status for answer in asked] == [401, 413, 431, 500, 429]
    assert [answer.headers.get("access-control-allow-origin") for answer in asked] == [PAGE] * 5
    assert "access-control-allow-origin" not in shared("/v1/things", more={"origin": "https://else.example"}).headers


def test_without_a_configuration_options_is_a_method_like_any_other(client: Client) -> None:
    client.routes = (PRIVATE, OPTIONS)
    client.answer = lambda _: {"statusCode": 204, "headers": {"access-control-allow-origin": "function"}}
    answer = client("/v1/things", "OPTIONS", more=preflight())
    assert len(client.events) == 1
    assert answer.headers["access-control-allow-origin"] == "function"


# ---- throttling ---------------------------------------------------------------------------------------
def test_beyond_its_rate_a_route_answers_429_as_the_gateway_does_and_others_are_not_held_up(client: Client) -> None:
    now = [0.0]
    client.throttle = Throttle(rate=2, burst=3, clock=lambda: now[0])
    assert [client("/health").status for _ in range(5)] == [200, 200, 200, 429, 429]
    refusal = client("/health")
    assert (refusal.body, refusal.headers["content-type"]) == (b'{"message":"Too Many Requests"}', "application/json")
    assert client("/v1/things", "POST").status == 200
    now[0] = 1.0
    assert [client("/health").status for _ in range(3)] == [200, 200, 429]
    now[0] = 60.0
    assert [client("/health").status for _ in range(4)] == [200, 200, 200, 429]


def test_without_a_limit_nobody_is_told_to_wait(client: Client) -> None:
    assert {client("/health").status for _ in range(50)} == {200}


# ---- limits and failures ------------------------------------------------------------------------------
def test_every_answer_carries_the_request_id(client: Client) -> None:
    answer = client("/health")
    assert answer.headers["apigw-requestid"] == client.events[0]["requestContext"]["requestId"]
    assert "apigw-requestid" in client("/nowhere").headers


def test_a_body_arrives_whole(client: Client) -> None:
    assert client("/v1/things", "POST", chunks=(b"ab", b"", b"c")).status == 200
    assert client.events[0]["body"] == "abc"


def test_a_body_above_ten_megabytes_is_413(client: Client) -> None:
    answer = client("/v1/things", "POST", chunks=(b"x" * 6_000_000, b"x" * 6_000_000))
    assert (answer.status, answer.body) == (413, b'{"message":"Request Entity Too Large"}')
    assert client.events == []


@pytest.mark.parametrize("error", [InvocationError("LookupError", "not there"), payload.InvalidAnswerError("bad")])
def test_a_function_that_fails_is_500_without_a_reason(client: Client, error: Exception) -> None:
    def fail(_: object) -> None:
        raise error

    client.answer = fail
    answer = client("/health")
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


def test_an_answer_that_is_no_response_is_500(client: Client) -> None:
    client.answer = lambda _: {"statusCode": "many"}
    assert client("/health").status == 500


def test_an_event_too_large_for_a_function_is_413(client: Client) -> None:
    def refuse(_: object) -> None:
        raise RequestTooLargeError

    client.answer = refuse
    assert client("/health").status == 413


def test_a_function_that_takes_too_long_is_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "INTEGRATION_SECONDS", 0.05)
    release = threading.Event()
    client.answer = lambda _: release.wait(5)
    # The answer does not wait for the function; closing the loop does, so let it go soon.
    threading.Timer(0.3, release.set).start()
    answer = client("/health")
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')


def test_a_request_line_and_headers_of_more_than_10240_bytes_are_431(client: Client) -> None:
    rest = len("GET /health HTTP/1.1") + len("host" + "localhost") + len("x")
    assert client("/health", more={"x": "a" * (10_240 - rest)}).status == 200
    answer = client("/health", more={"x": "a" * (10_241 - rest)})
    assert (answer.status, answer.body) == (431, b'{"message":"Request Header Fields Too Large"}')
    assert client("/health?" + "a" * 10_240).status == 431


def test_ten_thousand_header_names_are_refused_before_they_are_looked_at(client: Client) -> None:
    assert client("/health", more={f"x-{number}": "" for number in range(10_000)}).status == 431
    assert client.events == []


@dataclass
class Wire:
    """A gateway behind a socket, with one thread for its functions, which is held until `let_go`."""

    address: tuple[str, int]
    begun: list[str]
    let_go: threading.Event
    server: gateway.Server

    def ask(self, path: str) -> socket.socket:
        asking = socket.create_connection(self.address, timeout=5)
        asking.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        return asking

    def wait_for(self, number: int) -> None:
        end = time.monotonic() + 5
        while len(self.begun) < number:
            assert time.monotonic() < end
            time.sleep(0.005)


@pytest.fixture
def wire(identity: Identity) -> Iterator[Wire]:
    begun: list[str] = []
    let_go = threading.Event()

    def invoke(_: Function, event: Mapping[str, Any]) -> Any:
        begun.append(event["rawQueryString"])
        let_go.wait(5)
        return {"statusCode": 200, "body": "done"}

    with ThreadPoolExecutor(1) as executor, socket.create_server(("127.0.0.1", 0)) as listening:
        server = gateway.Server(Gateway((OPEN, POST), (), identity, invoke, executor))
        serving = threading.Thread(target=server.run, args=([listening],))
        serving.start()
        try:
            yield Wire(listening.getsockname(), begun, let_go, server)
        finally:
            let_go.set()
            server.should_exit = True
            serving.join()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_sends_no_more_gets_its_answer_and_nothing_before_it(wire: Wire, version: str) -> None:
    with socket.create_connection(wire.address, timeout=5) as asking:
        asking.sendall(f"GET /health?half HTTP/{version}\r\nhost: localhost\r\n\r\n".encode())
        wire.wait_for(1)
        asking.shutdown(socket.SHUT_WR)
        time.sleep(2 * RESET_SECONDS)
        wire.let_go.set()
        answer = b"".join(iter(partial(asking.recv, 65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\ndone")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /health HTTP/1.1\r\nhost: lo",
        b"POST /v1/things HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nab",
    ],
)
def test_a_connection_that_says_nothing_more_is_closed(
    wire: Wire, beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.half_closed.REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(wire.server.config, "timeout_keep_alive", 0.2)
    with socket.create_connection(wire.address, timeout=3) as silent:
        silent.sendall(beginning)
        assert silent.recv(65536) == b""
    assert wire.begun == []


def test_a_function_may_take_longer_than_a_request(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.half_closed.REQUEST_SECONDS", 0.05)
    monkeypatch.setattr(wire.server.config, "timeout_keep_alive", 0.05)
    with wire.ask("/health") as asking:
        wire.wait_for(1)
        time.sleep(0.3)
        wire.let_go.set()
        assert asking.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_what_a_client_asked_for_that_is_gone_is_not_worked_off(wire: Wire) -> None:
    with wire.ask("/health?first") as first:
        wire.wait_for(1)
        for number in range(5):
            wire.ask(f"/health?gone-{number}").close()
        with wire.ask("/health?last") as last:
            # The gateway hears of those that have gone while the first one is being answered.
            time.sleep(4 * RESET_SECONDS)
            wire.let_go.set()
            assert b"200 OK" in last.recv(65536)
        assert b"200 OK" in first.recv(65536)
    assert wire.begun == ["first", "last"]


def test_a_204_has_neither_body_nor_length(client: Client) -> None:
    client.answer = lambda _: {"statusCode": 204}
    answer = client("/health")
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers


def test_a_header_cannot_break_out_of_its_line(client: Client) -> None:
    client.answer = lambda _: {"statusCode": 200, "headers": {"x-name": "a\r\nset-cookie: b"}, "body": "x"}
    assert client("/health").headers["x-name"] == "aset-cookie: b"


def test_the_key_and_the_issuer_are_made_once(tmp_path: Path) -> None:
    first, second = Identity(tmp_path, 3000), Identity(tmp_path, 4000)
    assert first.key_id == second.key_id
    assert first.issuer == second.issuer == "http://127.0.0.1:3000/issuer"
    assert (tmp_path / "identity" / "key.pem").stat().st_mode & 0o777 == 0o600
    second.move_to("http://127.0.0.1:4000")
    assert first.issuer == "http://127.0.0.1:4000/issuer"
