"""Handlers without a JSON:API operation: health, the API's description, the console, and what no route matches."""

import base64
import gzip
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from wellspring import apidocs
from wellspring.database import in_transaction, ping
from wellspring.database.scope import circuit_breaker
from wellspring.errors import MethodNotAllowed, NotAcceptable, NotFound, WellspringError
from wellspring.handlers.http import SAFE, LambdaHandler, Request, Response, http_handler, render
from wellspring.handlers.preconditions import none_match
from wellspring.jsonapi.documents import url_of
from wellspring.routes import routes

OPENAPI = Path(apidocs.__file__).with_name("openapi.json")
START_PAGE = "/console"
DOCS_PAGE = "/docs"
HTML = "text/html; charset=utf-8"
# For so long one reading of the database answers whoever asks this environment: the route needs no token.
READING_SECONDS = 1.0
# How long caches may keep what changes with a release only.
KEPT = "public, max-age=300"
# And what never changes under its name.
KEPT_FOR_EVER = "public, max-age=31536000, immutable"
# An element of `Accept-Encoding` and its weight (RFC 9110, sections 12.4.2 and 12.5.3); other forms say nothing.
_CODING = re.compile(
    r"(?:^|,)[ \t]*+([^,; \t]++)[ \t]*+(?:;[ \t]*+q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*+)?(?=,|$)", re.ASCII
)


def health_check() -> LambdaHandler:
    """Return the handler of `GET /health`: 200 when the database answers, 503 when it does not."""
    ok = Response(render({"status": "ok"}), media_type="application/json")
    until = 0.0
    problem: WellspringError | None = None

    def operation(request: Request) -> Response:
        nonlocal until, problem
        if time.monotonic() >= until:
            problem = None
            try:
                circuit_breaker.raise_if_open()
                in_transaction(ping, deadline=request.deadline, is_read=True)
            except WellspringError as error:
                problem = error
            until = time.monotonic() + READING_SECONDS
        if problem:
            raise problem
        return ok

    return http_handler(operation)


def openapi_document() -> LambdaHandler:
    """Return the handler of `GET /v1/openapi.json`."""
    return http_handler(_kept(OPENAPI.read_text(encoding="utf-8"), "application/json"))


def docs_page() -> LambdaHandler:
    """Return the handler of `GET /docs`."""
    from wellspring.apidocs.page import CONTENT_SECURITY_POLICY, page  # noqa: PLC0415  (no other function needs it)

    headers = {"content-security-policy": CONTENT_SECURITY_POLICY, "referrer-policy": "no-referrer"}
    return http_handler(_kept(gzip.decompress(page()).decode(), HTML, headers, packed=page()))


def console_page() -> LambdaHandler:
    """Return the handler of `GET /console`. Caches ask each time: the files that it names change with a release."""
    from wellspring_console.page import page  # noqa: PLC0415  (only the console's functions carry it)

    html, policy = page()
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        # Who signs in elsewhere in another window gets no hold of this one.
        "cross-origin-opener-policy": "same-origin",
    }
    return http_handler(_kept(html, HTML, headers, kept="no-cache"))


def console_asset() -> LambdaHandler:
    """Return the handler of `GET /console/{file}`: a file whose name holds its hash, to be kept for ever."""
    from wellspring_console.assets import by_served_name  # noqa: PLC0415  (only the console's functions carry it)

    operations = {
        name: _kept(asset.content.decode(), asset.media_type, kept=KEPT_FOR_EVER)
        for name, asset in by_served_name().items()
    }

    def operation(request: Request) -> Response:
        answer = operations.get(request.path_parameters.get("file", ""))
        if answer is None:
            raise NotFound("The console has no such file now. Load the page again.")
        return answer(request)

    return http_handler(operation)


