"""The answers that may be asked for again: one row for each caller and key, for a day."""

# Asks for no caller: the caller is half of the key.

from datetime import timedelta

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from wellspring.database import Transaction
from wellspring.models.infrastructure import idempotency_keys


def claim(transaction: Transaction, caller: str, key: str, fingerprint: bytes, kept: timedelta) -> bool:
    """Take the key for `kept`, and say whether it was free. Waits for another transaction that is taking it.

    `fingerprint` is the request, in short.
    """
    table = idempotency_keys
    statement = insert(table).values(caller=caller, key=key, fingerprint=fingerprint, answer="")
    # A key of yesterday is free again.
    claimed = statement.on_conflict_do_update(
        index_elements=["caller", "key"],
        set_={"fingerprint": fingerprint, "answer": "", "created_at": func.now()},
        where=table.c.created_at < func.now() - literal(kept),
    ).returning(table.c.key)
    return transaction.execute(claimed).first() is not None


def answer_of(transaction: Transaction, caller: str, key: str) -> tuple[bytes, str]:
    """Return the fingerprint and the answer that stand under a key that is taken."""
    table = idempotency_keys
    statement = select(table.c.fingerprint, table.c.answer).where(table.c.caller == caller, table.c.key == key)
    fingerprint, answer = transaction.execute(statement).one()
    return bytes(fingerprint), str(answer)


def keep(transaction: Transaction, caller: str, key: str, answer: str) -> None:
    """Keep the answer under a key that this transaction has taken."""
    table = idempotency_keys
    transaction.execute(update(table).where(table.c.caller == caller, table.c.key == key).values(answer=answer))
