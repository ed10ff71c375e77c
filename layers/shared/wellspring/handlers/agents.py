"""`POST /mcp` and its metadata: agents ask what HTTP answers, for the same caller (contract, section 11)."""

import os
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from wellspring.agents import protocol
from wellspring.agents.asking import Asker, Object, Unclear, quoted
from wellspring.agents.protocol import Call, Refused
from wellspring.agents.questions import BY_NAME, TOOLS
from wellspring.agents.tools import INSTRUCTIONS, fitted
from wellspring.database import Transaction
from wellspring.database.scope import circuit_breaker
from wellspring.errors import Problems, TimeExceeded, Unauthorized, WellspringError
from wellspring.handlers.http import LambdaHandler, Request, Response, error_body, http_handler, read, render
from wellspring.jsonapi.body import MAX_BODY_BYTES
from wellspring.routes import MCP_PATH
from wellspring.services.operators import Reading

# What does not depend on who asks, and changes with a release only.
KEPT = {"ttlMs": 3_600_000, "cacheScope": "public"}
# A host and its port (RFC 9110, section 7.2), which stand in links.
_HOST = re.compile(r"[\w.\-]{1,253}(:\d{1,5})?", re.ASCII)
# What a client accepts that takes an answer of JSON.
_ANY = frozenset({"application/json", "application/*", "*/*"})


def mcp() -> LambdaHandler:
    """Return the handler of `POST /mcp`.

    Who calls is asked first; then whether the request comes from a page that may call, and whether it is a message.
    What a tool is refused is told to who asked, as the tool's result: they may ask for something else. What fails
    otherwise is an error of JSON-RPC, with the status that HTTP has for it.
    """
    tools = [tool.declaration for tool in TOOLS]

    def operation(request: Request) -> Response:
        _ = request.principal
        try:
            _check(request)
            call = protocol.parse(request.body, request.header)
            if call is None:
                return Response(status=HTTPStatus.ACCEPTED)
            request.also_logged.update(method=call.method if call.method in METHODS else "", revision=call.revision)
            return _json(_answer(request, call, tools))
        except Refused as refused:
            request.also_logged["code"] = str(refused.code)
            return _json(refused.document, refused.status)

    return http_handler(operation, _error_body, only_reads=True)


METHODS = frozenset({"initialize", "ping", "server/discover", "tools/list", "tools/call"})


def _answer(request: Request, call: Call, tools: list[Object]) -> Object:
    about = {"capabilities": protocol.CAPABILITIES, "instructions": INSTRUCTIONS}
    match call.method:
        case "initialize" if not call.is_stateless:
            return call.result({"protocolVersion": protocol.WITH_HANDSHAKE, **about, "serverInfo": protocol.SERVER})
        case "ping" if not call.is_stateless:
            return call.result({})
        case "server/discover" if call.is_stateless:
            return call.result({"supportedVersions": list(protocol.REVISIONS), **about}, **KEPT)
        case "tools/list":
            if "cursor" in call.params:
                raise call.refused(protocol.INVALID_PARAMS, "There is no such cursor: all tools are on one page.")
            return call.result({"tools": tools}, **KEPT)
        case "tools/call":
            return _called(request, call)
    raise call.refused(protocol.METHOD_NOT_FOUND, "There is no such method.", HTTPStatus.NOT_FOUND)


def _called(request: Request, call: Call) -> Object:
    name, arguments = call.params.get("name"), call.params.get("arguments", {})
    tool = BY_NAME.get(name) if isinstance(name, str) else None
    if tool is None:
        detail = f"Unknown tool: {quoted(name)}. There are {', '.join(BY_NAME)}."
        raise call.refused(protocol.INVALID_PARAMS, detail)
    if not isinstance(arguments, dict):
        raise call.refused(protocol.INVALID_PARAMS, "The arguments must be an object.")
    request.also_logged["tool"] = tool.name
    problems = tool.problems(arguments)
    if problems:
        return _failed(request, call, "INVALID_ARGUMENTS", " ".join(problems))

    def run[Result](work: Callable[[Transaction], Result], reading: Reading) -> Result:
        circuit_breaker.raise_if_open()
        return read(work, request, reading)

    asker = Asker(request.principal, run, _base(request), arguments)
    try:
        answer = tool.ask(asker)
    except Unclear as error:
        request.also_logged["code"] = "UNCLEAR"
        content = {"summary": error.detail, "items": error.choices, "links": [], "next_cursor": None}
        return _told(call, content, is_error=not error.choices)
    except TimeExceeded:
        return _failed(request, call, "TIME_EXCEEDED", "It takes longer than it may. Ask for less: fewer days, a size.")
    except WellspringError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        problems = [each.detail for each in (error.problems if isinstance(error, Problems) else (error,))]
        return _failed(request, call, error.code, " ".join(problems))
    return _told(call, fitted(answer, lambda content: len(render(_told(call, content)).encode())))


