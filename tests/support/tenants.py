"""Tenants: a workspace with its owner, a connector, and records, which the connector may have brought in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.api import Caller, draft, person
from tests.support.world import RECORDS, RecordType, Row, World


@dataclass(frozen=True)
class Tenant:
    """A workspace with its owner and one connector.

    Attributes:
        records: one of each type that was asked for; the person is the owner.
        provenances: what the connector brought in, by the type of the record.
    """

    workspace: Row
    owner: Row
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


def tenant(world: World, *types: RecordType, tool: Row | None = None) -> Tenant:
    """Make a tenant whose connector, of a tool, brought in a record of each of these types.

    Without types it has a record of each type, and its connector has brought in none.
    """
    workspace = world.workspace()
    owner = world.people(workspace)
    world.member(owner, workspace, "owner")
    connector = world.workspace_connector(workspace, tool)
    records = {type_: owner if type_ == "people" else world.record(type_, workspace) for type_ in types or RECORDS}
    provenances = {type_: world.provenance(records[type_], connector) for type_ in types}
    return Tenant(workspace, owner, connector, records, provenances)
