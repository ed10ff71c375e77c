"""Audit of writes over HTTP, and of what operators read: rows that the API adds, and never changes or deletes."""

# Asks for no caller: it adds what the caller has just written, and shows nothing.

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Text, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from wellspring.database import Transaction, WireStatement
from wellspring.models import table_of
from wellspring.models.base import public_id
from wellspring.resources import resource_of

ADD = """
INSERT INTO wellspring.audit (caller, operation, resource_type, resource_id, workspace_pk, note)
VALUES (:caller, :operation, :resource_type, :resource_id, {workspace}, :note)
"""
# Of a row that has its own, and of one of provenance.
OWN = "(SELECT row.workspace_pk FROM {table} AS row WHERE row.id = :resource_id)"
OF_CONNECTOR = """
(SELECT connector.workspace_pk
   FROM {table} AS row
   JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk
  WHERE row.id = :resource_id)
"""
TYPES: Mapping[str, TypeEngine[Any]] = {"resource_id": public_id, "note": Text()}
# As its owner: who reads may write nothing. Who it was is the transaction's scope.
NOTE_READING = "SELECT wellspring.note_reading($1, $2, $3::text::uuid, $4::text::uuid[])"


def add(
    transaction: Transaction,
    caller: str,
    operation: str,
    resource_type: str,
    id_: UUID,
    *,
    note: str | None = None,
) -> None:
    """Add one row: who wrote, as `access.principal.name_of` says it; what they did, and why, to which resource."""
    values = {"caller": caller, "operation": operation, "resource_type": resource_type, "resource_id": id_}
    transaction.execute(_statement(resource_type), {**values, "note": note})


def of_reading(operation: str, resource_type: str, id_: UUID | None, workspaces: Sequence[UUID]) -> WireStatement:
    """Return what adds a row for each workspace that an operator's request names, or one where it names none.

    `id_` is the public id that it names; None for a list.
    """
    named = None if id_ is None else str(id_)
    return WireStatement(NOTE_READING, (operation, resource_type, named, f"{{{','.join(map(str, workspaces))}}}"))


@lru_cache(maxsize=32)
def _statement(resource_type: str) -> TextClause:
    resource, workspace = resource_of(resource_type), "NULL"
    if resource.policy == "provenance":
        workspace = OF_CONNECTOR.format(table=table_of(resource.table))
    elif any(relationship.name == "workspace" for relationship in resource.to_one):
        workspace = OWN.format(table=table_of(resource.table))
    statement = text(ADD.format(workspace=workspace))
    return statement.bindparams(*(bindparam(name, type_=type_) for name, type_ in TYPES.items()))
