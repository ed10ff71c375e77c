"""The one session scope: a request or a batch of messages is one transaction, committed here and nowhere else.

What only reads may end before, with the last that it asks (`flush.together`).
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from wellspring.database import stall
from wellspring.database.consistency import is_at_reader, noted
from wellspring.database.deadline import Deadline, within
from wellspring.database.engine import engine, reader_engine
from wellspring.database.planned import is_stale
from wellspring.database.role import role_now
from wellspring.database.sqlstate import is_again, is_silent, translate
from wellspring.errors import OutcomeUnknown, TimeExceeded, WellspringError

type Transaction = Connection

# The setting ends with the transaction: a pool may give the connection to anybody then.
ENTER = "SELECT wellspring.enter($1)"
# The same, and how long a statement of the transaction may take.
ENTER_WITHIN = "SELECT wellspring.enter_within($1, $2)"

# What the writer's role allows a statement (revision 0003).
LONGEST_STATEMENT_SECONDS = 25.0
# Of the deadline, what is kept for the server to say that it has ended a statement, and for rolling back.
ENDING_SECONDS = 0.5
# A statement's limit is said anew when it has become longer than what is left by so much: most transactions are over
# before.
DRIFT_SECONDS = 0.1


def connection() -> AbstractContextManager[Connection]:
    """Take the connection out of the pool. Tests put another in its place, to roll it back afterwards."""
    if is_at_reader():
        return reader_engine().connect()
    role = role_now()
    return (engine() if role is None else engine(role)).connect()


def enter(transaction: Transaction, scope: str) -> None:
    """Have the next statement preceded by one that says for whom the transaction works: it costs no round trip.

    Args:
        transaction: where nothing was asked yet, or for somebody else.
        scope: as `access.principal.scope_of` says it.
    """
    driver: Any = transaction.connection.dbapi_connection
    driver.ahead(ENTER, (scope,))


class _Limits:
    """Says for whom a transaction works, and how long a statement of it may take, before the statement.

    Args:
        scope: as `access.principal.scope_of` says it.
        deadline: of all statements together.
    """

    def __init__(self, scope: str, deadline: Deadline) -> None:
        self._scope = scope
        self._deadline = deadline
        self._driver: Any = None
        # What the server was told last: how far from the deadline a statement may have begun at the latest.
        self._told: float | None = None
        self._sent = 0.0

    def on(self, driver: Any) -> None:
        """Begin a transaction on a connection, which knows of no limit yet."""
        self._driver, self._told = driver, None
        driver.before_each = self

    def sending(self) -> None:
        """Note that something is sent whose limit the server knows."""
        self._sent = time.monotonic()

    @property
    def are_kept(self) -> bool:
        """Whether what was sent last has not taken as long yet as the server was told that it may."""
        return self._told is not None and time.monotonic() - self._sent < self._told

    def __call__(self) -> None:
        left = self._deadline.seconds - ENDING_SECONDS
        if left <= 0:
            raise TimeExceeded("The request took longer than it may; nothing was changed.")
        allowed = min(left, LONGEST_STATEMENT_SECONDS)
        if self._told is None or self._told - allowed > DRIFT_SECONDS:
            milliseconds = max(1, int(allowed * 1000))
            self._told = milliseconds / 1000
            self._driver.ahead(ENTER_WITHIN, (self._scope, milliseconds))
        self.sending()


def in_transaction[Result](
    work: Callable[[Transaction], Result],
    scope: str | None = None,
    *,
    deadline: Deadline | None = None,
    is_read: bool = False,
) -> Result:
    """Run `work` in a transaction; commit when it returns, roll back whatever else happens.

    Args:
        work: what to do.
        scope: for whom, as `access.principal.scope_of` says it; None where no row of a tenant is touched. Postgres
            shows and takes the rows of that scope only, whatever a statement asks for (docs/adr/0011).
        deadline: of connecting, of all statements together and of their answers; None for what the role allows each.
        is_read: whether `work` only reads: all its statements see one state of the database, and none can change it.

    When the connection is lost before the commit was sent, or with the last flush of a read, nothing has been changed
    for certain, and `work` runs once more on a new connection, unless the time was spent in waiting for a silent
    server: it must have no other effect than on the database. So it does when a function has gone in whose place its
    statement can be sent (`database.planned`).

    Raises:
        ServiceUnavailable: the database is away, or the transaction was refused and may be tried again.
        DatabaseBusy: a lock was waited for longer than it may, or somebody has ended a statement within its time.
        TimeExceeded: the statements took longer than they may.
        OutcomeUnknown: the connection was lost while the commit was under way. Of a read it does not matter.
        WellspringError: what `work` raises; other database errors become one by `sqlstate.translate`.
    """
    limits = None if deadline is None else _Limits(scope or "", deadline)
    if not is_read:
        work = noted(work)
    with within(deadline):
        try:
            try:
                result = _once(work, scope, limits, is_read=is_read)
            except DBAPIError as error:
                may_pass = error.connection_invalidated or is_stale(error) or (is_read and is_again(error))
                # What a reader cannot do the writer is asked for, at once (`readers`).
                if is_silent(error) or not may_pass or is_at_reader():
                    raise
                result = _once(work, scope, limits, is_read=is_read)
        except DBAPIError as error:
            if is_silent(error):
                stall.seen()
            raise translate(error, within_its_time=limits is not None and limits.are_kept) from error
    stall.over()
    return result


def _once[Result](
    work: Callable[[Transaction], Result], scope: str | None, limits: _Limits | None, *, is_read: bool
) -> Result:
    with connection() as held:
        driver: Any = held.connection.dbapi_connection
        # Before it begins: an engine's first transaction begins with a question of the engine's (`planned.Swap`).
        driver.is_snapshot = is_read
        transaction = held.begin()
        if limits is not None:
            limits.on(driver)
        elif scope is not None:
            enter(held, scope)
        try:
            result = work(held)
        except BaseException as error:
            if not isinstance(error, (WellspringError, DBAPIError)):
                # It may have come from within the driver, between a question and its answer: the next one to use the
                # connection would read what is left of this one's.
                held.invalidate()
            transaction.rollback()
            raise
        finally:
            driver.is_snapshot = False
            driver.before_each = None
        if limits is not None:
            limits.sending()
        try:
            transaction.commit()
        except DBAPIError as error:
            if error.connection_invalidated:
                if is_silent(error):
                    stall.seen()
                if is_read:
                    # What was read was read; there is nothing that the commit could have lost.
                    return result
                raise OutcomeUnknown(
                    "The database went away before it confirmed the change: it may have been made, or not."
                ) from error
            # Cancelled before it began, it has not ended the transaction. SQLAlchemy thinks it has, and would let the
            # next one have the connection like that.
            held.invalidate()
            raise
        return result
