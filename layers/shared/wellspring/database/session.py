"""Session: transactions and flushes of one connection (docs/adr/0019, 0046).

A transaction begins in the flush of its first statement, and one that only reads ends in that of its last, where it is
known which that is. After a failure the server skips all up to the next Sync, so a statement never runs without what
was sent ahead of it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pg8000
from sqlalchemy import Connection

from wellspring.database.sqlstate import STALE, has_state
from wellspring.plan_cache import FUNCTIONS, PlanCache

if TYPE_CHECKING:
    from wellspring.database.pipeline import Part, PipelinedConnection


class WireStatement(NamedTuple):
    """A single statement with `%s` or `$1`, `$2` for its values; a text without values may be several."""

    text: str
    values: tuple[object, ...] = ()

    @property
    def may_be_several(self) -> bool:
        """Whether a semicolon may stand between two: Parse takes no more than one statement."""
        return ";" in self.text and not self.values


BEGIN = WireStatement("begin")
# All statements see one state of the database, and none changes it.
BEGIN_READ = WireStatement("begin isolation level repeatable read read only")
# The same, but for what is written down of who reads.
BEGIN_TRACED = WireStatement("begin isolation level repeatable read")
COMMIT = WireStatement("commit")


class Session:
    """The transactions of one connection, which speaks the protocol.

    `plan_cache` knows the statements in whose place a call is sent; None to send all texts. Without `pipelining` each
    statement is a flush of its own, for a proxy that does not carry several (the setting `DB_PIPELINING`).
    """

    def __init__(self, connection: "PipelinedConnection", plan_cache: PlanCache | None, *, pipelining: bool) -> None:
        self._connection = connection
        self._plan_cache = plan_cache
        self._pipelining = pipelining
        # Whether a transaction that only reads was begun, and has not been ended here.
        self._reading = False
        self._answers: deque[tuple[WireStatement, Part]] = deque()
        self.begin()

    def begin(
        self,
        in_front: Callable[[], WireStatement | None] = lambda: None,
        *,
        is_read: bool = False,
        trace: WireStatement | None = None,
    ) -> None:
        """Say whether transactions only read from now on: one state of the database, of which they change nothing.

        BEGIN leaves with the first statement. What `in_front` returns is sent in front of all else in each flush; where
        it raises, nothing is sent. `trace` is sent ahead of the first statement: it writes down who reads.
        """
        self._in_front, self._is_read = in_front, is_read
        self._begin_read = BEGIN_READ if trace is None else BEGIN_TRACED
        self._ahead = [] if trace is None else [trace]

    def ahead(self, text: str, *values: object) -> None:
        """Have a statement sent in front of the next one, in the same flush; its rows are not looked at.

        It is forgotten when the transaction ends without a next statement, which fails with its error and has not run
        when it fails.
        """
        self._ahead.append(WireStatement(text, values))

    def run(self, statement: WireStatement) -> Any:
        """Run one statement, or take its answer where it was sent with others; return pg8000's `Context` of it."""
        if self._answers:
            return self._answer(statement)
        if statement.may_be_several or (self._connection.autocommit and not statement.values):
            # Alone in its flush: the server would go on to it after a failure of what came before.
            self._exchange(self._due())
            return self._connection.query(statement.text)
        self._learn()
        part = self._connection.part(self._planned(statement))
        self._flush([part])
        return part.context

    @contextmanager
    def pipelined(self, statements: Sequence[WireStatement], *, is_last: bool = False) -> Iterator[None]:
        """Send statements in one flush; who runs the same ones meanwhile, in their order, gets the answers.

        The first failure is that of all: the server skips what follows it. It is raised by the statement that failed,
        or where the connection is lost by the first. `is_last` is that of `execute_pipelined`: what is asked behind
        the last, before the transaction was ended here as well, raises `RuntimeError`. A value that cannot be sent, and
        a text that may be several statements, raise `ValueError`: nothing was sent.
        """
        if any(each.may_be_several for each in statements):
            raise ValueError("several statements in one text cannot be sent together with others")
        self._learn()
        parts = [self._connection.part(self._planned(each)) for each in statements]
        with suppress(pg8000.Error):
            self._flush(parts, is_last=is_last)
        self._answers.extend(zip(statements, parts, strict=True))
        try:
            yield
        finally:
            self._answers.clear()

    def end(self, how: str) -> None:
        """Commit or roll back. Where nothing was begun, or it has ended with its last statement, nothing is sent."""
        self._ahead.clear()
        self._answers.clear()
        self._reading = False
        if self._connection.in_transaction:
            self._connection.query(how)

    def _answer(self, statement: WireStatement) -> Any:
        sent, part = self._answers.popleft()
        if sent != statement:
            part.context.error = pg8000.InterfaceError("another statement was sent together with others")
        if part.context.error is not None:
            self._answers.clear()
            raise part.context.error
        return part.context

    def _flush(self, parts: Sequence["Part"], *, is_last: bool = False) -> None:
        flush = [*self._due(), *parts]
        if is_last and self._reading:
            flush.append(self._connection.part(COMMIT, describe=False))
        try:
            self._exchange(flush)
        except pg8000.Error as error:
            if has_state(error, STALE) and self._plan_cache is not None:
                self._plan_cache.names = None
            if isinstance(error, pg8000.InterfaceError) or all(part.context.error is None for part in parts):
                # Of the connection, or of what was ahead of them.
                parts[0].context.error = error
            raise

    def _due(self) -> list["Part"]:
        """Return what comes before the next statement: BEGIN, unless in a transaction, and what is ahead of it."""
        connection = self._connection
        if not connection.is_open:
            # It says so, and not that the time is over in which it was lost.
            return []
        if self._reading and not connection.in_transaction:
            # In a transaction of its own, where nobody has said for whom it is asked.
            raise RuntimeError("the transaction has ended with what was said to be its last statement")
        # May raise; then nothing is begun.
        due = [each for each in (self._in_front(), *self._ahead) if each is not None]
        self._ahead.clear()
        if not connection.autocommit and not connection.in_transaction:
            self._reading = self._is_read
            due.insert(0, self._begin_read if self._is_read else BEGIN)
        return [connection.part(each, describe=False) for each in due]

    def _exchange(self, parts: Sequence["Part"]) -> None:
        for flush in [parts] if self._pipelining else [[part] for part in parts]:
            if flush:
                self._connection.exchange(flush)

    def _planned(self, statement: WireStatement) -> WireStatement:
        if self._plan_cache is None:
            return statement
        return WireStatement(self._plan_cache.call(statement.text, len(statement.values)), statement.values)

    def _learn(self) -> None:
        """Ask which statements are planned, before a transaction, in one of its own; a failure leaves it unknown."""
        connection, cache = self._connection, self._plan_cache
        if cache is None or cache.names is not None or connection.in_transaction or not connection.is_open:
            return
        parts = [connection.part(each) for each in (BEGIN_READ, WireStatement(FUNCTIONS), COMMIT)]
        # The transaction's own first statement goes as text then; it says so where the server is gone.
        with suppress(pg8000.Error):
            self._exchange(parts)
            cache.names = frozenset(name for (name,) in parts[1].context.rows)
        with suppress(pg8000.Error):
            if self._connection.in_transaction:
                connection.query("rollback")


def session_of(transaction: Connection) -> Session:
    """Return the session of a transaction's connection."""
    return cast("PipelinedConnection", transaction.connection.dbapi_connection).session
