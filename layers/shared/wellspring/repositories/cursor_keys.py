"""The keys that sign page cursors."""

from sqlalchemy import select

from wellspring.database import Transaction
from wellspring.models.infrastructure import cursor_keys


def keys(transaction: Transaction) -> tuple[bytes, ...]:
    """Return all keys, the newest (which signs) first."""
    statement = select(cursor_keys.c.key).order_by(cursor_keys.c.pk.desc())
    return tuple(bytes(key) for key in transaction.execute(statement).scalars())
