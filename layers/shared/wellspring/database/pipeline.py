"""The protocol between a `Session` and the server: pg8000's, with one flush where pg8000 sends four (docs/adr/0019).

pg8000 sends BEGIN on its own, and a statement in three parts that each wait for an answer. Here everything that a
statement needs leaves in one flush, before one Sync. This is the one file that touches what is pg8000's own.

Source: the PostgreSQL manual, "Message Flow" (Extended Query, Pipelining) and "Message Formats".
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

import pg8000
from pg8000 import legacy
from pg8000.converters import make_params, string_in
from pg8000.core import Context

from wellspring.database.session import Session, WireStatement
from wellspring.database.wire import Wire
from wellspring.plan_cache import STATEMENTS_KEPT, PlanCache, numbered

# Of the columns that a statement returns.
type Adapters = list[Callable[[str], Any]]

_COUNT = Struct("!H")
_INT = Struct("!i")
# A column: its table, its number there, its type, the type's size and modifier, the format of its values.
_COLUMN = Struct("!ihihih")
_NULL = _INT.pack(-1)
# ParseComplete, BindComplete and NoData, which say nothing else: half of all messages.
_SAY_NOTHING = (b"1", b"2", b"n")
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
def _parse(text: str, encoding: str) -> bytes:
    """Return the message that has a statement parsed, without a name: one that has a name pins RDS Proxy."""
    return _message(b"P", b"\0" + text.encode(encoding) + b"\0" + _COUNT.pack(0))


def _bind(values: Iterable[str | None], encoding: str) -> bytes:
    """Return the message that gives the parsed statement its values, all of them as text."""
    encoded = [None if value is None else value.encode(encoding) for value in values]
    parts = [_NULL if value is None else _INT.pack(len(value)) + value for value in encoded]
    return _message(b"B", b"\0\0\0\0" + _COUNT.pack(len(parts)) + b"".join(parts) + b"\0\0")


_BIND_NOTHING = _bind((), "ascii")


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
    """Return the values of a DataRow; pg8000 takes half as long again."""
    row: list[Any] = []
    at = _COUNT.size
    for adapt in adapters:
        size = _INT.unpack_from(data, at)[0]
        at += _INT.size
        if size < 0:
            row.append(None)
        else:
            text = str(data[at : at + size], encoding)
            at += size
            row.append(text if adapt is string_in else adapt(text))
    return row


class Part(NamedTuple):
    """A statement's messages, and what takes in the answer to them."""

    messages: bytes
    context: Context


