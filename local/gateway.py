"""The HTTP API of the local stack: what API Gateway does between a socket and a handler.

Routes come from template.yaml. The issuer's documents are served beneath `/issuer`, which no route of the
template may use.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import unquote

import uvicorn

from local import payload
from local.access_log import AccessLog
from local.authorizer import JwtAuthorizer, UnauthorizedError
from local.half_closed import HalfOpenProtocol
from local.identity import Identity
from local.lambdas import InvocationError, RequestTooLargeError
from local.payload import Request, Response
from local.sign_in import SignIn
from local.template import Cors, Function, Route

LARGEST_BODY = 10 * 1024 * 1024
INTEGRATION_SECONDS = 30.0
# "Total combined size of request line and header values" ("Quotas for HTTP APIs"). Names count here, too: what passes
# here passes there.
LARGEST_HEAD = 10_240

logger = logging.getLogger(__name__)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Invoke = Callable[[Function, Mapping[str, Any]], Any]


class Match(NamedTuple):
    """A route and what its path's variables stand for."""

    route: Route
    parameters: Mapping[str, str]


class Router:
    """Finds the most specific route, in API Gateway's order: a full match, a greedy one, `$default`."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._default = next((route for route in routes if route.path == "$default"), None)
        # Few variables first, greedy ones last, a named method before ANY.
        self._routes = sorted(
            (route for route in routes if route.path != "$default"),
            key=lambda route: ("+}" in route.path, route.path.count("{"), route.method == "ANY"),
        )

    def find(self, method: str, path: str) -> Match | None:
        """Return the route of a request to `path` (still encoded); HEAD and OPTIONS are methods like any other."""
        segments = path.split("/")
        for route in self._routes:
            if route.method in {method, "ANY"}:
                parameters = _variables(route.path.split("/"), segments)
                if parameters is not None:
                    return Match(route, parameters)
        return Match(self._default, {}) if self._default else None


def _variables(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """Return the variables of `pattern` in `segments`, None where it does not match."""
    variables: dict[str, str] = {}
    for position, part in enumerate(pattern):
        if part.startswith("{") and part.endswith("+}"):
            # One segment at least, which may be empty: it is how a route takes `/path/`.
            rest = segments[position:]
            return {**variables, part[1:-2]: unquote("/".join(rest))} if rest else None
        if position >= len(segments):
            return None
        segment = unquote(segments[position])
        if part.startswith("{") and part.endswith("}"):
            if not segment:
                return None
            variables[part[1:-1]] = segment
        elif part != segment:
            return None
    return variables if len(pattern) == len(segments) else None


class Throttle:
    """API Gateway's token bucket for each route: `rate` requests a second, `burst` at once above it."""

    def __init__(self, rate: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def admits(self, route_key: str) -> bool:
        """Say whether one more request to a route is admitted now."""
        now = self._clock()
        tokens, since = self._buckets.get(route_key, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - since) * self._rate)
        self._buckets[route_key] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1


class ClientGoneError(Exception):
    """The connection broke off before the request was whole."""


