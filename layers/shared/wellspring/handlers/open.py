"""What is no JSON:API operation: health, the API's description, the way to it, and what no route matches."""

import base64
import gzip
from http import HTTPStatus

from wellspring.errors import MethodNotAllowed, NotFound
from wellspring.handlers.http import LambdaHandler, Plan, Request, Response, http_handler, render
from wellspring.jsonapi.documents import url_of
from wellspring.routes import routes
from wellspring.services import health

START_PAGE = "/console"
DOCS_PAGE = "/docs"


def health_check() -> LambdaHandler:
    """Return the handler of `GET /health`: 200 when the database answers, 503 when it does not."""

    def operation(_request: Request) -> Plan[None]:
        return Plan(health.check, lambda _: Response(render({"status": "ok"}), media_type="application/json"))

    return http_handler(operation)


def openapi_document() -> LambdaHandler:
    """Return the handler of `GET /v1/openapi.json`."""
    from wellspring.openapi import document  # noqa: PLC0415  (no other function needs it)

    body = render(document())
    return http_handler(lambda _request: Response(body, media_type="application/json"))


def docs_page() -> LambdaHandler:
    """Return the handler of `GET /docs`."""
    from wellspring.apidocs.page import CONTENT_SECURITY_POLICY, page  # noqa: PLC0415  (no other function needs it)

    headers = {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "vary": "accept-encoding",
    }
    media_type = "text/html; charset=utf-8"
    packed = Response(
        base64.b64encode(page()).decode(),
        media_type=media_type,
        headers=headers | {"content-encoding": "gzip"},
        is_base64=True,
    )

    def operation(request: Request) -> Response:
        if _takes_gzip(request.header("accept-encoding") or ""):
            return packed
        return Response(gzip.decompress(page()).decode(), media_type=media_type, headers=headers)

    return http_handler(operation)


def _takes_gzip(accepted: str) -> bool:
    """Say whether a client that sends this `Accept-Encoding` wants gzip (RFC 9110, section 12.5.3); silence is no."""
    for each in accepted.lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() in {"gzip", "x-gzip"}:
            # No weight, or one that is not zero, in whatever number of zeros.
            return not weight.strip() or bool(weight.strip("q=0. "))
    return False


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
        if request.method == "GET" and request.path == "/":
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
    return any(route.open_to_all and (route.method, route.path) == (method, path) for route in routes())


def _methods(path: str) -> list[str]:
    """Return the methods of a path, in the order of their declaration."""
    segments = path.split("/")
    found = (route.method for route in routes() if _matches(route.path.split("/"), segments))
    return list(dict.fromkeys(found))


def _matches(pattern: list[str], segments: list[str]) -> bool:
    if len(pattern) != len(segments):
        return False
    pairs = zip(pattern, segments, strict=True)
    return all(part == segment or bool(part.startswith("{") and segment) for part, segment in pairs)
