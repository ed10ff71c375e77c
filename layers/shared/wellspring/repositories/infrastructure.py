"""The service's own tables: keys that sign cursors, answers that may be asked for again, and what may be forgotten."""

# Asks for no caller: what has one, the kept answers, has the caller in its key; the rest is of nobody, or not shown.

from datetime import timedelta
from typing import Literal

from sqlalchemy import func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert

from wellspring.database import Transaction
from wellspring.database.flush import Query, Statement
from wellspring.models.infrastructure import cursor_keys
from wellspring.models.infrastructure import idempotency_keys as kept_answers

type Pruned = Literal["sync_messages", "sync_runs", "idempotency_keys", "audit"]

_KEYS = Statement(select(cursor_keys.c.key).order_by(cursor_keys.c.pk.desc()))
# No role may delete rows; the function may, and knows how old they must be at the least (revision 0007).
_PRUNE = text("SELECT wellspring.prune(:remembered, make_interval(secs => CAST(:seconds AS integer)), :most)")


def signing_keys() -> Query[list[bytes]]:
    """Return the question for all keys of page cursors, the newest (which signs) first."""
    return Query(_KEYS, lambda result: [bytes(key) for key in result.scalars()])


def claim_answer(
    transaction: Transaction, caller: str, key: str, fingerprint: bytes, kept: timedelta
) -> tuple[bytes, str] | None:
    """Take a caller's key for `kept`; return None where it was free, else the fingerprint and the answer under it.

    Waits for another transaction that is taking it. A `fingerprint` is the request, in short.
    """
    table = kept_answers
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


def keep_answer(transaction: Transaction, caller: str, key: str, answer: str) -> None:
    """Keep the answer under a key that this transaction has taken."""
    table = kept_answers
    transaction.execute(update(table).where(table.c.caller == caller, table.c.key == key).values(answer=answer))


def delete_oldest(transaction: Transaction, table: Pruned, kept: timedelta, most: int) -> int:
    """Delete the oldest rows of a table; return how many: fewer than `most` where that is all, or others delete too.

    They are `kept` for 45 days at least of messages and runs, 90 of the audit, a day of kept answers.
    """
    values = {"remembered": table, "seconds": int(kept.total_seconds()), "most": most}
    deleted: int = transaction.execute(_PRUNE, values).scalar_one()
    return deleted
