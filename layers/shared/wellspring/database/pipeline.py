"""A pg8000 connection that asks once where pg8000 asks four times (docs/adr/0015).

pg8000 sends BEGIN on its own, and a statement in three parts that each wait for an answer. Here everything that a
statement needs leaves in one flush: BEGIN, what else is to come first, and the statement, before one Sync. After a
failure the server skips all up to that Sync, so a statement never runs without what was sent ahead of it.

Source: the PostgreSQL manual, "Message Flow" (Extended Query, Pipelining) and "Message Formats".
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any

import pg8000
from pg8000 import legacy
from pg8000.converters import make_params
from pg8000.core import Context
from pg8000.dbapi import convert_paramstyle

from wellspring.database.wire import Wire

type Adapters = list[Callable[[str], Any]]
# A RowDescription: whose it is, its adapters, and the rows that followed it.
type _Rows = tuple[Context, Adapters, list[bytes]]

_COUNT = Struct("!H")
_INT = Struct("!i")
# A column: its table, its number there, its type, the type's size and modifier, the format of its values.
_COLUMN = Struct("!ihihih")
_NULL = _INT.pack(-1)
# Of the statements that vary with what is asked for, in each cache. Some dozens of shapes are what a function is asked
# for; the rest are rare, and made again.
STATEMENTS_KEPT = 128
# CommandComplete, and what an empty statement has in its place.
_ENDS_OF_STATEMENTS = (b"C", b"I")
# SQLAlchemy knows a lost connection by these words of pg8000's.
LOST = "network error"


def _message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + _INT.pack(len(content) + _INT.size) + content


_DESCRIBE = _message(b"D", b"P\0")
_EXECUTE = _message(b"E", b"\0" + _INT.pack(0))
_SYNC = _message(b"S")


@lru_cache(maxsize=STATEMENTS_KEPT)
def _numbered(operation: str) -> str:
    """Return a statement with `$1`, `$2` in the place of `%s`; pg8000 looks at each character."""
    statement: str = convert_paramstyle("format", operation, ())[0]
    return statement


@lru_cache(maxsize=STATEMENTS_KEPT)
def _parse(statement: str, oids: tuple[int, ...], encoding: str) -> bytes:
    """Return the message that has a statement parsed, without a name: one that has a name pins RDS Proxy."""
    types = b"".join(_INT.pack(max(oid, 0)) for oid in oids)
    return _message(b"P", b"\0" + statement.encode(encoding) + b"\0" + _COUNT.pack(len(oids)) + types)


def _bind(values: Iterable[str | None], encoding: str) -> bytes:
    """Return the message that gives the parsed statement its values, all of them as text."""
    encoded = [None if value is None else value.encode(encoding) for value in values]
    parts = [_NULL if value is None else _INT.pack(len(value)) + value for value in encoded]
    return _message(b"B", b"\0\0\0\0" + _COUNT.pack(len(parts)) + b"".join(parts) + b"\0\0")


def _bare(statement: str) -> bytes:
    return _parse(statement, (), "ascii") + _bind((), "ascii") + _EXECUTE


_BEGIN = _bare("begin")
# All statements see one state of the database, and none changes it.
_BEGIN_SNAPSHOT = _bare("begin isolation level repeatable read read only")
_COMMIT = _bare("commit")


@lru_cache(maxsize=STATEMENTS_KEPT)
def _columns(description: bytes, encoding: str) -> list[dict[str, Any]]:
    """Return the columns that a RowDescription describes, as pg8000's cursors read them."""
    found = []
    at = _COUNT.size
    for _ in range(_COUNT.unpack_from(description)[0]):
        end = description.index(b"\0", at)
        oid = _COLUMN.unpack_from(description, end + 1)[2]
        found.append({"name": description[at:end].decode(encoding), "type_oid": oid})
        at = end + 1 + _COLUMN.size
    return found


def _row(data: bytes, adapters: Adapters, encoding: str) -> list[Any]:
    """Return the values of a DataRow."""
    row: list[Any] = []
    at = _COUNT.size
    for adapt in adapters:
        begin = at + _INT.size
        size = _INT.unpack_from(data, at)[0]
        if size < 0:
            row.append(None)
            at = begin
        else:
            at = begin + size
            row.append(adapt(str(data[begin:at], encoding)))
    return row


