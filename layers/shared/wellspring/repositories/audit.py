"""Audit of writes over HTTP: rows that are added, and never read, changed or deleted by a function of the API."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, func, insert, literal, select

from wellspring.access.predicates import IDS
from wellspring.database import Transaction
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


def add_all(transaction: Transaction, caller: str, operation: str, resource_type: str, ids: Sequence[UUID]) -> None:
    """Add a row for each of several resources, in one statement; the rest as `add` takes it."""
    each = func.unnest(bindparam("ids", list(ids), type_=IDS))
    values = select(literal(caller), literal(operation), literal(resource_type), each)
    columns = ["caller", "operation", "resource_type", "resource_id"]
    transaction.execute(insert(audit).inline().from_select(columns, values))
