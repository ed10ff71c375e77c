"""Audit of writes over HTTP, and of what operators read: rows that no function of the API reads, changes or deletes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert

from wellspring.database import Transaction, WireStatement
from wellspring.models.infrastructure import audit


def add(transaction: Transaction, caller: str, operation: str, resource_type: str, id_: UUID) -> None:
    """Add one row.

    Args:
        transaction: the scope of the write.
        caller: who wrote, as `access.principal.name_of` says it.
        operation: what they did.
        resource_type: the JSON:API type of what they wrote.
        id_: its public id.
    """
    values = {"caller": caller, "operation": operation, "resource_type": resource_type, "resource_id": id_}
    transaction.execute(insert(audit).inline(), values)


# As its owner: who reads may write nothing. Who it was is the transaction's scope.
NOTE_READING = "SELECT wellspring.note_reading($1, $2, $3::text::uuid, $4::text::uuid[])"


def of_reading(operation: str, resource_type: str, id_: UUID | None, workspaces: Sequence[UUID]) -> WireStatement:
    """Return what adds a row for each workspace that an operator's request names, or one where it names none.

    Args:
        operation: what is read.
        resource_type: the JSON:API type of it.
        id_: the public id that the request names; None for a list.
        workspaces: which.
    """
    named = None if id_ is None else str(id_)
    return WireStatement(NOTE_READING, (operation, resource_type, named, f"{{{','.join(map(str, workspaces))}}}"))
