"""Messages of `POST /mcp`: JSON-RPC 2.0 as the Model Context Protocol has it, in two revisions.

2026-07-28 has no handshake: each request says its version and what its client can, in `params._meta`, and repeats some
of it in headers ("Streamable HTTP", "Request Metadata"). 2025-11-25 begins with `initialize`; nothing is remembered of
it here, because each later request names the revision in a header. Both are answered with one JSON object.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeGuard

from wellspring import strict_json
from wellspring.jsonapi.values import is_text

STATELESS, WITH_HANDSHAKE = "2026-07-28", "2025-11-25"
# The newest first.
REVISIONS = (STATELESS, WITH_HANDSHAKE)
SERVER = {"name": "wellspring", "title": "Wellspring, the ledger of connections", "version": "1.0.0"}
MEDIA_TYPE = "application/json"

# JSON-RPC 2.0, section 5.1, and "Error Codes" of the revision 2026-07-28.
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

# What a client calls a request stands in its answer again.
LONGEST_ID = 200
_META = "io.modelcontextprotocol/"
CAPABILITIES = {"tools": {"listChanged": False}}
_ENCODED, _ENCODED_END = "=?base64?", "?="

type Object = dict[str, Any]
type Id = str | int
type Header = Callable[[str], str | None]


@dataclass(eq=False)
class Refused(Exception):
    """A message that is answered with an error of JSON-RPC; `id` is the request's, None where it cannot be read."""

    code: int
    message: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST
    id: Id | None = None
    data: Object | None = None

    @property
    def document(self) -> Object:
        """The error as it is sent, without `id` where the request's could not be read."""
        error: Object = {"code": self.code, "message": self.message}
        error |= {} if self.data is None else {"data": self.data}
        return {"jsonrpc": "2.0", **({} if self.id is None else {"id": self.id}), "error": error}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is answered."""

    id: Id
    method: str
    revision: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stateless(self) -> bool:
        """Whether it is of the revision that has no handshake."""
        return self.revision == STATELESS

    def result(self, result: Object, **cached: object) -> Object:
        """Return the answer with a result; `cached` says for how long it may be kept, and by whom."""
        if self.is_stateless:
            result = {"resultType": "complete", **result, **cached, "_meta": {f"{_META}serverInfo": SERVER}}
        return {"jsonrpc": "2.0", "id": self.id, "result": result}

    def refused(self, code: int, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Refused:
        """Return the refusal of a request that was read: 200 in the revision that has no other status."""
        return Refused(code, message, status if self.is_stateless else HTTPStatus.OK, self.id)


def parse(body: bytes, header: Header) -> Call | None:
    """Return what a message asks; None for one that is not answered: a notification, or a response.

    `header` finds a header by its name in lower case. Raises `Refused` for what this server does not understand.
    """
    message = _message(body)
    method, id_, params = message.get("method"), message.get("id"), message.get("params", {})
    if method is None and "id" in message and ("result" in message or "error" in message):
        return None
    if not isinstance(method, str):
        raise Refused(INVALID_REQUEST, "The message has no method.")
    if "id" not in message:
        _require_known(header("mcp-protocol-version"))
        return None
    if not _is_id(id_):
        raise Refused(INVALID_REQUEST, "The id of a request must be a short string or an integer.")
    if not isinstance(params, dict):
        raise Refused(INVALID_PARAMS, "The params must be an object.", id=id_)
    try:
        return Call(id_, method, _revision(method, params, header), params)
    except Refused as refused:
        refused.id = id_
        raise


def _message(body: bytes) -> Object:
    try:
        message = strict_json.loads(body)
    except ValueError as error:
        raise Refused(PARSE_ERROR, "The body is not JSON.") from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Refused(INVALID_REQUEST, "The body must be one JSON-RPC 2.0 message.")
    return message


def _revision(method: str, params: Object, header: Header) -> str:
    """Return the revision of a request, which says all that it must. Raises `Refused`."""
    meta, announced = params.get("_meta"), header("mcp-protocol-version")
    version = meta.get(f"{_META}protocolVersion") if isinstance(meta, dict) else None
    if method == "initialize" and version is None:
        return WITH_HANDSHAKE
    if version is None and announced is None:
        raise Refused(HEADER_MISMATCH, "The header MCP-Protocol-Version is missing.")
    _require_known(announced)
    if version is None and announced == WITH_HANDSHAKE:
        return WITH_HANDSHAKE
    if not isinstance(meta, dict) or version is None:
        raise Refused(INVALID_PARAMS, f"The params must have _meta with {_META}protocolVersion.")
    if announced != version:
        raise Refused(HEADER_MISMATCH, "The header MCP-Protocol-Version is not the version of the body.")
    if version != STATELESS:
        raise Refused(INVALID_PARAMS, f"The revision {version} has no version in _meta.")
    if not isinstance(meta.get(f"{_META}clientCapabilities"), dict):
        raise Refused(INVALID_PARAMS, f"The _meta must have {_META}clientCapabilities.")
    if header("mcp-method") != method:
        raise Refused(HEADER_MISMATCH, "The header Mcp-Method is not the method of the body.")
    if method == "tools/call" and _decoded(header("mcp-name")) != params.get("name"):
        raise Refused(HEADER_MISMATCH, "The header Mcp-Name is not the name of the body.")
    return STATELESS


def _is_id(id_: object) -> TypeGuard[Id]:
    if isinstance(id_, str):
        return len(id_) <= LONGEST_ID and is_text(id_)
    return isinstance(id_, int) and not isinstance(id_, bool)


def _require_known(version: object) -> None:
    if version is not None and version not in REVISIONS:
        data = {"supported": list(REVISIONS), "requested": version if _is_id(version) else ""}
        raise Refused(UNSUPPORTED_VERSION, "Unsupported protocol version", data=data)


def _decoded(value: str | None) -> str | None:
    """Return a header's value, of which what is no plain ASCII comes in base64 ("Value Encoding")."""
    if value is None or not (value.startswith(_ENCODED) and value.endswith(_ENCODED_END)):
        return value
    try:
        return base64.b64decode(value[len(_ENCODED) : -len(_ENCODED_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
