"""The one session scope: a request or a batch of messages is one transaction, committed here and nowhere else.

What only reads may end before, with the last that it asks (`flush.execute_pipelined`).
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from wellspring.database.deadline import Deadline, during, within
from wellspring.database.engine import engine, reader_engine
from wellspring.database.session import WireStatement, session_of
from wellspring.database.sqlstate import AGAIN, NOT_NOW, STALE, TOO_SLOW, has_state, is_silent, translate
from wellspring.errors import DatabaseAway, OutcomeUnknown, TimeExceeded, WellspringError
from wellspring.settings import event_bus

type Transaction = Connection

# For whom a transaction works, and how long a statement of it may take. The settings end with the transaction: a pool
# may give the connection to anybody then.
ENTER_WITHIN = "SELECT wellspring.enter_within($1, $2)"
# The same, in a transaction whose effects are events (docs/adr/0055).
ENTER_EMITTING = "SELECT wellspring.enter_emitting($1, $2)"
# What the writer's role allows a statement (revision 0003).
LONGEST_STATEMENT_SECONDS = 25.0
# Of the deadline, what is kept for the server to say that it has ended a statement, and for rolling back.
ENDING_SECONDS = 0.5
# A statement's limit is said anew when it has become longer than what is left by so much: most transactions are over
# before.
DRIFT_SECONDS = 0.1

MAYBE_CHANGED = "The database went away before it confirmed the change: it may have been made, or not."

# Whom a transaction that begins now signs in as; None for whom the function does.
role_now: ContextVar[str | None] = ContextVar("role", default=None)
# Whether it connects to the reader.
at_reader: ContextVar[bool] = ContextVar("at_reader", default=False)
# The consistency tokens of what an invocation committed (docs/adr/0050); None where nobody asked for them. Each is a
# transaction id: of those before it none is under way any more for whoever sees what its holder has seen. A
# transaction that wrote nothing may show what others wrote.
_tokens: ContextVar[list[str] | None] = ContextVar("tokens", default=None)
_TOKEN = text(
    "SELECT coalesce(pg_current_xact_id_if_assigned()::text::numeric + 1,"
    " pg_snapshot_xmax(pg_current_snapshot())::text::numeric)::text"
)


def signed_in_as(role: str) -> AbstractContextManager[object]:
    """Have the transactions that begin meanwhile sign in as `role`, on a connection of its own (docs/adr/0047)."""
    return during(role_now, role)


def noting() -> AbstractContextManager[list[str]]:
    """Have each transaction meanwhile that may write leave its token: one round trip before its commit."""
    return during(_tokens, [])


def connection() -> AbstractContextManager[Connection]:
    """Take the connection out of the pool. Tests put another in its place, to roll it back afterwards."""
    if at_reader.get():
        return reader_engine().connect()
    role = role_now.get()
    return (engine() if role is None else engine(role)).connect()


class CircuitBreaker:
    """For a moment after a server that said nothing, the next request does not wait for it as well."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server is not to be asked now."""
        return time.monotonic() < self._open_until

    def record_timeout(self) -> None:
        """Open it: the server was waited for in vain."""
        self._open_until = time.monotonic() + self.seconds

    def record_answer(self) -> None:
        """Close it: the server answers."""
        self._open_until = 0.0

    def raise_if_open(self) -> None:
        """Raise `DatabaseAway` while it is open: for somebody who waits; the queue's consumer has time, and tries."""
        if self.is_open:
            raise DatabaseAway(NOT_NOW)


# As long as `Retry-After` says.
circuit_breaker = CircuitBreaker(2.0)


