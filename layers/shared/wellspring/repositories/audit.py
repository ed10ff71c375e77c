"""Who wrote what over HTTP: rows that are added, and never read, changed or deleted by a function of the API."""

from uuid import UUID

from sqlalchemy import insert

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