@dataclass(frozen=True, slots=True)
class Question:
    """One statement and its values, as a cursor got them.

    Attributes:
        statement: a single one, with `$1`, `$2` for its values.
        values: of any types that pg8000 can send.
        oids: the values' types; none where the statement says enough.
    """

    statement: str
    values: tuple[object, ...]
    oids: tuple[int, ...] = ()


def _as_it_is(operation: str, _values: int) -> str:
    return operation


class PipelinedConnection(legacy.Connection):  # type: ignore[misc]  # pg8000 ships no types
    """A connection that waits for the server once for each statement, and once for the end of a transaction.

    A transaction that only reads ends in the flush of its last statement, where it is known which that is (`is_last`).

    Of `legacy`, which SQLAlchemy knows. `options` are pg8000's. An answer is waited for no longer than
    `deadline.within` allows; a server that says nothing until then is a lost connection.

    When an exception comes between a question and the end of its answer, the connection is closed: what is left of
    the answer must not be taken for that of the next question.

    Attributes:
        is_snapshot: whether the next transaction reads one state of the database, and changes nothing.
        is_last: whether what is asked next is the last of such a transaction: COMMIT goes with it. What is asked
            after that, before the transaction was ended here as well, raises `RuntimeError`: it would be in another.
        before_each: called before each statement is sent; may have something sent `ahead` of it, or raise.
        swapped: returns what cursors are given in the place of a statement with so many values (`planned.Swap`).
    """

    _usock: Any
    _transaction_status: bytes | None

    def __init__(self, **options: Any) -> None:
        self._ahead: list[bytes] = []
        self._collected: list[Question] | None = None
        self._answered: deque[tuple[Question, Context]] = deque()
        self._wire: Wire | None = None
        # What the connection was given up for.
        self._met: BaseException | None = None
        self.is_snapshot = self.is_last = False
        # Whether a transaction that only reads was begun, and has not been ended here.
        self._only_reads = False
        self.before_each: Callable[[], None] | None = None
        self.swapped: Callable[[str, int], str] = _as_it_is
        try:
            super().__init__(**options)
        except OSError as error:
            raise pg8000.InterfaceError(LOST) from error

    @property
    def _sock(self) -> Wire | None:
        """What pg8000 writes to and reads from."""
        return self._wire

    @_sock.setter
    def _sock(self, file: Any) -> None:
        # pg8000 sets the socket's own file, which knows no deadline, and at the end None.
        if file is not None:
            file.close()
            file = Wire(self._usock)
        self._wire = file

    def cursor(self) -> "PipelinedCursor":
        """Return a cursor, as the DB-API has it."""
        return PipelinedCursor(self)

    def ahead(self, statement: str, values: Sequence[object] = ()) -> None:
        """Have something sent in front of the next statement, in the same flush; its rows are not looked at.

        It is part of the transaction, and forgotten when that ends without a next statement. When it fails, the next
        statement fails with its error and has not run.

        Args:
            statement: a single one, with `$1`, `$2` for its values.
            values: of any types that pg8000 can send.
        """
        self._ahead.append(self._question(statement, values) + _EXECUTE)

    def begin(self) -> None:
        """Send what is due before the next statement: BEGIN, unless in a transaction, and what is to come ahead."""
        due = self._due()
        if due:
            self._exchange(b"".join(due) + _SYNC, [Context(None)], ahead=len(due))

    def execute_unnamed(
        self, statement: str, vals: Sequence[object] = (), oids: Sequence[int] = (), stream: Any = None
    ) -> Context:
        """Run one statement, in a transaction unless in autocommit.

        Args:
            statement: a single one, with `$1`, `$2` for its values.
            vals: the values.
            oids: their types; none where the statement says enough.
            stream: what COPY reads or writes.

        Raises:
            pg8000.DatabaseError: the server refused it; its fields are in `args[0]`.
            pg8000.InterfaceError: the connection is lost, or was closed before.
        """
        asked = Question(statement, tuple(vals), tuple(oids))
        if self._collected is not None:
            self._collected.append(asked)
            return Context(statement)
        if self._answered:
            return self._answer(asked)
        context = Context(statement, stream=stream)
        self._ask([asked], [context])
        return context

    @property
    def is_collecting(self) -> bool:
        """Whether statements are noted, not run."""
        return self._collected is not None

    @contextmanager
    def collecting(self) -> Iterator[list[Question]]:
        """Have statements noted, not run, while the block runs: they seem to return nothing.

        It gives the list that they are noted in, for `together`.
        """
        collected: list[Question] = []
        self._collected = collected
        try:
            yield collected
        finally:
            self._collected = None

    def note(self, operation: str, values: tuple[object, ...]) -> None:
        """Note a statement, in `collecting`, as a cursor that runs it will send it.

        Args:
            operation: a single one, with `%s` for its values.
            values: of any types that pg8000 can send.
        """
        if self._collected is None:
            raise pg8000.InterfaceError("nothing is being collected")
        self._collected.append(Question(_numbered(self.swapped(operation, len(values))), values))

    def together(self, questions: Sequence[Question]) -> None:
        """Send statements in one flush, and keep the answers: whoever then runs the same statements gets them.

        The first failure is that of all: the server skips what follows it. It is raised by the statement that failed,
        or where the connection is lost by the first; no later one runs.

        Args:
            questions: the statements, which must then be run in this order, and no others between them.

        Raises:
            UnicodeEncodeError: a value cannot be sent; nothing was.
        """
        contexts = [Context(asked.statement) for asked in questions]
        with suppress(pg8000.Error):
            self._ask(questions, contexts)
        self._answered.extend(zip(questions, contexts, strict=True))

    def forget_answers(self) -> None:
        """Drop the answers that nobody came for."""
        self._answered.clear()

    def _answer(self, asked: Question) -> Context:
        """Return the answer that waits for this statement. Raises what the statement has met."""
        question, context = self._answered.popleft()
        if asked != question:
            self.forget_answers()
            raise pg8000.InterfaceError("another statement was sent together with others")
        if context.error is not None:
            self.forget_answers()
            raise context.error
        return context

    def _ask(self, questions: Sequence[Question], contexts: Sequence[Context]) -> None:
        # What cannot be sent fails here, before anything is.
        messages = [
            self._question(asked.statement, asked.values, asked.oids) + _DESCRIBE + _EXECUTE for asked in questions
        ]
        due = self._due()
        if self.is_last and self._only_reads:
            # It has no rows and no count; a failure of it is one of the last statement.
            messages.append(_COMMIT)
        self._exchange(b"".join((*due, *messages, _SYNC)), contexts, ahead=len(due))

    def execute_simple(self, statement: str) -> Context:
        """Run a text without values, which may hold several statements; raises as `execute_unnamed` does.

        Alone in its flush: the server would go on to it after a failure of what came before.
        """
        context = Context(statement)
        self._exchange(_message(b"Q", statement.encode(self._client_encoding) + b"\0"), [context])
        return context

    def commit(self) -> None:
        """Commit. Where nothing was begun, or it has ended with its last statement, nothing is sent."""
        self._end("commit")

    def rollback(self) -> None:
        """Roll back. Where nothing was begun, or it has ended with its last statement, nothing is sent."""
        self._end("rollback")

    def close(self) -> None:
        """Say goodbye and close. A server that is gone cannot be told; that is no failure of closing."""
        wire = self._wire
        with suppress(pg8000.InterfaceError):
            super().close()
        if wire is not None:
            wire.close()

    def _end(self, how: str) -> None:
        self._ahead.clear()
        self._answered.clear()
        self._only_reads = False
        if self._in_transaction:
            self.execute_simple(how)

    def _due(self) -> list[bytes]:
        # A lost connection says so, and neither what follows nor that the time is over in which it was lost.
        if self._wire is not None:
            if self._only_reads and not self._in_transaction:
                # In a transaction of its own, where nobody has said for whom it is asked.
                raise RuntimeError("the transaction has ended with what was said to be its last statement")
            if self.before_each is not None:
                # In front of all: what is sent ahead may ask for whom the transaction works.
                asked, self._ahead = self._ahead, []
                self.before_each()
                self._ahead += asked
        begin = []
        if not self.autocommit and not self._in_transaction:
            self._only_reads = self.is_snapshot
            begin = [_BEGIN_SNAPSHOT if self.is_snapshot else _BEGIN]
        due, self._ahead = begin + self._ahead, []
        return due

    def _question(self, statement: str, values: Sequence[object], oids: tuple[int, ...] = ()) -> bytes:
        encoding = self._client_encoding
        return _parse(statement, oids, encoding) + _bind(make_params(self.py_types, values), encoding)

    def _exchange(self, messages: bytes, contexts: Sequence[Context], *, ahead: int = 0) -> None:
        """Send messages, and take in the answers up to ReadyForQuery.

        Args:
            messages: with one Sync, or one simple query.
            contexts: take the outcomes of the statements, one each; that of a simple query takes all that it returns.
                Where something fails, the error is in the context of the statement that failed, and no other is whole.
            ahead: how many statements come before them; nothing but their failure is of interest.
        """
        try:
            results = self._exchanged(messages, contexts, ahead)
        except pg8000.InterfaceError as error:
            contexts[0].error = error
            raise
        for context in contexts:
            if context.error is not None:
                raise context.error
        # Not until the whole answer is there: an adapter may fail.
        for context, adapters, rows in results:
            context.rows += [_row(data, adapters, self._client_encoding) for data in rows]

    def _exchanged(self, messages: bytes, contexts: Sequence[Context], ahead: int) -> list[_Rows]:
        wire = self._wire
        if wire is None:
            raise pg8000.InterfaceError("connection is closed") from self._met
        results: list[_Rows] = []
        try:
            wire.write(messages)
            wire.flush()
            self._transaction_status = self._answers(wire, contexts, ahead, results)
        except OSError as error:
            self._give_up(error)
            met = [context.error for context in contexts if context.error is not None]
            raise pg8000.InterfaceError(LOST) from (*met, error)[0]
        except BaseException as error:
            self._give_up(error)
            raise
        return results

    def _answers(self, wire: Wire, contexts: Sequence[Context], ahead: int, results: list[_Rows]) -> bytes:
        """Read messages until the server is ready; return the status of the transaction."""
        remaining = iter(contexts)
        context, last = next(remaining), contexts[-1]
        while True:
            kind, content = wire.message()
            if kind == b"Z":
                return content
            if kind == b"D":
                if not ahead:
                    results[-1][2].append(content)
            elif kind == b"C" and ahead:
                ahead -= 1
            elif kind == b"T":
                context.columns = _columns(content, self._client_encoding)
                context.rows = context.rows or []
                results.append((context, [self.pg_types[column["type_oid"]] for column in context.columns], []))
            else:
                self.message_types[kind](content, context)
                if kind in _ENDS_OF_STATEMENTS and context is not last:
                    context = next(remaining)

    def _give_up(self, met: BaseException) -> None:
        self._transaction_status = None
        self._met = met
        wire, connected = self._wire, self._usock
        self._wire = self._usock = None
        if wire is not None:
            wire.close()
            connected.close()


