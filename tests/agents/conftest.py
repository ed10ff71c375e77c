"""Callers of this folder's tests: messages of the protocol, given to the function as the gateway does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.api import READER, Caller, Reply, call, person
from tests.support.databases import CONSUMER, Database
from tests.support.world import Row, World
from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.agents.protocol import STATELESS, WITH_HANDSHAKE
from wellspring.database import Deadline, in_transaction
from wellspring.repositories import fleet

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
    message = {"jsonrpc": "2.0", "id": "a", "method": method, "params": dict(params or {})}
    return send(caller, message, mcp_protocol_version=WITH_HANDSHAKE)


def use(caller: Caller, tool: str, **arguments: object) -> Any:
    reply = ask(caller, "tools/call", {"name": tool, "arguments": arguments})
    assert reply.status == 200, reply.body
    return reply.document["result"]


def told(caller: Caller, tool: str, **arguments: object) -> Any:
    """Use a tool; return the structured content of an answer that is no error."""
    result = use(caller, tool, **arguments)
    assert not result["isError"], result
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    return result["structuredContent"]


DAY = datetime(2026, 5, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Ledger:
    """A tenant with something of each kind in it."""

    world: World
    owner: Row
    caller: Caller
    stranger: Caller
    workspace: Row
    company: Row
    connection: Row
    group: Row

    def who_asks(self, tool: str) -> Caller:
        """Return who of the tenant asks this; of all workspaces a service does."""
        return READER if tool == "fleet" else self.caller


def count_fleet(database: Database) -> None:
    """Count the connectors of all workspaces, as is done each minute."""
    database.role = CONSUMER
    in_transaction(fleet.count, PIPELINE_SCOPE, deadline=Deadline(20))


@pytest.fixture
def ledger(world: World, database: Database) -> Ledger:
    """A workspace whose bank brought a company in, in a run that came whole, and has a message that failed."""
    workspace, elsewhere = world.workspace("Verdier Foods"), world.workspace("Elsewhere")
    owner, outsider = world.people(workspace, "Claire Verdier"), world.people(elsewhere, "Eve Outsider")
    world.member(owner, workspace, "owner")
    world.member(outsider, elsewhere, "owner")
    bank = world.connector("Qonto Bank")
    connection = world.workspace_connector(workspace, bank)
    company = world.company(workspace, "Alder Trading")
    world.provenance(company, connection)
    world.message(connection, workspace, "parked", reason="unknown_record")
    world.run(connection, workspace, state="complete", started_at=DAY - timedelta(days=1), occurred_at=DAY)
    world.choose(workspace, world.provider("stripe", category="payments"), is_selected=True, is_matched=True)
    group = world.group(owner, "Verdier Group")
    world.group_member(owner, group, "owner")
    world.enrol(group, workspace, owner)
    count_fleet(database)
    return Ledger(world, owner, person(owner), person(outsider), workspace, company, connection, group)


def asked(ledger: Ledger) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return arguments for each tool: such that name what the tenant has by its id, and such that name it by name."""
    workspace, day = {"workspace": str(ledger.workspace.id)}, {"day": "2026-05-31"}
    return {
        "find": (workspace | {"name": "Qonto"}, {"name": "alder"}),
        "sources": ({"record": str(ledger.company.id)}, {"record": "Alder Trading"}),
        "connectors": (workspace, {"workspace": "verdier foods"}),
        "failures": (workspace, {"connector": "Qonto Bank"}),
        "runs": (workspace | day, {"connector": "Qonto Bank"} | day),
        "activity": (workspace, {"connector": "Qonto Bank", "by": "day"}),
        "impact": ({"connector": str(ledger.connection.id)}, {"connector": "qonto"}),
        "providers": (workspace, {"workspace": "Verdier Foods"}),
        "groups": ({"group": str(ledger.group.id)}, {"group": "Verdier Group"}),
        "fleet": ({}, {"size": 5}),
    }


def by_id(ledger: Ledger, tool: str) -> dict[str, Any]:
    return asked(ledger)[tool][0]
