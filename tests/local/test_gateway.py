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
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local import gateway, payload
from local.gateway import Gateway, Router, Throttle
from local.half_closed import RESET_SECONDS
from local.identity import Identity, base64url
from local.lambdas import InvocationError, RequestTooLargeError
from local.template import Cors, Function, Route, Template
from tests.local.stack_process import HttpResponse, until

FUNCTION = Function("ThingsFunction", "things.list.handler", 10, 128, {}, ())
PRIVATE = Route("GET", "/v1/things", FUNCTION, needs_token=True)
OPEN = Route("GET", "/health", FUNCTION, needs_token=False)
POST = Route("POST", "/v1/things", FUNCTION, needs_token=False)
PAGE, ELSEWHERE = "https://page.example", "https://elsewhere.example"


@dataclass
class Client:
    """Calls the gateway as uvicorn does, in front of a function that answers `answer`, or raises it."""

    identity: Identity
    executor: ThreadPoolExecutor
    routes: tuple[Route, ...] = (PRIVATE, OPEN, POST)
    cors: Cors | None = None
    answer: object = field(default_factory=lambda: {"statusCode": 200, "body": "{}"})
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
    ) -> HttpResponse:
        said = {"host": "localhost", **(more or {}), **({} if token is None else {"authorization": token})}
        raw, _, query = path.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
            "http_version": "1.1",
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

        app = Gateway(self.routes, ("wellspring",), self.identity, self.invoke, self.executor, self.cors, self.throttle)
        asyncio.run(app(scope, receive, send))
        start, body = sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return HttpResponse(start["status"], headers, body["body"])

    def invoke(self, _: Function, event: Mapping[str, Any]) -> object:
        self.events.append(event)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer

    @property
    def claims(self) -> dict[str, str]:
        """Those that the function was told of first."""
        told: dict[str, str] = self.events[0]["requestContext"]["authorizer"]["jwt"]["claims"]
        return told


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("state"), 3000)


@pytest.fixture
def client(identity: Identity) -> Iterator[Client]:
    with ThreadPoolExecutor() as executor:
        yield Client(identity, executor)


# ---- tokens -------------------------------------------------------------------------------------------
def claims(identity: Identity, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"iss": identity.issuer, "aud": "wellspring", "iat": now, "nbf": now, "exp": now + 60, "sub": "me"}
    return {name: value for name, value in (made | changes).items() if value is not None}


def test_a_good_token_lets_in_and_its_claims_arrive_as_text(client: Client, identity: Identity) -> None:
    said = {"groups": ["x", 1], "admin": True, "level": 3, "of": {"a": [None]}, "scope": "a b"}
    token = identity.sign(claims(identity, **said) | {"client_id": None})
    assert client("/v1/things", token=f"Bearer {token}").status == 200
    told = client.claims
    assert told.pop("exp").isdigit()
    as_api_gateway = {"groups": "[x 1]", "admin": "true", "level": "3", "of": "map[a:[null]]", "scope": "a b"}
    assert told.items() >= (as_api_gateway | {"sub": "me"}).items()
    # One that is null is not there.
    assert "client_id" not in told


@pytest.mark.parametrize(
    ("prefix", "changes"),
    [
        *((prefix, {}) for prefix in ("Bearer ", "bearer ", "BEARER  ", "")),
        *(("", changes) for changes in ({"aud": ["other", "wellspring"]}, {"aud": None, "client_id": "wellspring"})),
        ("", {"sub": None}),
    ],
)
def test_prefix_audience_and_subject_are_as_api_gateway_takes_them(
    client: Client, identity: Identity, prefix: str, changes: dict[str, Any]
) -> None:
    assert client("/v1/things", token=prefix + identity.sign(claims(identity, **changes))).status == 200


AUDIENCE = "the token does not have a valid audience"
ISSUER = "the token's iss is not the issuer of this API"
KEY = "the token's kid is not a key of the issuer"
SIGNATURE = "the token's signature does not match its key"
ALGORITHM = "the token is not signed by RS256"
NO_JWT = "the token is not a JWT"
SUBJECT = "the token's sub is not a text"

type Make = Callable[[Identity], str]


def saying(**changes: Any) -> Make:
    """Make a token of the issuer with other claims."""
    return lambda identity: identity.sign(claims(identity, **changes))


