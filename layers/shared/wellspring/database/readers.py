"""Reads on a reader: where it has what the caller has seen, and else on the writer (docs/adr/0050)."""

from collections.abc import Callable
from typing import Literal

from sqlalchemy.exc import DBAPIError

from wellspring.database.deadline import Deadline, during
from wellspring.database.scope import CircuitBreaker, Transaction, at_reader, circuit_breaker, in_transaction
from wellspring.database.session import session_of
from wellspring.database.sqlstate import ENDED, is_silent, sqlstate
from wellspring.errors import DatabaseAway, WellspringError
from wellspring.settings import has_reader

type Server = Literal["reader", "writer"]

# "All transaction IDs less than xmin are either committed and visible, or rolled back and dead" (PostgreSQL manual,
# table "Snapshot Components"). The snapshot is that of all statements of the read, which this goes ahead of. Not
# `pg_visible_in_snapshot`: a standby keeps what is under way in a part of the snapshot in which that does not look.
# Where the reader is behind it fails, by a division by zero, and the read with it.
NO_OLDER = "SELECT 1 / (pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8)::int"

# For so long a reader that was away is not looked for again: RDS Proxy waits 4 s for one (`ConnectionBorrowTimeout`).
absence = CircuitBreaker(30.0)


def read[Result](
    work: Callable[[Transaction], Result],
    scope: str | None,
    deadline: Deadline,
    token: str | None,
    tell: Callable[[Server], None],
) -> Result:
    """Run `work`, which only reads, as `in_transaction` does: on a reader, where the request says how old it may be.

    What a reader cannot answer, because it is behind, away, in conflict with what it replays or without what a
    migration made, the writer is asked for in the time that is left. Not so what took its time on the reader.

    `token` is what the read must see, None for all that there is; `tell` is told which is asked, before it is.
    """
    if token is not None and has_reader() and not absence.is_open:
        tell("reader")

        def no_older(transaction: Transaction) -> Result:
            session_of(transaction).ahead(NO_OLDER, token)
            return work(transaction)

        try:
            with during(at_reader, value=True):
                return in_transaction(no_older, scope, deadline=deadline, is_read=True)
        except WellspringError as error:
            if not _may_be_the_writers(error):
                raise
    tell("writer")
    return in_transaction(work, scope, deadline=deadline, is_read=True)


def _may_be_the_writers(error: WellspringError) -> bool:
    """Say whether the writer may have the answer that the reader has not, and note whether the reader is away."""
    met = error.__cause__
    if not isinstance(met, DBAPIError):
        return False
    if isinstance(error, DatabaseAway):
        absence.record_timeout()
    if is_silent(met):
        # It says nothing of the writer.
        circuit_breaker.record_answer()
        return False
    return sqlstate(met) != ENDED
