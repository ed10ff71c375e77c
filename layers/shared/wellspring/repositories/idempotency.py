"""The answers that may be asked for again: one row for each caller and key, for a day."""

# Asks for no caller: the caller is half of the key.

from datetime import timedelta

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from wellspring.database import Transaction
from wellspring.models.infrastructure import idempotency_keys


def claim(
    transaction: Transaction, caller: str, key: str, fingerprint: bytes, kept: timedelta
) -> tuple[bytes, str] | None:
    """Take the key for `kept`, and return None where it was free, else the fingerprint and the answer under it.

    Waits for another transaction that is taking it. A `fingerprint` is the request, in short.
    """
    table = idempotency_keys
    statement = insert(table).values(caller=caller, key=key, fingerprint=fingerprint, answer="")
    # A key of yesterday is free again.
    claimed = statement.on_conflict_do_update(
        index_elements=["caller", "key"],
        set_={"fingerprint": fingerprint, "answer": "", "created_at": func.now()},
        where=table.c.created_at < func.now() - literal(kept),
    ).returning(table.c.key)
    if transaction.execute(claimed).first() is not None:
        return None
    taken = select(table.c.fingerprint, table.c.answer).where(table.c.caller == caller, table.c.key == key)
    first, answer = transaction.execute(taken).one()
    return bytes(first), str(answer)


def keep(transaction: Transaction, caller: str, key: str, answer: str) -> None:
    """Keep the answer under a key that this transaction has taken."""
    table = idempotency_keys
    transaction.execute(update(table).where(table.c.caller == caller, table.c.key == key).values(answer=answer))
