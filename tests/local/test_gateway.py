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
from tests.local.stack_process import Answer, until

FUNCTION = Function("ThingsFunction", "things.list.handler", 10, 128, {}, ())
PRIVATE = Route("GET", "/v1/things", FUNCTION, needs_token=True)
OPEN = Route("GET", "/health", FUNCTION, needs_token=False)
POST = Route("POST", "/v1/things", FUNCTION, needs_token=False)
DEFAULT = Route("$default", "$default", FUNCTION, needs_token=True)
OPTIONS = Route("OPTIONS", "/{proxy+}", FUNCTION, needs_token=False)
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
    ) -> Answer:
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
        return Answer(start["status"], headers, body["body"])

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
    token = identity.sign(claims(identity, scope="a b", groups=["x", "y"], admin=True, level=3))
    assert client("/v1/things", token=f"Bearer {token}").status == 200
    said = client.claims
    assert (said["sub"], said["scope"], said["groups"], said["admin"], said["level"]) == (
        *("me", "a b", "[x y]", "true", "3"),
    )
    assert said["exp"].isdigit()


def test_a_claim_that_is_null_is_not_there(client: Client, identity: Identity) -> None:
    token = identity.sign(claims(identity) | {"sub": None, "client_id": None})
    assert client("/v1/things", token=token).status == 200
    assert not {"sub", "client_id"} & client.claims.keys()


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


def by_hand(identity: Identity, sign: Callable[[bytes], bytes] = lambda _: b"x", **header: Any) -> str:
    """Return a token with any header, and the signature that `sign` makes of its text."""
    parts = ({"alg": "RS256", "kid": identity.key_id} | header, claims(identity))
    text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return f"{text}.{base64url(sign(text.encode()))}"


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


def with_public_key(encoding: serialization.Encoding) -> Make:
    """Make a token that is signed with the public key as a shared secret."""

    def make(identity: Identity) -> str:
        key = identity.find_key(identity.key_id)
        assert key is not None
        secret = key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        return by_hand(identity, lambda text: hmac.digest(secret, text, hashlib.sha256), alg="HS256")

    return make


def encoded(encoding: str) -> Make:
    """Make a token of the issuer's own key, whose claims are in another encoding."""

    def make(identity: Identity) -> str:
        said = json.dumps(claims(identity)).encode(encoding)
        return jwt.PyJWS().encode(said, identity._key, "RS256", headers={"kid": identity.key_id})

    return make


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
    **{f"in {name}": (encoded(name), NO_JWT) for name in ("utf-16", "utf-16-le", "utf-32-be", "utf-8-sig")},
    "unsigned": (lambda identity: by_hand(identity, lambda _: b"", alg="none"), ALGORITHM),
    "unsigned, in capitals": (lambda identity: by_hand(identity, lambda _: b"", alg="NONE"), ALGORITHM),
    "without its signature": (with_part(2, b""), SIGNATURE),
    "with another's claims": (
        lambda identity: with_part(1, json.dumps(claims(identity, sub="somebody else")).encode())(identity),
        SIGNATURE,
    ),
    "signed with the public key as a secret": (with_public_key(serialization.Encoding.PEM), ALGORITHM),
    "signed with the public key's bytes": (with_public_key(serialization.Encoding.DER), ALGORITHM),
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


def test_the_key_and_the_issuer_are_made_once(tmp_path: Path) -> None:
    first, second = Identity(tmp_path, 3000), Identity(tmp_path, 4000)
    assert first.key_id == second.key_id
    assert first.issuer == second.issuer == "http://127.0.0.1:3000/issuer"
    assert (tmp_path / "identity" / "key.pem").stat().st_mode & 0o777 == 0o600
    second.move_to("http://127.0.0.1:4000")
    assert first.issuer == "http://127.0.0.1:4000/issuer"


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
        ("GET /v1/files", "$default", {}),
    ],
)
def test_the_most_specific_route_answers(request_line: str, key: str, parameters: dict[str, str]) -> None:
    others = ("ANY /v1/things/{id}", "GET /v1/things/special", "GET /v1/groups/{group}/members/{id}")
    keys = ("$default", "GET /v1/files/{proxy+}", "GET /v1/files/one", *others, *THINGS)
    assert found(keys, request_line) == (key, parameters)