class _Limits:
    """Says for whom a transaction works, and how long a statement of it may take, in front of the statement."""

    def __init__(self, scope: str, deadline: Deadline, *, emits: bool) -> None:
        self._scope, self._deadline = scope, deadline
        self._enter = ENTER_EMITTING if emits else ENTER_WITHIN
        # How long the server was told last that a statement may take, None in a new transaction; and when one began.
        self.told: float | None = None
        self._sent = 0.0

    def sending(self) -> None:
        """Note that something is sent whose limit the server knows."""
        self._sent = time.monotonic()

    @property
    def within_timeout(self) -> bool:
        """Whether what was sent last has not taken as long yet as the server was told that it may."""
        return self.told is not None and time.monotonic() - self._sent < self.told

    def in_front(self) -> WireStatement | None:
        """Return what tells the server, unless it knows. Raises `TimeExceeded` where the time is over."""
        left = self._deadline.seconds - ENDING_SECONDS
        if left <= 0:
            raise TimeExceeded(TOO_SLOW)
        allowed = min(left, LONGEST_STATEMENT_SECONDS)
        self.sending()
        if self.told is not None and self.told - allowed <= DRIFT_SECONDS:
            return None
        milliseconds = max(1, int(allowed * 1000))
        self.told = milliseconds / 1000
        return WireStatement(self._enter, (self._scope, milliseconds))


def in_transaction[Result](
    work: Callable[[Transaction], Result],
    scope: str | None = None,
    *,
    deadline: Deadline,
    is_read: bool = False,
    trace: WireStatement | None = None,
) -> Result:
    """Run `work` in a transaction; commit when it returns, roll back whatever else happens.

    Args:
        work: what to do, with no other effect than on the database. It runs once more where nothing has been changed
            for certain: the connection was lost before the commit was sent or with the last flush of a read, not in
            waiting for a silent server; or a function of the `plan_cache` has gone.
        scope: for whom, as `access.principal.scope_of` says it; None where no row of a tenant is touched. Postgres
            shows and takes the rows of that scope only, whatever a statement asks for (docs/adr/0011).
        deadline: of connecting, of all statements together and of their answers.
        is_read: whether `work` only reads: all its statements see one state of the database, and none can change it.
        trace: of a read, what writes down who reads, in front of its first statement. Nothing is returned that was
            read without it.

    Raises `ServiceUnavailable` or a kind of it, as `errors` tells them (`OutcomeUnknown` of no read), what `work`
    raises, and what `sqlstate.translate` makes of other errors of the database.
    """
    limits = _Limits(scope or "", deadline, emits=not is_read and bool(event_bus()))
    once = partial(_once, work, limits, is_read=is_read, trace=trace)
    with within(deadline):
        try:
            try:
                result = once()
            except DBAPIError as error:
                passing = (*STALE, *AGAIN) if is_read else STALE
                may_pass = error.connection_invalidated or has_state(error, passing)
                # What a reader cannot do the writer is asked for, at once (`readers`).
                if is_silent(error) or not may_pass or at_reader.get():
                    raise
                result = once()
        except DBAPIError as error:
            if is_silent(error):
                circuit_breaker.record_timeout()
            raise translate(error, within_timeout=limits.within_timeout) from error
    circuit_breaker.record_answer()
    return result


def _once[Result](
    work: Callable[[Transaction], Result], limits: _Limits, *, is_read: bool, trace: WireStatement | None
) -> Result:
    with connection() as held:
        session = session_of(held)
        transaction = held.begin()
        limits.told = None
        session.begin(limits.in_front, is_read=is_read, trace=trace)
        try:
            result, tokens = work(held), _tokens.get()
            if not is_read and tokens is not None:
                tokens.append(str(held.execute(_TOKEN).scalar_one()))
        except BaseException as error:
            if not isinstance(error, (WellspringError, DBAPIError)):
                # It may have come from within the driver, between a question and its answer: the next one to use the
                # connection would read what is left of this one's.
                held.invalidate()
            transaction.rollback()
            raise
        finally:
            session.begin()
        limits.sending()
        try:
            transaction.commit()
        except DBAPIError as error:
            if trace is not None or not error.connection_invalidated:
                # It may be that nothing tells of who has read. Or the commit was cancelled before it began, and has not
                # ended the transaction: SQLAlchemy thinks it has, and would let the next one have the connection so.
                held.invalidate()
                raise
            if not is_read:
                if is_silent(error):
                    circuit_breaker.record_timeout()
                raise OutcomeUnknown(MAYBE_CHANGED) from error
        # Where the commit of a read was lost, there is nothing that it could have lost.
        return result


def ping(transaction: Transaction) -> None:
    """Ask the database for nothing: it answers, or the scope raises `ServiceUnavailable`."""
    transaction.execute(text("SELECT 1"))