def by_hand(identity: Identity, signature: bytes = b"x", **header: Any) -> str:
    """Return a token with any header and signature."""
    parts = ({"alg": "RS256", "kid": identity.key_id} | header, claims(identity))
    return ".".join(map(base64url, [*(json.dumps(part).encode() for part in parts), signature]))


def by_another_key(**header: Any) -> Make:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda identity: jwt.encode(claims(identity), key, "RS256", headers={"kid": identity.key_id} | header)


def with_part(number: int, part: bytes) -> Make:
    """Make a good token, one of whose three parts is another."""

    def make(identity: Identity) -> str:
        parts = identity.sign(claims(identity)).split(".")
        parts[number] = base64url(part)
        return ".".join(parts)

    return make


def with_the_public_key_as_a_secret(identity: Identity) -> str:
    key = identity.find_key(identity.key_id)
    assert key is not None
    secret = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = by_hand(identity, alg="HS256").rpartition(".")[0]
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def encoded(encoding: str) -> Make:
    """Make a token whose claims are in another encoding."""
    return lambda identity: with_part(1, json.dumps(claims(identity)).encode(encoding))(identity)


REFUSED: dict[str, tuple[Make, str]] = {
    "expired": (saying(exp=1), "the token has expired"),
    "for ever": (saying(exp=None), "the token has no exp"),
    **{f"expires {at}": (saying(exp=at), NO_JWT) for at in ("soon", float("inf"))},
    **{f"{name} to come": (saying(**{name: 4102444800}), "the token is not valid yet") for name in ("nbf", "iat")},
    **{
        f"of {issuer}": (saying(iss=issuer), ISSUER)
        for issuer in ("https://elsewhere.example/", "http://127.0.0.1:3000/issuer/", None)
    },
    **{f"for {aud}": (saying(aud=aud), AUDIENCE) for aud in ("another", "wellspring-2", ["another", "more"], None, [])},
    "for another, by our client": (saying(aud="another", client_id="wellspring"), AUDIENCE),
    "by another client": (saying(aud=None, client_id="another"), AUDIENCE),
    **{f"of subject {sub}": (saying(sub=sub), SUBJECT) for sub in (5, True, ["me"], {"me": 1})},
    **{f"text {text!r}": (lambda _, text=text: text, NO_JWT) for text in ("Bearer", "Bearer ", "a.b.c", "ü")},  # type: ignore[misc]
    **{f"in {name}": (encoded(name), NO_JWT) for name in ("utf-16", "utf-8-sig")},
    "unsigned": (lambda identity: by_hand(identity, b"", alg="none"), ALGORITHM),
    "unsigned, in capitals": (lambda identity: by_hand(identity, b"", alg="NONE"), ALGORITHM),
    "without its signature": (with_part(2, b""), SIGNATURE),
    "with another's claims": (
        lambda identity: with_part(1, json.dumps(claims(identity, sub="somebody else")).encode())(identity),
        SIGNATURE,
    ),
    "signed with the public key as a secret": (with_the_public_key_as_a_secret, ALGORITHM),
    "signed by another key": (by_another_key(), SIGNATURE),
    "signed by the key it brings": (by_another_key(jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"}), SIGNATURE),
    "of no key": (lambda identity: jwt.encode(claims(identity), identity._key, "RS256"), KEY),
    "of an unknown key": (by_another_key(kid="unknown"), KEY),
    "of a key that is a path": (by_another_key(kid="../../dev/null"), KEY),
    "with an extension that nobody knows": (lambda identity: by_hand(identity, crit=["quetzal"], quetzal=1), NO_JWT),
    "deep": (with_part(0, b"[" * 5_000), NO_JWT),
    "deep in its claims": (with_part(1, b'{"a":' * 1_000), NO_JWT),
    "of two parts": (lambda identity: identity.sign(claims(identity)).rpartition(".")[0], NO_JWT),
    "of four parts": (lambda identity: identity.sign(claims(identity)) + ".x", NO_JWT),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_is_not_to_be_believed_is_refused_and_told_why(
    client: Client, identity: Identity, name: str
) -> None:
    make, reason = REFUSED[name]
    said = f'Bearer scope="" error="invalid_token" error_description="{reason}"'
    for prefix in ("Bearer ", ""):
        answer = client("/v1/things", token=prefix + make(identity))
        assert (answer.status, answer.body, client.events) == (401, b'{"message":"Unauthorized"}', [])
        assert answer.headers["www-authenticate"] == said


@pytest.mark.parametrize("token", [None, "", "Basic abc", "Bearer x y"])
def test_who_sends_no_bearer_token_is_asked_for_one(client: Client, token: str | None) -> None:
    answer = client("/v1/things", token=token)
    assert (answer.status, answer.body, client.events) == (401, b'{"message":"Unauthorized"}', [])
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_part_that_is_not_bare_base64url_is_refused(client: Client, identity: Identity, number: int) -> None:
    for filler in ("", "x", "xx", "xxx"):
        parts = identity.sign(claims(identity, filler=filler)).split(".")
        part = parts[number]
        for spoilt in {part + "=" * (-len(part) % 4), f"{part[:9]}!{part[9:]}", f"{part[:9]}\t{part[9:]}"} - {part}:
            parts[number] = spoilt
            assert client("/v1/things", token=".".join(parts)).status == 401


def test_the_issuers_documents_lead_to_its_keys(client: Client, identity: Identity) -> None:
    configuration = client("/issuer/.well-known/openid-configuration").json
    assert configuration["issuer"] == identity.issuer
    path = configuration["jwks_uri"].removeprefix("http://127.0.0.1:3000")
    (key,) = jwt.PyJWKSet.from_dict(client(path).json).keys
    token = identity.sign(claims(identity))
    assert jwt.decode(token, key, algorithms=["RS256"], audience="wellspring")["sub"] == "me"


# ---- routes -------------------------------------------------------------------------------------------
def found(keys: tuple[str, ...], request_line: str) -> tuple[str, dict[str, str]] | None:
    """Return the key of the route that answers, and what its path's variables stand for."""
    routes = []
    for key in keys:
        method, _, path = key.partition(" ")
        routes.append(Route(method, path or method, FUNCTION, needs_token=False))
    match = Router(routes).find(*request_line.split(" "))
    return match and (match.route.key, dict(match.parameters))


THINGS = ("GET /v1/things", "GET /v1/things/{id}")


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
        *(
            (f"GET {path}", "$default", {})
            for path in ("/v1/files", "/v1/things/", "/v1/things/1/2", "/V1/things", "/")
        ),
        *((f"{method} /v1/things", "$default", {}) for method in ("HEAD", "OPTIONS")),
    ],
)
def test_the_most_specific_route_answers(request_line: str, key: str, parameters: dict[str, str]) -> None:
    others = ("ANY /v1/things/{id}", "GET /v1/things/special", "GET /v1/groups/{group}/members/{id}")
    keys = ("$default", "GET /v1/files/{proxy+}", "GET /v1/files/one", *others, *THINGS)
    assert found(keys, request_line) == (key, parameters)
    if key == "$default":
        assert found(keys[1:], request_line) is None


def test_without_a_route_the_answer_is_404_and_without_a_lock_no_token_is_asked_for(client: Client) -> None:
    answer = client("/nowhere")
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')
    assert answer.headers["content-type"] == "application/json"
    assert "apigw-requestid" in answer.headers
    assert client("/health", "HEAD").status == 404
    answer = client("/health")
    assert answer.status == 200
    context = client.events[0]["requestContext"]
    assert "authorizer" not in context
    assert answer.headers["apigw-requestid"] == context["requestId"]


# ---- pages of other origins ---------------------------------------------------------------------------
@pytest.fixture
def shared(client: Client) -> Client:
    """The client of an API whose CORS is configured."""
    client.cors = Template().cors([PAGE])
    return client


def test_a_page_may_read_what_a_function_and_the_gateway_answer_and_another_page_nothing(shared: Client) -> None:
    own = {"Access-Control-Allow-Origin": "*", "ETag": '"1"'}
    shared.answer = {"statusCode": 200, "headers": own}
    of_page = {"origin": PAGE}
    read = shared("/health", more=of_page)
    assert "etag" in read.headers["access-control-expose-headers"].split(",")
    shared.answer = InvocationError("Error", "it fails")
    answers = [
        read,
        shared("/v1/things", more=of_page),
        shared("/v1/things", "POST", chunks=(b"x" * (10 * 1024 * 1024), b"x"), more=of_page),
        shared("/health", more=of_page | {"x-long": "x" * 10_240}),
        shared("/health", more=of_page),
    ]
    shared.throttle = Throttle(1, 0)
    answers.append(shared("/health", more=of_page))
    assert [answer.status for answer in answers] == [200, 401, 413, 431, 500, 429]
    assert [answer.headers["access-control-allow-origin"] for answer in answers] == [PAGE] * 6
    assert "access-control-allow-origin" not in shared("/health", more={"origin": ELSEWHERE}).headers
    # Where nothing is configured, that is the function's business.
    shared.cors, shared.throttle, shared.answer = None, None, {"statusCode": 200, "headers": own}
    assert shared("/health", more=of_page).headers["access-control-allow-origin"] == "*"


# ---- limits and failures ------------------------------------------------------------------------------
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
    client.throttle = None
    assert {client("/health").status for _ in range(50)} == {200}


def test_a_body_arrives_whole_or_is_413_above_ten_megabytes(client: Client) -> None:
    assert client("/v1/things", "POST", chunks=(b"ab", b"", b"c")).status == 200
    answer = client("/v1/things", "POST", chunks=(b"x" * 6_000_000, b"x" * 6_000_000))
    assert (answer.status, answer.body) == (413, b'{"message":"Request Entity Too Large"}')
    assert [event["body"] for event in client.events] == ["abc"]


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (InvocationError("LookupError", "not there"), 500, b"Internal Server Error"),
        (payload.InvalidAnswerError("bad"), 500, b"Internal Server Error"),
        ({"statusCode": "many"}, 500, b"Internal Server Error"),
        (RequestTooLargeError(), 413, b"Request Entity Too Large"),
    ],
)
def test_a_function_that_fails_is_500_without_a_reason_and_an_event_too_large_for_it_413(
    client: Client, failure: object, status: int, said: bytes
) -> None:
    client.answer = failure
    answer = client("/health")
    assert (answer.status, answer.body) == (status, b'{"message":"%b"}' % said)