@pytest.mark.parametrize(
    "request_line",
    ["GET /v1/things/", "GET /v1/things/1/2", "GET /V1/things", "GET /", "HEAD /v1/things", "OPTIONS /v1/things"],
)
def test_what_no_route_matches_goes_to_the_default_route_if_there_is_one(request_line: str) -> None:
    assert found(THINGS, request_line) is None
    assert found((*THINGS, "$default"), request_line) == ("$default", {})


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


def test_head_has_the_headers_of_get_and_no_content(client: Client) -> None:
    client.routes = (*client.routes, Route("HEAD", "/health", FUNCTION, needs_token=False))
    client.answer = {"statusCode": 200, "headers": {"etag": '"1"'}, "body": '{"status":"ok"}'}
    whole, head = client("/health"), client("/health", "HEAD")
    assert (whole.status, whole.body) == (200, b'{"status":"ok"}')
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == "15"
    # Each request has an id of its own.
    assert head.headers | {"apigw-requestid": ""} == whole.headers | {"apigw-requestid": ""}


# ---- pages of other origins ---------------------------------------------------------------------------
def preflight(origin: str = PAGE) -> dict[str, str]:
    """Return the headers by which a browser asks whether it may send a GET with a token."""
    asked = {"method": "GET", "headers": "authorization"}
    return {"origin": origin, **{f"access-control-request-{name}": value for name, value in asked.items()}}


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
        answer = shared(path, method, more=preflight(ELSEWHERE))
        assert answer.status in {200, 204}
        assert not [name for name in answer.headers if name.startswith("access-control-allow-origin")]


def test_a_page_may_read_what_a_function_answers_and_the_functions_own_headers_of_cors_are_dropped(
    shared: Client,
) -> None:
    shared.answer = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "ETag": '"1"'}}
    answer = shared("/health", more={"origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "etag" in answer.headers["access-control-expose-headers"].split(",")
    assert answer.headers["etag"] == '"1"'


def test_a_page_may_read_what_the_gateway_answers_by_itself(shared: Client) -> None:
    shared.answer = InvocationError("Error", "it fails")
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
    assert "access-control-allow-origin" not in shared("/v1/things", more={"origin": ELSEWHERE}).headers


def test_without_a_configuration_options_is_a_method_like_any_other(client: Client) -> None:
    client.routes = (PRIVATE, OPTIONS)
    client.answer = {"statusCode": 204, "headers": {"access-control-allow-origin": "function"}}
    answer = client("/v1/things", "OPTIONS", more=preflight())
    assert len(client.events) == 1
    assert answer.headers["access-control-allow-origin"] == "function"


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


def test_a_body_arrives_whole(client: Client) -> None:
    assert client("/v1/things", "POST", chunks=(b"ab", b"", b"c")).status == 200
    assert client.events[0]["body"] == "abc"


def test_a_body_above_ten_megabytes_is_413(client: Client) -> None:
    answer = client("/v1/things", "POST", chunks=(b"x" * 6_000_000, b"x" * 6_000_000))
    assert (answer.status, answer.body) == (413, b'{"message":"Request Entity Too Large"}')
    assert client.events == []


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        *(
            (failure, 500, b"Internal Server Error")
            for failure in (
                *(InvocationError("LookupError", "not there"), payload.InvalidAnswerError("bad")),
                {"statusCode": "many"},
            )
        ),
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


def test_a_204_has_neither_body_nor_length(client: Client) -> None:
    client.answer = {"statusCode": 204}
    answer = client("/health")
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers


def test_a_header_cannot_break_out_of_its_line(client: Client) -> None:
    client.answer = {"statusCode": 200, "headers": {"x-name": "a\r\nset-cookie: b"}, "body": "x"}
    assert client("/health").headers["x-name"] == "aset-cookie: b"


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
def test_a_client_that_sends_no_more_gets_its_answer_and_nothing_before_it(wire: Wire, version: str) -> None:
    with wire.ask("/health?half", version) as asking:
        wire.has_begun()
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
        wire.has_begun()
        time.sleep(0.3)
        wire.let_go.set()
        assert asking.recv(65536).startswith(b"HTTP/1.1 200 OK")


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
