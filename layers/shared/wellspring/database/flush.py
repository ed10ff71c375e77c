"""Several statements in one flush: one round trip for all of them (docs/adr/0019)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from wellspring.database.session import WireStatement, session_of
from wellspring.plan_cache import STATEMENTS_KEPT, Compiled

# Rows of any columns.
type Result = CursorResult[*tuple[Any, ...]]
# A row by the names of its columns, of either kind below.
type Row = Mapping[Any, Any]
type TextValue = str | int | float | list[Any] | dict[str, Any] | None


class TextRow(dict[str, TextValue]):
    """What a document is made of: ids and times as Postgres writes them (docs/adr/0043)."""


class ValueRow(dict[str, Any]):
    """What a lock or a write reads: ids are `UUID`s and times are `datetime`s, to be compared and written."""


def text_rows(result: Result) -> list[TextRow]:
    """Return the rows of a statement that casts ids and times to text, by the names of their columns."""
    names = tuple(result.keys())
    return [TextRow(zip(names, row, strict=True)) for row in result]


def value_row(result: Result) -> ValueRow | None:
    """Return the one row of a statement that locks or writes, by the names of its columns; None where it has none."""
    found = result.mappings().one_or_none()
    return None if found is None else ValueRow(found)


_compiled = lru_cache(maxsize=STATEMENTS_KEPT)(Compiled.of)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a flush, as `Connection.execute` takes it or compiled, and its values: once, no list of them."""

    statement: Executable | Compiled
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, transaction: Connection) -> Result:
        """Run it. Raises what SQLAlchemy raises."""
        if isinstance(self.statement, Compiled):
            return self.statement.execute(transaction, self.parameters)
        return transaction.execute(self.statement, self.parameters)

    def on_the_wire(self) -> WireStatement:
        """Return what SQLAlchemy gives the driver when it runs it."""
        compiled = self.statement if isinstance(self.statement, Compiled) else _compiled(self.statement)
        return WireStatement(compiled.text, compiled.values(self.parameters))


@dataclass(frozen=True, slots=True)
class Query[Value]:
    """One statement that reads, and what takes its result and returns what that says."""

    statement: Statement
    read: Callable[[Result], Value]

    def run(self, transaction: Connection) -> Value:
        """Ask it alone."""
        return self.read(self.statement.run(transaction))


class Pending[Value]:
    """What a query has found, once its flush was sent."""

    value: Value


class Flush:
    """Queries that are sent together: none can take a value from another's result."""

    def __init__(self, transaction: Connection) -> None:
        self._transaction = transaction
        self._asked: list[tuple[Query[Any], Pending[Any]]] = []

    def ask[Value](self, query: Query[Value]) -> Pending[Value]:
        """Have a query sent with the others; what it finds is there after `send`."""
        pending: Pending[Value] = Pending()
        self._asked.append((query, pending))
        return pending

    def send(self, *, is_last: bool = False) -> None:
        """Send them as `execute_pipelined` does."""
        results = execute_pipelined(self._transaction, [query.statement for query, _ in self._asked], is_last=is_last)
        for (query, pending), result in zip(self._asked, results, strict=True):
            pending.value = query.read(result)


def execute_pipelined(
    transaction: Connection, statements: Sequence[Statement], *, is_last: bool = False
) -> list[Result]:
    """Run statements one after the other, sent in one flush; return the result of each.

    `is_last`: the work in this transaction asks nothing more. Where it only reads, it ends with them: COMMIT takes no
    round trip of its own (docs/adr/0046), and whatever is asked all the same is refused.

    Raises SQLAlchemy's `DBAPIError` for the first that failed: what follows it does not run.
    """
    if not statements:
        return []
    # SQLAlchemy runs what was sent already: it converts, raises and tells who listens as ever.
    with session_of(transaction).pipelined([each.on_the_wire() for each in statements], is_last=is_last):
        return [each.run(transaction) for each in statements]
