"""Audit of writes over HTTP, and of what operators read: rows that the API adds, and never changes or deletes."""

# Asks for no caller: it adds what the caller has just written, and shows nothing.

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal
from uuid import UUID

from wellspring.access.principal import Principal, name_of
from wellspring.database import Compiled, Transaction, WireStatement
from wellspring.models import table_of
from wellspring.repositories.ledger.composing import statement
from wellspring.resources import resource_of

type Operation = Literal["create", "update", "delete", "release", "dismiss"]

ADD = """
INSERT INTO wellspring.audit (caller, operation, resource_type, resource_id, workspace_pk, note)
VALUES (:caller, :operation, :resource_type, :resource_id::UUID, {workspace}, :note)
"""
# Of a row that has its own, and of one of provenance.
OWN = "(SELECT row.workspace_pk FROM {table} AS row WHERE row.id = :resource_id::UUID)"
OF_CONNECTOR = """
(SELECT connector.workspace_pk
   FROM {table} AS row
   JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk
  WHERE row.id = :resource_id::UUID)
"""
# As its owner: who reads may write nothing. Who it was is the transaction's scope.
NOTE_READING = "SELECT wellspring.note_reading($1, $2, $3::text::uuid, $4::text::uuid[])"


def note(
    transaction: Transaction,
    principal: Principal,
    operation: Operation,
    type_: str,
    id_: UUID,
    *,
    why: str | None = None,
) -> None:
    """Add that a caller wrote a resource: no names, and nothing that the request said but `why` it was dismissed."""
    values = {"caller": name_of(principal), "operation": operation, "resource_type": type_, "resource_id": id_}
    _statement(type_).execute(transaction, {**values, "note": why})


def of_reading(operation: str, resource_type: str, id_: UUID | None, workspaces: Sequence[UUID]) -> WireStatement:
    """Return what adds a row for each workspace that an operator's request names, or one where it names none.

    `id_` is the public id that it names; None for a list.
    """
    named = None if id_ is None else str(id_)
    return WireStatement(NOTE_READING, (operation, resource_type, named, f"{{{','.join(map(str, workspaces))}}}"))


@lru_cache(maxsize=32)
def _statement(resource_type: str) -> Compiled:
    resource, workspace = resource_of(resource_type), "NULL"
    if resource.policy == "provenance":
        workspace = OF_CONNECTOR.format(table=table_of(resource.table))
    elif any(relationship.name == "workspace" for relationship in resource.to_one):
        workspace = OWN.format(table=table_of(resource.table))
    return statement({}, ADD.format(workspace=workspace), ())
