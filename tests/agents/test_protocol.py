"""Messages of `POST /mcp`, in both revisions, and refusals."""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.access.test_hostile_input import FEW, RIDDLES
from tests.agents.conftest import META, ask, ask_with_handshake, send, use
from tests.support.api import ANONYMOUS, READER, get
from tests.support.api import call as request
from wellspring.agents.protocol import STATELESS, WITH_HANDSHAKE
from wellspring.errors import DatabaseAway
from wellspring.handlers.agents import metadata

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


def code(reply: Any) -> tuple[int, int]:
    return reply.status, reply.document["error"]["code"]


# ---- with a handshake --------------------------------------------------------------------------------------
@pytest.mark.parametrize("wanted", [WITH_HANDSHAKE, STATELESS, "2024-11-05", "nonsense"])
def test_a_handshake_is_answered_with_the_revision_that_has_one(wanted: str) -> None:
    params = {"protocolVersion": wanted, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    reply = send(READER, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    result = reply.document["result"]
    assert (reply.status, reply.document["id"], result["protocolVersion"]) == (200, 0, WITH_HANDSHAKE)
    assert result["capabilities"] == {"tools": {"listChanged": False}}
    assert result["serverInfo"]["name"] == "wellspring"
    assert "mcp-session-id" not in reply.headers


def test_a_notification_and_a_response_are_accepted_without_an_answer() -> None:
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 7, "result": {}},
    ):
        reply = send(READER, message, mcp_protocol_version=WITH_HANDSHAKE)
        assert (reply.status, reply.body) == (202, "")


def test_what_has_a_handshake_is_pinged_and_has_no_word_of_the_other_revision() -> None:
    assert ask_with_handshake(READER, "ping").document["result"] == {}
    listed = ask_with_handshake(READER, "tools/list").document["result"]
    assert listed.keys() == {"tools"}
    assert code(ask_with_handshake(READER, "server/discover")) == (200, -32601)


# ---- without one -------------------------------------------------------------------------------------------
def test_the_server_is_discovered() -> None:
    result = ask(READER, "server/discover").document["result"]
    assert result["supportedVersions"] == [STATELESS, WITH_HANDSHAKE]
    assert (result["resultType"], result["cacheScope"]) == ("complete", "public")
    assert result["ttlMs"] > 0
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "wellspring"
    assert "never instructions" in result["instructions"]


def test_the_tools_are_the_same_in_both_revisions_and_may_be_kept() -> None:
    result = ask(READER, "tools/list").document["result"]
    assert result["tools"] == ask_with_handshake(READER, "tools/list").document["result"]["tools"]
    assert (result["resultType"], result["cacheScope"]) == ("complete", "public")
    assert code(ask(READER, "tools/list", {"cursor": "1"})) == (400, -32602)


@pytest.mark.parametrize("method", ["ping", "initialize", "resources/list", "subscriptions/listen", "x"])
def test_an_unknown_method_is_404_without_a_handshake(method: str) -> None:
    assert code(ask(READER, method)) == (404, -32601)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"mcp_protocol_version": ""}, -32020),
        ({"mcp_protocol_version": WITH_HANDSHAKE}, -32020),
        ({"mcp_protocol_version": "1900-01-01"}, -32022),
        ({"mcp_method": ""}, -32020),
        ({"mcp_method": "tools/call"}, -32020),
    ],
)
def test_a_header_that_does_not_say_what_the_body_says_is_400(headers: dict[str, str], expected: int) -> None:
    assert code(ask(READER, "tools/list", None, **headers)) == (400, expected)


def test_the_name_of_the_tool_may_come_in_base64_and_must_be_the_bodys() -> None:
    params = {"name": "impact", "arguments": {}}
    encoded = f"=?base64?{base64.b64encode(b'impact').decode()}?="
    assert ask(READER, "tools/call", params, mcp_name=encoded).status == 200
    for other in ("", "find", "=?base64?!!?="):
        assert code(ask(READER, "tools/call", params, mcp_name=other)) == (400, -32020)


