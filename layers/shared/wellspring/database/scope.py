"""The one session scope: a request or a batch of messages is one transaction, committed here and nowhere else."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from wellspring.database.engine import engine
from wellspring.database.planned import is_stale
from wellspring.database.sqlstate import translate
from wellspring.errors import OutcomeUnknown, WellspringError

type Transaction = Connection

# The setting ends with the transaction: a pool may give the connection to anybody then.
ENTER = "SELECT wellspring.enter($1)"
# The same, and how long a statement of the transaction may take.
ENTER_WITHIN = "SELECT wellspring.enter_within($1, $2)"


def connection() -> AbstractContextManager[Connection]:
    """Take the connection out of the pool. Tests put another in its place, to roll it back afterwards."""
    return engine().connect()


def enter(transaction: Transaction, scope: str, seconds: float | None = None) -> None:
    """Have the next statement preceded by one that says for whom the transaction works: it costs no round trip.

    Args:
        transaction: where nothing was asked yet, or for somebody else.
        scope: as `access.principal.scope_of` says it.
        seconds: what a statement may take; None for what the role allows.
    """
    driver: Any = transaction.connection.dbapi_connection
    if seconds is None:
        driver.ahead(ENTER, (scope,))
    else:
        driver.ahead(ENTER_WITHIN, (scope, max(1, int(seconds * 1000))))


def in_transaction[Result](
    work: Callable[[Transaction], Result], scope: str | None = None, *, seconds: float | None = None
) -> Result:
    """Run `work` in a transaction; commit when it returns, roll back whatever else happens.

    Args:
        work: what to do.
        scope: for whom, as `access.principal.scope_of` says it; None where no row of a tenant is touched. Postgres
            shows and takes the rows of that scope only, whatever a statement asks for (docs/adr/0011).
        seconds: what a statement may take; None for what the role allows.

    When the connection is lost before the commit was sent, nothing has been changed for certain, and `work`
    runs once more on a new connection: it must have no other effect than on the database. So it does when a function
    has gone in whose place its statement can be sent (`database.planned`).

    Raises:
        ServiceUnavailable: the database is away, or the transaction was refused and may be tried again.
        OutcomeUnknown: the connection was lost while the commit was under way.
        WellspringError: what `work` raises; other database errors become one by `sqlstate.translate`.
    """
    try:
        return _once(work, scope, seconds)
    except DBAPIError as error:
        if not (error.connection_invalidated or is_stale(error)):
            raise translate(error) from error
    try:
        return _once(work, scope, seconds)
    except DBAPIError as error:
        raise translate(error) from error


def _once[Result](work: Callable[[Transaction], Result], scope: str | None, seconds: float | None) -> Result:
    with connection() as held:
        transaction = held.begin()
        try:
            if scope is not None or seconds is not None:
                enter(held, scope or "", seconds)
            result = work(held)
        except BaseException as error:
            if not isinstance(error, (WellspringError, DBAPIError)):
                # It may have come from within the driver, between a question and its answer: the next one to use the
                # connection would read what is left of this one's.
                held.invalidate()
            transaction.rollback()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise OutcomeUnknown("The database went away before it confirmed the change.") from error
            # Cancelled before it began, it has not ended the transaction. SQLAlchemy thinks it has, and would let the
            # next one have the connection like that.
            held.invalidate()
            raise
        return result
