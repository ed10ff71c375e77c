"""How the tests of this folder ask: messages of the protocol, given to the function as the gateway does."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.api import Caller, Reply, call
from wellspring.agents.protocol import STATELESS, WITH_HANDSHAKE

JSON = "application/json"
META = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def send(caller: Caller, message: Any, **headers: str) -> Reply:
    """Give a message to the function, as it is; a header's name is written with underscores, an empty one left out."""
    usual = {"accept": f"{JSON}, text/event-stream", "content-type": JSON}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = message if isinstance(message, str) else json.dumps(message)
    return call("POST", "/mcp", caller, body=body, headers=usual | given)


def ask(caller: Caller, method: str, params: Mapping[str, Any] | None = None, **headers: str) -> Reply:
    """Send a request of the revision without a handshake, as it should be but for `headers`."""
    said = dict(params or {})
    usual = {"mcp_protocol_version": STATELESS, "mcp_method": method}
    usual |= {"mcp_name": said["name"]} if "name" in said else {}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": said | {"_meta": META}}
    return send(caller, message, **usual | headers)


def ask_with_handshake(caller: Caller, method: str, params: Mapping[str, Any] | None = None) -> Reply:
    """Send a request of the revision with a handshake."""
    message = {"jsonrpc": "2.0", "id": "a", "method": method, "params": dict(params or {})}
    return send(caller, message, mcp_protocol_version=WITH_HANDSHAKE)


def use(caller: Caller, tool: str, **arguments: object) -> Any:
    """Use a tool; return its result."""
    reply = ask(caller, "tools/call", {"name": tool, "arguments": arguments})
    assert reply.status == 200, reply.body
    return reply.document["result"]


def told(caller: Caller, tool: str, **arguments: object) -> Any:
    """Use a tool; return the structured content of an answer that is no error."""
    result = use(caller, tool, **arguments)
    assert not result["isError"], result
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    return result["structuredContent"]