class Gateway:
    """The ASGI application. `invoke` blocks, so it runs on `executor`; without `throttle` nobody is told to wait.

    `log` gets a line for each request but the issuer's.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        audience: Sequence[str],
        identity: Identity,
        invoke: Invoke,
        executor: Executor,
        cors: Cors | None = None,
        throttle: Throttle | None = None,
        log: AccessLog | None = None,
    ) -> None:
        self._cors = cors
        self._log = log
        self._router = Router(routes)
        self._identity = identity
        self._sign_in = SignIn(identity)
        self._authorizer = JwtAuthorizer(identity.issuer, audience, identity.find_key)
        self._invoke = invoke
        self._executor = executor
        self._throttle = throttle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            response, request_id = await self._respond(scope, receive)
        except ClientGoneError:
            return
        headers = [*response.headers, ("apigw-requestid", request_id)]
        if response.status not in payload.WITHOUT_BODY:
            headers.append(("content-length", str(len(response.body))))
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [(name.encode("latin-1"), _header_bytes(value)) for name, value in headers],
            }
        )
        # Headers as those of GET, and no content (RFC 9110, section 9.3.2).
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})

    async def _respond(self, scope: Scope, receive: Receive) -> tuple[Response, str]:
        request = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            body=b"",
            protocol=f"HTTP/{scope['http_version']}",
            source_ip=(scope.get("client") or ["127.0.0.1"])[0],
        )
        refused = _refused(request)
        of_issuer = None if refused else await self._issuer(request, receive)
        if of_issuer is not None:
            return of_issuer, request.id
        said: dict[str, object] = {"requestId": request.id}
        began = time.monotonic()
        response = self._shared(request, refused or await self._answer(request, receive, said))
        if self._log is not None:
            said |= {"status": response.status, "responseLength": len(response.body)}
            self._log.write(said | {"responseLatency": _milliseconds_since(began)})
        return response, request.id

    async def _answer(self, request: Request, receive: Receive, said: dict[str, object]) -> Response:
        """Return the answer; `said` is told what the access log says of the way there."""
        match = self._router.find(request.method, request.path)
        if match is None:
            return self._preflight(request) or payload.message(404, "Not Found")
        said["routeKey"] = match.route.key
        if self._throttle is not None and not self._throttle.admits(match.route.key):
            return payload.message(429, "Too Many Requests")
        try:
            authorization = request.header("authorization")
            claims = self._authorizer.claims(authorization) if match.route.needs_token else None
        except UnauthorizedError as error:
            said["authorizer.error"] = error
            return payload.message(401, "Unauthorized", ("www-authenticate", error.challenge))
        # A route's authorizer comes before CORS: `$default` with one refuses every preflight that falls to it.
        preflight = self._preflight(request)
        if preflight:
            return preflight
        body = await _read(receive)
        if body is None:
            return payload.message(413, "Request Entity Too Large")
        event = payload.to_event(replace(request, body=body), match.route.key, match.parameters, claims)
        began = time.monotonic()
        try:
            return await self._integrate(match.route.function, event, receive, said)
        finally:
            said["integrationLatency"] = _milliseconds_since(began)

    def _preflight(self, request: Request) -> Response | None:
        """Return the answer to a preflight where CORS is configured.

        "API Gateway automatically sends a response to preflight OPTIONS requests, even if there isn't an OPTIONS route
        configured for your API" (its developer guide, "Configure CORS for HTTP APIs").
        """
        if not self._cors or request.method != "OPTIONS" or not request.header("access-control-request-method"):
            return None
        if request.header("origin") not in self._cors.origins:
            return Response(204, (), b"")
        headers = (
            ("access-control-allow-methods", ",".join(self._cors.methods)),
            ("access-control-allow-headers", ",".join(self._cors.headers).lower()),
            ("access-control-max-age", str(self._cors.seconds)),
        )
        return Response(204, headers, b"")

    def _shared(self, request: Request, response: Response) -> Response:
        """Return `response` with the headers by which a page of an origin that is allowed may read it.

        "API Gateway ignores CORS headers returned from your backend integration" where CORS is configured, and adds its
        own "to the response from an integration". It adds them to a 401 of its own, too: a browser says of a preflight
        that an authorizer refuses "It does not have HTTP ok status", which it looks at after the origin (Fetch, "CORS-
        preflight fetch", step 7), and aws-sam-cli issue 9087 asks for "CORS headers from the authorizer as with live
        AWS http API Gateways". Of 413, 429, 431 and 5xx nothing is written; the same is taken for them.
        """
        origin = request.header("origin")
        if not self._cors or origin not in self._cors.origins:
            return response
        allowed = (
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", ",".join(self._cors.exposed).lower()),
        )
        return replace(response, headers=(*response.headers, *allowed))

    def _without_cors(self, response: Response) -> Response:
        """Return what a function answers without its own headers of CORS, where the gateway has some."""
        if not self._cors:
            return response
        kept = tuple((name, value) for name, value in response.headers if not name.startswith("access-control-"))
        return replace(response, headers=kept)

    async def _issuer(self, request: Request, receive: Receive) -> Response | None:
        """Return what the issuer answers, None where the request is not for it."""
        if not request.path.startswith("/issuer/"):
            return None
        if request.method == "POST":
            return self._sign_in.answer(request, await _read(receive) or b"")
        if request.method in {"GET", "HEAD"}:
            return self._document(request) or self._sign_in.answer(request, b"")
        return None

    def _document(self, request: Request) -> Response | None:
        match request.path:
            case "/issuer/.well-known/openid-configuration":
                # To pages too, of whatever origin: the console may have been opened by another name of this machine.
                anybody = ("access-control-allow-origin", "*")
                return payload.as_json(200, self._identity.configuration(), anybody)
            case "/issuer/.well-known/jwks.json":
                return payload.as_json(200, self._identity.key_set())
        return None

    async def _integrate(
        self, function: Function, event: Mapping[str, Any], receive: Receive, said: dict[str, object]
    ) -> Response:
        """Return what a function answers; raise ClientGoneError where nobody waits for it any more.

        What the function has begun it ends, as Lambda does; what still waits for a free function is not begun.
        """
        answering = asyncio.get_running_loop().run_in_executor(self._executor, self._invoke, function, event)
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            done, _ = await asyncio.wait(
                {answering, leaving}, timeout=INTEGRATION_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if answering in done:
                return self._without_cors(payload.from_answer(answering.result()))
            answering.cancel()
            if leaving in done:
                raise ClientGoneError
            return payload.message(503, "Service Unavailable")
        except RequestTooLargeError:
            return payload.message(413, "Request Entity Too Large")
        except (InvocationError, payload.InvalidAnswerError) as error:
            said["integrationErrorMessage"] = error
            logger.error("%s: %s", function.name, error)  # noqa: TRY400  the function's log has the traceback
            return payload.message(500, "Internal Server Error")
        finally:
            leaving.cancel()


def _milliseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _head_size(request: Request) -> int:
    """Return the size of the request line and of the headers."""
    target = len(request.path) + 1 + len(request.query) if request.query else len(request.path)
    line = len(request.method) + 1 + target + 1 + len(request.protocol)
    return line + sum(len(name) + len(value) for name, value in request.headers)


def _refused(request: Request) -> Response | None:
    """Return the answer to a request that is too large, or whose body has two ends.

    What the other end takes for the next request may be none (RFC 9112, section 6.3).
    """
    if _head_size(request) > LARGEST_HEAD:
        return payload.message(431, "Request Header Fields Too Large")
    if request.header("transfer-encoding") and request.header("content-length"):
        return payload.message(400, "Bad Request", ("connection", "close"))
    return None


def _header_bytes(value: str) -> bytes:
    """Return a header's value without what would end it; API Gateway drops control characters too."""
    return "".join(char for char in value if char.isprintable() or char == "\t").encode()


async def _disconnected(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> bytes | None:
    """Return the request's body, None when it is too large; raise ClientGoneError when it breaks off."""
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = event.get("body", b"")
        size += len(chunk)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
        else:
            chunks.clear()  # read on, so that the client gets to read the answer
        if not event.get("more_body"):
            return None if size > LARGEST_BODY else b"".join(chunks)


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the stack has its own, for every part of it."""

    def __init__(self, app: Gateway) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                ws="none",
                http=HalfOpenProtocol,
                timeout_graceful_shutdown=5,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