def test_a_function_that_takes_too_long_is_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "INTEGRATION_SECONDS", 0.05)
    release = threading.Event()
    client.answer = partial(release.wait, 5)
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
    assert client("/health", more={f"x-{number}": "" for number in range(10_000)}).status == 431
    assert len(client.events) == 1


def test_a_204_has_no_length_and_a_header_cannot_break_out_of_its_line(client: Client) -> None:
    client.answer = {"statusCode": 204, "headers": {"x-name": "a\r\nset-cookie: b"}}
    answer = client("/health")
    assert (answer.status, answer.body, answer.headers["x-name"]) == (204, b"", "aset-cookie: b")
    assert "content-length" not in answer.headers


# ---- connections --------------------------------------------------------------------------------------
@dataclass
class Wire:
    """A gateway behind a socket, with one thread for its functions, which is held until `let_go`."""

    address: tuple[str, int]
    begun: list[str]
    let_go: threading.Event
    server: gateway.Server

    def ask(self, path: str, version: str = "1.1") -> socket.socket:
        asking = socket.create_connection(self.address, timeout=5)
        asking.sendall(f"GET {path} HTTP/{version}\r\nhost: localhost\r\n\r\n".encode())
        return asking

    def has_begun(self) -> None:
        assert until(lambda: bool(self.begun))


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
def test_a_client_that_sends_no_more_gets_its_answer_however_long_the_function_takes_and_nothing_before_it(
    wire: Wire, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.half_closed.REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(wire.server.config, "timeout_keep_alive", 0.3)
    with wire.ask("/health?half", version) as asking:
        wire.has_begun()
        asking.shutdown(socket.SHUT_WR)
        time.sleep(0.3 + 2 * RESET_SECONDS)
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


def test_what_a_client_asked_for_that_is_gone_is_not_worked_off(wire: Wire) -> None:
    with wire.ask("/health?first") as first:
        wire.has_begun()
        for number in range(5):
            wire.ask(f"/health?gone-{number}").close()
        with wire.ask("/health?last") as last:
            # The gateway hears of those that have gone while the first one is being answered.
            time.sleep(4 * RESET_SECONDS)
            wire.let_go.set()
            assert b"200 OK" in last.recv(65536)
        assert b"200 OK" in first.recv(65536)
    assert wire.begun == ["first", "last"]
