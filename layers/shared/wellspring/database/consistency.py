"""Consistency tokens: what a write gives its caller, with which a read sees it on whatever server (docs/adr/0050).

A token is a transaction id: of those before it none is under way any more for whoever sees what its holder has seen.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

from sqlalchemy import Connection, text

from wellspring.database.deadline import during

# "All transaction IDs less than xmin are either committed and visible, or rolled back and dead" (PostgreSQL manual,
# table "Snapshot Components"). The snapshot is that of all statements of the read, which this goes ahead of. Not
# `pg_visible_in_snapshot`: a standby keeps what is under way in a part of the snapshot in which that does not look.
# Where the reader is behind it fails, by a division by zero, and the read with it.
NO_OLDER = "SELECT 1 / (pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8)::int"

# A transaction that wrote nothing may show what others wrote.
_SEEN = text(
    "SELECT coalesce(pg_current_xact_id_if_assigned()::text::numeric + 1,"
    " pg_snapshot_xmax(pg_current_snapshot())::text::numeric)::text"
)

# Whether the transactions that begin now connect to the reader.
at_reader: ContextVar[bool] = ContextVar("at_reader", default=False)


# The tokens of what an invocation committed; None where nobody asked for them.
_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)


def noting() -> AbstractContextManager[list[str]]:
    """Have each transaction meanwhile that may write leave its token: one round trip before its commit."""
    return during(_noted, [])


def noted[Result](work: Callable[[Connection], Result]) -> Callable[[Connection], Result]:
    """Return `work` that leaves the token of its transaction, where anybody asked for it."""
    asked = _noted.get()
    if asked is None:
        return work

    def leaving(transaction: Connection) -> Result:
        result = work(transaction)
        asked.append(str(transaction.execute(_SEEN).scalar_one()))
        return result

    return leaving
