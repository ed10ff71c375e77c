"""Tenants: a workspace with its owner, a connector, and records, which the connector may have brought in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.api import Caller, draft, person
from tests.support.world import RECORDS, RecordType, Row, World
from wellspring.resources import resource_of


@dataclass(frozen=True)
class Tenant:
    """A workspace with its owner and one connector.

    Attributes:
        membership: the owner's.
        records: one of each type that was asked for; the person is the owner.
        provenances: what the connector brought in, by the type of the record.
    """

    workspace: Row
    owner: Row
    membership: Row
    connector: Row
    records: Mapping[RecordType, Row]
    provenances: Mapping[RecordType, Row]

    @property
    def caller(self) -> Caller:
        return person(self.owner)

    @property
    def record(self) -> Row:
        """The one record of a tenant that has no other."""
        (record,) = self.records.values()
        return record

    @property
    def provenance(self) -> Row:
        """The one row of a tenant that has no other."""
        (row,) = self.provenances.values()
        return row

    @property
    def providers(self) -> str:
        """The path of the workspace's providers."""
        return f"/v1/workspaces/{self.workspace.id}/providers"

    def draft(self, type_: str = "company", direction: str = "input") -> Any:
        """Return the document that asks for a provenance row of one of the records."""
        related = {type_: self.records[type_], "workspace_connector": self.connector}
        return draft(f"{type_}_workspace_connector", {"direction": direction}, **related)


def tenant(world: World, *types: RecordType, tool: Row | None = None, name: str = "") -> Tenant:
    """Make a tenant whose connector, of a tool, brought in a record of each of these types.

    Without types it has a record of each type, and its connector has brought in none. Whatever a tenant with a name has
    is called after it.
    """
    workspace = world.workspace(f"{name} One" if name else "Workspace")
    owner = world.people(workspace, f"Ada {name or 'Example'}")
    membership, connector = world.member(owner, workspace, "owner"), world.workspace_connector(workspace, tool)
    called = {type_: {resource_of(type_).attributes[0].name: f"{name} {type_}"} if name else {} for type_ in RECORDS}
    records = {
        type_: owner if type_ == "people" else world.record(type_, workspace, **called[type_])
        for type_ in types or RECORDS
    }
    provenances = {type_: world.provenance(records[type_], connector) for type_ in types}
    return Tenant(workspace, owner, membership, connector, records, provenances)


def one_of_each_type(world: World, name: str, **message: Any) -> dict[str, Row]:
    """Make a tenant of this name whose owner keeps a group; return one row of each type, the owner as `people`."""
    tool, provider = world.connector(f"{name} Bank"), world.provider(f"{name.lower()}-1")
    made = tenant(world, *RECORDS, tool=tool, name=name)
    workspace, connector, owner = made.workspace, made.connector, made.owner
    group = world.group(owner, f"{name} Group")
    rows = [
        *(workspace, made.membership, connector, tool, provider, group, *made.records.values()),
        *made.provenances.values(),
        world.group_member(owner, group, "owner"),
        world.enrol(group, workspace, owner),
        world.choose(workspace, provider, is_matched=True),
        world.message(connector, workspace, group_id=str(connector.id), **message),
        world.run(connector, workspace),
    ]
    return {row.type: row for row in rows}