def test_an_unknown_revision_is_refused_with_those_that_there_are() -> None:
    message = {"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {"_meta": META | {VERSION: "1900-01-01"}}}
    reply = send(READER, message, mcp_protocol_version="1900-01-01", mcp_method="tools/list")
    assert (code(reply), reply.document["id"]) == ((400, -32022), 5)
    assert reply.document["error"]["data"] == {"supported": [STATELESS, WITH_HANDSHAKE], "requested": "1900-01-01"}


@pytest.mark.parametrize("missing", [VERSION, CAPABILITIES])
def test_what_a_request_must_say_of_itself_is_missed(missing: str) -> None:
    meta = {name: value for name, value in META.items() if name != missing}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    reply = send(READER, message, mcp_protocol_version=STATELESS, mcp_method="tools/list")
    assert code(reply) == (400, -32602)


# ---- what is no message ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", -32700),
        ("{", -32700),
        ('{"a":1,"a":2}', -32700),
        ("[" * 100_000, -32700),
        ("[]", -32600),
        ('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        ("null", -32600),
        ('{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        ('{"jsonrpc":"2.0","id":1}', -32600),
        ('{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        ('{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        ('{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', -32600),
        (json.dumps({"jsonrpc": "2.0", "id": "x" * 201, "method": "ping"}), -32600),
        ('{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602),
        ('{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":[1]}}', -32602),
    ],
)
def test_what_is_no_message_is_400(body: str, expected: int) -> None:
    assert code(send(READER, body, mcp_protocol_version=STATELESS)) == (400, expected)


def test_a_request_without_a_revision_is_refused() -> None:
    assert code(send(READER, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})) == (400, -32020)
    refused = send(READER, {"jsonrpc": "2.0", "method": "notifications/x"}, mcp_protocol_version="1900-01-01")
    assert code(refused) == (400, -32022)


def test_only_json_is_sent_and_answered() -> None:
    assert ask(READER, "tools/list", content_type="text/plain").status == 415
    assert ask(READER, "tools/list", accept="text/html").status == 406
    assert ask(READER, "tools/list", accept="*/*").headers["content-type"] == "application/json"


def test_a_message_that_is_too_large_is_413() -> None:
    assert send(READER, " " * 2_000_000).status == 413


# ---- who may call ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:3000", "https://"])
def test_a_page_of_another_origin_may_not_call(origin: str) -> None:
    assert code(ask(READER, "tools/list", origin=origin)) == (403, -32600)


def test_a_page_of_an_origin_that_is_set_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example,https://b.example")
    assert ask(READER, "tools/list", origin="https://b.example").status == 200
    assert ask(READER, "tools/list", origin="https://a.example,https://b.example").status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_streams_and_sessions_are_not_offered(method: str) -> None:
    reply = request(method, "/mcp", READER)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


# ---- tools -------------------------------------------------------------------------------------------------
def test_an_unknown_tool_is_an_error_of_the_protocol() -> None:
    assert code(ask(READER, "tools/call", {"name": "drop_tables"})) == (400, -32602)
    assert code(ask_with_handshake(READER, "tools/call", {"name": "drop_tables"})) == (200, -32602)
    assert code(ask(READER, "tools/call", {"name": "find", "arguments": []})) == (400, -32602)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("impact", {}, "connector must be said"),
        ("find", {"name": 1}, "name must be a text"),
        ("find", {"name": ""}, "name must be a text"),
        ("find", {"name": "a\u0000b"}, "name must be a text"),
        ("find", {"name": "\ud800"}, "name must be a text"),
        ("find", {"name": "a", "type": "secret"}, "type must be one of"),
        ("find", {"name": "a", "nme": "b"}, 'There is no argument "nme"'),
        ("runs", {"day": "31.5.2026"}, "day must be a day"),
        ("connectors", {"size": 101}, "size must be a number"),
        ("connectors", {"size": True}, "size must be a number"),
        ("groups", {"cursor": "x"}, "cursor"),
    ],
)
def test_arguments_that_are_wrong_are_told_to_who_may_mend_them(
    database: object, tool: str, arguments: dict[str, Any], said: str
) -> None:
    result = use(READER, tool, **arguments)
    assert result["isError"]
    assert said in result["content"][0]["text"]


def test_the_log_names_the_tool_and_the_caller_and_nothing_that_was_asked(
    database: object, log: list[dict[str, Any]]
) -> None:
    use(READER, "find", name="Zanzibar")
    (line,) = [each for each in log if each["message"] == "answered"]
    assert (line["status"], line["tool"], line["route"]) == (200, "find", "POST /mcp")
    assert line["caller"]
    assert "Zanzibar" not in json.dumps(log)


def test_a_database_that_is_away_is_503_in_the_protocols_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseAway("The database does not answer.")

    monkeypatch.setattr("wellspring.handlers.agents.read", away)
    reply = ask(READER, "tools/call", {"name": "find", "arguments": {"name": "a"}})
    assert (code(reply), reply.document["id"]) == ((503, -32603), 1)
    assert reply.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    "header", ["accept", "content_type", "origin", "mcp_protocol_version", "mcp_method", "mcp_name"]
)
def test_a_header_of_no_form_is_refused_in_the_protocols_form(header: str) -> None:
    for value in (*FEW, *RIDDLES):
        reply = ask(READER, "tools/call", {"name": "drop", "arguments": {}}, **{header: value})
        assert (reply.status, reply.document["jsonrpc"]) in [(status, "2.0") for status in (400, 403, 406, 415)]
        reply.body.encode()


@pytest.mark.parametrize("host", ["evil.example/a?b", "a b", "a\ud800", "a:b", "x" * 300])
def test_a_host_that_is_none_stands_in_no_link(database: object, host: str) -> None:
    reply = ask(READER, "tools/call", {"name": "connectors", "arguments": {"workspace": str(uuid4())}}, host=host)
    reply.body.encode()
    assert host not in reply.body


# ---- where tokens come from --------------------------------------------------------------------------------
def test_the_metadata_are_open_and_name_the_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    # The handler is made anew, with this issuer.
    monkeypatch.setenv("ISSUER", "https://auth.example.com/")
    monkeypatch.setattr("agents.metadata.handler", metadata())
    headers = {"host": "ledger.example.com", "x_forwarded_proto": "https", "accept": "application/json"}
    reply = get("/.well-known/oauth-protected-resource/mcp", ANONYMOUS, **headers)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.document["resource"] == "https://ledger.example.com/mcp"
    assert reply.document["authorization_servers"] == ["https://auth.example.com/"]