class PipelinedCursor(legacy.Cursor):  # type: ignore[misc]  # pg8000 ships no types
    """A cursor of a `PipelinedConnection`."""

    def execute(self, operation: str, args: Sequence[object] = (), stream: Any = None) -> "PipelinedCursor":
        """Run a statement with `%s` for its values, or a text without values that may hold several statements.

        Raises:
            pg8000.IntegrityError: a unique constraint is violated.
            pg8000.ProgrammingError: any other refusal of the server's.
            pg8000.InterfaceError: the connection is lost, or was closed before.
        """
        if self._c is None:
            raise pg8000.InterfaceError("Cursor closed")
        try:
            self._context = self._run(operation, args, stream)
        except pg8000.DatabaseError as error:
            raise _of_kind(error) from error
        self._row_iter = iter(self._context.rows or ())
        self._input_oids = ()
        return self

    def _run(self, operation: str, args: Sequence[object], stream: Any) -> Context:
        if args or stream is not None:
            return self._c.execute_unnamed(_numbered(operation), args, self._input_oids, stream)
        # Parse takes no more than one statement; a semicolon may stand between two.
        if self._c.autocommit or ";" in operation:
            if self._c.is_collecting:
                raise pg8000.InterfaceError("several statements in one text cannot be sent together with others")
            self._c.begin()
            return self._c.execute_simple(operation)
        return self._c.execute_unnamed(operation)


def _of_kind(error: pg8000.DatabaseError) -> pg8000.Error:
    """Return the server's error as the class that pg8000's cursors raise."""
    fields = error.args[0]
    match fields.get("C") if isinstance(fields, dict) else None:
        case "23505":
            return legacy.IntegrityError(fields)
        case "28000":
            return legacy.InterfaceError(fields)
        case _:
            return legacy.ProgrammingError(fields)