class PipelinedConnection(legacy.Connection):  # type: ignore[misc]  # pg8000 ships no types
    """A connection of pg8000's that sends what its `Session` says; of `legacy`, which SQLAlchemy knows.

    A server that says nothing for as long as `deadline.within` allows is a lost connection. When an exception comes
    between a question and the end of its answer, the connection is closed: what is left of the answer must not be taken
    for that of the next question. `options` are pg8000's, the others the `Session`'s.
    """

    autocommit: bool
    _usock: Any
    _transaction_status: bytes | None

    def __init__(self, *, plan_cache: PlanCache | None = None, pipelining: bool = True, **options: Any) -> None:
        self._wire: Wire | None = None
        # What the connection was given up for.
        self._met: BaseException | None = None
        self.session = Session(self, plan_cache, pipelining=pipelining)
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

    @property
    def is_open(self) -> bool:
        """Whether the connection was neither closed nor given up."""
        return self._wire is not None

    @property
    def in_transaction(self) -> bool:
        """Whether the server said so with its last answer; also of a transaction that has failed."""
        return bool(self._in_transaction)

    def cursor(self) -> "PipelinedCursor":
        """Return a cursor, as the DB-API has it."""
        return PipelinedCursor(self)

    def commit(self) -> None:
        """Commit, as `Session.end` does."""
        self.session.end("commit")

    def rollback(self) -> None:
        """Roll back, as `Session.end` does."""
        self.session.end("rollback")

    def close(self) -> None:
        """Say goodbye and close. A server that is gone cannot be told; that is no failure of closing."""
        with suppress(pg8000.InterfaceError):
            super().close()

    def part(self, statement: WireStatement, *, describe: bool = True) -> Part:
        """Return the messages that run a statement; where it is not described, no rows of it come back."""
        encoding, text = self._client_encoding, statement.text
        parse = _parse(numbered(text) if statement.values else text, encoding)
        bind = _bind(make_params(self.py_types, statement.values), encoding) if statement.values else _BIND_NOTHING
        return Part(parse + bind + (_DESCRIBE if describe else b"") + _EXECUTE, Context(text))

    def exchange(self, parts: Sequence[Part], sync: bytes = _SYNC) -> None:
        """Send statements before one Sync, and take in the answers up to ReadyForQuery.

        Where one fails, the error is raised and is in its context, and no other context is whole: pg8000's
        `DatabaseError`, with the server's fields in `args[0]`, or `InterfaceError` of a lost or closed connection.
        """
        contexts, wire = [part.context for part in parts], self._wire
        if wire is None:
            raise pg8000.InterfaceError("connection is closed") from self._met
        rows: list[tuple[Context, Adapters, bytes]] = []
        try:
            wire.write(b"".join((*(part.messages for part in parts), sync)))
            wire.flush()
            self._transaction_status = self._answers(wire, contexts, rows)
        except BaseException as error:
            self._give_up(error)
            if not isinstance(error, OSError):
                raise
            met = [context.error for context in contexts if context.error is not None]
            raise pg8000.InterfaceError(LOST) from (*met, error)[0]
        for context in contexts:
            if context.error is not None:
                raise context.error
        # Not until the whole answer is there: an adapter may fail.
        for context, adapters, row in rows:
            context.rows.append(_row(row, adapters, self._client_encoding))

    def query(self, text: str) -> Context:
        """Run a text, which may hold several statements, as a simple query; raises as `exchange` does."""
        part = Part(_message(b"Q", text.encode(self._client_encoding) + b"\0"), Context(text))
        # It has its own Sync.
        self.exchange([part], b"")
        return part.context

    def _answers(self, wire: Wire, contexts: Sequence[Context], rows: list[tuple[Context, Adapters, bytes]]) -> bytes:
        """Read messages until the server is ready; return the status of the transaction."""
        remaining, adapters = iter(contexts), list[Callable[[str], Any]]()
        context, last = next(remaining), contexts[-1]
        while True:
            kind, content = wire.message()
            if kind in _SAY_NOTHING:
                continue
            if kind == b"Z":
                return content
            if kind == b"D":
                if context.columns is not None:
                    rows.append((context, adapters, content))
            elif kind == b"T":
                context.columns = _columns(content, self._client_encoding)
                adapters = [self.pg_types[column["type_oid"]] for column in context.columns]
                context.rows = context.rows or []
            else:
                self.message_types[kind](content, context)
                if kind in _ENDS_OF_STATEMENTS and context is not last:
                    context = next(remaining)

    def _give_up(self, met: BaseException) -> None:
        self._transaction_status = None
        self._met = met
        connected, self._wire, self._usock = self._usock, None, None
        connected.close()


class PipelinedCursor(legacy.Cursor):  # type: ignore[misc]  # pg8000 ships no types
    """A cursor of a `PipelinedConnection`."""

    def execute(self, operation: str, args: Sequence[object] = ()) -> "PipelinedCursor":
        """Run a statement with `%s` for its values, or a text without values that may hold several statements.

        Raises as `PipelinedConnection.exchange` does: what a refusal means `sqlstate` alone says.
        """
        if self._c is None:
            raise pg8000.InterfaceError("Cursor closed")
        self._context = self._c.session.run(WireStatement(operation, tuple(args)))
        self._row_iter = iter(self._context.rows or ())
        return self