def _kept(
    plain: str, media_type: str, headers: Mapping[str, str] | None = None, *, packed: bytes = b"", kept: str = KEPT
) -> Callable[[Request], Response]:
    """Return the operation that answers with what changes with a release only, packed once for everybody.

    It answers in the coding that the client takes, or 304. Raises `NotAcceptable`. `packed` is `plain` in gzip, where
    it is so already; `kept` says how long caches may keep it.
    """
    packed = packed or gzip.compress(plain.encode(), mtime=0)
    tag = hashlib.sha256(packed).hexdigest()[:32]
    shared = {**(headers or {}), "vary": "accept-encoding", "cache-control": kept}
    coded = {**shared, "etag": f'"{tag}-gzip"', "content-encoding": "gzip"}
    responses = {
        "gzip": Response(base64.b64encode(packed).decode(), media_type=media_type, headers=coded, is_base64=True),
        "identity": Response(plain, media_type=media_type, headers={**shared, "etag": f'"{tag}"'}),
    }

    def operation(request: Request) -> Response:
        response = responses.get(_coding_of(request.header("accept-encoding")) or "")
        if response is None:
            raise NotAcceptable("It is sent as it is, or coded with gzip.", header="Accept-Encoding")
        if none_match(request.header("if-none-match"), response.headers["etag"]):
            return response
        return Response(status=HTTPStatus.NOT_MODIFIED, headers={**shared, "etag": response.headers["etag"]})

    return operation


def _coding_of(accepted: str | None) -> str | None:
    """Return the coding for a client that sends this `Accept-Encoding`: gzip, identity, or None where it takes neither.

    Nothing is coded for who did not ask: without the header "any content coding is considered acceptable", but what
    does not send it (curl, Python's urllib) does not decode. Where there is one, the greater weight wins, and
    `identity` "is always acceptable unless excluded by `identity;q=0` or by `*;q=0`" (RFC 9110, section 12.5.3).
    """
    weights = {coding: float(weight or 1) for coding, weight in _CODING.findall((accepted or "").lower())}
    packed = next((weights[name] for name in ("gzip", "x-gzip", "*") if name in weights), 0)
    # Where it is not named, whatever is asked for comes before it.
    plain = weights.get("identity", 0 if weights.get("*") == 0 else None)
    if packed and (plain is None or packed >= plain):
        return "gzip"
    return None if plain == 0 else "identity"


def no_route() -> LambdaHandler:
    """Return the handler of the route `$default`, which gets what no other route matches, and of `OPTIONS /{proxy+}`.

    A known path with a slash too many is 308 to the path without, so that the method and the body stay; a known path
    with another method is 405; the rest is 404. Who calls must be known; what they speak does not matter. The
    exceptions are for a person with a browser: `/` leads to the page to begin with, and an open path with a slash too
    many leads to itself, both without a token.

    OPTIONS is answered 204 to everybody: a browser's preflight carries no token, and must not fail. API Gateway adds
    the headers of CORS.
    """
    start = START_PAGE if _methods(START_PAGE) else DOCS_PAGE

    def operation(request: Request) -> Response:
        if request.method == "OPTIONS":
            methods = _methods(request.path)
            # RFC 9110, section 9.3.7.
            headers = {"allow": ", ".join([*methods, "OPTIONS"])} if methods else {}
            return Response(status=HTTPStatus.NO_CONTENT, headers=headers)
        stripped = request.path.rstrip("/")
        if request.method in SAFE and request.path == "/":
            # 302: which page that is may change.
            return Response(status=HTTPStatus.FOUND, headers={"location": start})
        if stripped == request.path or not _is_open(request.method, stripped):
            _ = request.principal
        # Only to paths that are there: `//elsewhere/` must not become a link to another host.
        if stripped != request.path and _methods(stripped):
            link = url_of(stripped, request.raw_query)
            return Response(status=HTTPStatus.PERMANENT_REDIRECT, headers={"location": link})
        allowed = _methods(request.path)
        if allowed:
            raise MethodNotAllowed(f"This path knows {', '.join(allowed)}.", allowed=allowed)
        raise NotFound("There is no such path.")

    return http_handler(operation)


def _is_open(method: str, path: str) -> bool:
    return any(route.open_to_all and route.path == path and method in _and_head(route.method) for route in routes())


def _methods(path: str) -> list[str]:
    """Return the methods of a path, in the order of their declaration."""
    segments = path.split("/")
    found = (route.method for route in routes() if _matches(route.path.split("/"), segments))
    return list(dict.fromkeys(method for declared in found for method in _and_head(declared)))


def _and_head(method: str) -> tuple[str, ...]:
    """Return the methods that a route has: what knows GET knows HEAD (RFC 9110, section 9.3.2)."""
    return ("GET", "HEAD") if method == "GET" else (method,)


def _matches(pattern: list[str], segments: list[str]) -> bool:
    if len(pattern) != len(segments):
        return False
    pairs = zip(pattern, segments, strict=True)
    return all(part == segment or bool(part.startswith("{") and segment) for part, segment in pairs)
