"""API Gateway's payload format 2.0: the event that a request becomes, and the response that an answer becomes."""

import base64
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.settings import ACCOUNT_ID

API_ID = "local"
# Bodies of these types reach the function as text, all others in base64.
TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
TEXT_SUFFIXES = ("+json", "+xml")
# The gateway makes these itself.
OWN_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})
WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True)
class Request:
    """What came over the wire. Header names are lower-case, in the order of arrival; `path` is still encoded."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    protocol: str = "HTTP/1.1"
    source_ip: str = "127.0.0.1"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def header(self, name: str) -> str | None:
        """Return the header's values joined by commas, None when it is absent."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None


@dataclass(frozen=True)
class Response:
    """What goes back over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class InvalidAnswerError(Exception):
    """The function's answer cannot be made a response."""


def message(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """Return one of the gateway's own answers: `{"message": text}`."""
    return as_json(status, {"message": text}, *headers)


def as_json(status: int, document: Any, *headers: tuple[str, str]) -> Response:
    """Return `document` as a response."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Response(status, (("content-type", "application/json"), *headers), body)


def to_event(
    request: Request,
    route_key: str,
    path_parameters: Mapping[str, str],
    claims: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return the event of `request`. Members that have nothing to say are absent, as API Gateway leaves them out."""
    path = unquote(request.path)
    host = request.header("host") or "localhost"
    now = time.time()
    context: dict[str, Any] = {
        "accountId": ACCOUNT_ID,
        "apiId": API_ID,
        "domainName": host.partition(":")[0],
        "domainPrefix": host.partition(":")[0].partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request.id,
        "routeKey": route_key,
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(claims), "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": _headers(request),
        "requestContext": context,
        **_body(request),
    }
    cookies = [part.strip() for name, value in request.headers if name == "cookie" for part in value.split(";")]
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    optional = (
        ("cookies", [cookie for cookie in cookies if cookie]),
        ("queryStringParameters", parameters),
        ("pathParameters", dict(path_parameters)),
    )
    return event | {name: value for name, value in optional if value}


def _headers(request: Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers:
        if name != "cookie":
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    port = (request.header("host") or "").partition(":")[2] or "80"
    return headers | {
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{request.id[:24]}",
        "x-forwarded-for": request.source_ip,
        "x-forwarded-port": port,
        "x-forwarded-proto": "http",
    }


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {"isBase64Encoded": False}
    kind = (request.header("content-type") or "text/plain").partition(";")[0].strip().lower()
    if kind.startswith(TEXT_TYPES) or kind.endswith(TEXT_SUFFIXES):
        try:
            return {"body": request.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


def from_answer(answer: Any) -> Response:
    """Return the response that the function's `answer` stands for.

    An answer without `statusCode` is itself the body of a 200. Raises InvalidAnswerError for one that has a
    `statusCode` but otherwise not the shape of payload format 2.0.
    """
    if not (isinstance(answer, dict) and "statusCode" in answer):
        return as_json(200, answer)
    try:
        status = int(answer["statusCode"])
    except (TypeError, ValueError) as error:
        raise InvalidAnswerError("statusCode is not a number") from error
    headers = answer.get("headers") or {}
    cookies = answer.get("cookies") or []
    if not 200 <= status <= 599 or not isinstance(headers, dict) or not isinstance(cookies, list):  # noqa: PLR2004  HTTP's own bounds of a final status
        raise InvalidAnswerError("statusCode, headers or cookies are not as they must be")
    body = _answer_body(answer)
    pairs = [(str(name).lower(), _header_value(value)) for name, value in headers.items()]
    kept = [(name, value) for name, value in pairs if name not in OWN_HEADERS]
    if body and "content-type" not in dict(kept):
        kept.append(("content-type", "text/plain;charset=UTF-8"))
    kept.extend(("set-cookie", str(cookie)) for cookie in cookies)
    return Response(status, tuple(kept), b"" if status in WITHOUT_BODY else body)


def _header_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidAnswerError("a header is neither text nor a number")


def _answer_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise InvalidAnswerError("body is not text")
    if not answer.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidAnswerError("body is not base64") from error