def _told(call: Call, content: Object, *, is_error: bool = False) -> Object:
    """Return the result that tells a content; its text says the same, for clients that read nothing else."""
    result: Object = {"content": [{"type": "text", "text": render(content)}], "structuredContent": content}
    return call.result(result | {"isError": is_error})


def _failed(request: Request, call: Call, code: str, detail: str) -> Object:
    request.also_logged["code"] = code
    return call.result({"content": [{"type": "text", "text": f"{code}: {detail}"}], "isError": True})


def _error_body(request: Request, error: WellspringError) -> tuple[str, str]:
    """Return what is told of a failure: as JSON-RPC, but to who did not say who they are."""
    if isinstance(error, Unauthorized):
        return error_body(request, error)
    try:
        call = protocol.parse(request.body, request.header)
    except (Refused, WellspringError):
        call = None
    data = {"code": error.code, "id": request.id}
    failed = Refused(protocol.INTERNAL, error.detail, id=None if call is None else call.id, data=data)
    return render(failed.document), protocol.MEDIA_TYPE


def _json(document: Object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(render(document), status, protocol.MEDIA_TYPE)


def _check(request: Request) -> None:
    """Let through JSON, not too much of it, of who takes JSON, and of no page that may not call. Raises `Refused`.

    "Servers MUST validate the Origin header": it may be the API's own over TLS, which no rebound name can be, or one of
    CORS_ORIGINS.
    """
    origin, own = request.header("origin"), request.event["requestContext"].get("domainName", "")
    allowed = {f"https://{own}", *os.environ.get("CORS_ORIGINS", "").split(",")} - {"", "https://"}
    sent = (request.header("content-type") or "").partition(";")[0].strip().lower()
    accepted = {each.partition(";")[0].strip().lower() for each in (request.header("accept") or "*/*").split(",")}
    if origin is not None and origin not in allowed:
        status, detail = HTTPStatus.FORBIDDEN, "Pages of this origin may not call."
    elif sent != protocol.MEDIA_TYPE:
        status, detail = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body must be {protocol.MEDIA_TYPE}."
    elif not accepted & _ANY:
        status, detail = HTTPStatus.NOT_ACCEPTABLE, f"Answers are {protocol.MEDIA_TYPE}."
    elif len(request.body) > MAX_BODY_BYTES:
        status, detail = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {MAX_BODY_BYTES:,} bytes."
    else:
        return
    raise Refused(protocol.INVALID_REQUEST, detail, status)


def _base(request: Request) -> str:
    """Return where the API is for who asks, without a slash at its end; empty where that cannot be read."""
    host = request.header("host") or str(request.event["requestContext"].get("domainName", ""))
    scheme = "http" if request.header("x-forwarded-proto") == "http" else "https"
    return f"{scheme}://{host}" if _HOST.fullmatch(host) else ""


def metadata() -> LambdaHandler:
    """Return the handler of `GET /.well-known/oauth-protected-resource/mcp`: RFC 9728, section 3."""
    issuer = os.environ.get("ISSUER", "")

    def operation(request: Request) -> Response:
        document: dict[str, Any] = {
            "resource": f"{_base(request)}{MCP_PATH}",
            "resource_name": protocol.SERVER["title"],
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
            "resource_documentation": f"{_base(request)}/docs",
        }
        return _json(document)

    return http_handler(operation)
