"""Several statements in one flush: one round trip for all of them (docs/adr/0019)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

import pg8000
from sqlalchemy import Connection, CursorResult, Dialect, Executable, TextClause
from sqlalchemy.types import NullType

from wellspring.database.pipeline import STATEMENTS_KEPT

# Rows of any columns.
type Answer = CursorResult[*tuple[Any, ...]]

# On the execution of a statement that is only being noted: SQLAlchemy's events meet each statement a second time.
NOTED = {"wellspring_noted": True}


@dataclass(frozen=True, slots=True)
class Asked:
    """One statement of a flush.

    Attributes:
        statement: whatever `Connection.execute` takes; a text holds one statement.
        parameters: its values, once; no list of them.
    """

    statement: Executable
    parameters: Mapping[str, Any] = field(default_factory=dict)


def ahead(transaction: Connection, statement: str, values: Sequence[object]) -> None:
    """Have the next statement preceded by another, in the same flush: it costs no round trip, and its rows are lost.

    Args:
        transaction: the scope to run it in.
        statement: a single one, with `$1`, `$2` for its values.
        values: of any types that pg8000 can send.
    """
    driver: Any = transaction.connection.dbapi_connection
    driver.ahead(statement, values)


def together(transaction: Connection, asked: Sequence[Asked]) -> list[Answer]:
    """Run statements one after the other, sent in one flush; return the result of each.

    A statement sees what the ones before it have written, and none can take a value from another's result: what
    depends on a result is a further flush. The first failure is that of all: what follows it does not run.

    Args:
        transaction: the scope to run them in.
        asked: the statements, in their order. One that makes SQLAlchemy send a second one of its own will not do.

    Raises:
        DBAPIError: SQLAlchemy's, for the statement that failed.
    """
    if len(asked) < 2:  # noqa: PLR2004  (one statement is one flush anyway)
        return [transaction.execute(each.statement, each.parameters) for each in asked]
    driver: Any = transaction.connection.dbapi_connection
    # What the driver gets is made twice: to know it, then to take its answer. Statements are compiled once, and all
    # that SQLAlchemy does with a result is done here too.
    with driver.collecting() as questions:
        for each in asked:
            _note(transaction, driver, each)
    driver.together(questions)
    try:
        return [transaction.execute(each.statement, each.parameters) for each in asked]
    finally:
        driver.forget_answers()


def _note(transaction: Connection, driver: Any, asked: Asked) -> None:
    """Give the driver a statement that it only notes."""
    statement, dialect = asked.statement, transaction.dialect
    is_plain = isinstance(statement, TextClause) and transaction.in_transaction() and not _is_watched(transaction)
    sent, names = _compiled(statement, dialect) if is_plain else (None, ())
    if sent is not None:
        # SQLAlchemy makes the same of it, in five times as long.
        values = tuple(asked.parameters[name] for name in names)
        cursor = driver.cursor()
        # What cannot be noted is told by SQLAlchemy.
        with suppress(pg8000.Error):
            if not any(swapped(cursor, sent, values, None) for swapped in dialect.dispatch.do_execute):
                cursor.execute(sent, values)
            return
    transaction.execute(statement, asked.parameters, execution_options=NOTED)


def _is_watched(transaction: Connection) -> bool:
    return bool(transaction.dispatch.before_cursor_execute)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _compiled(statement: Executable, dialect: Dialect) -> tuple[str | None, tuple[str, ...]]:
    """Return what the driver gets of a text, and which value is in which place; None where one has a type.

    What has no type is sent as it is.
    """
    compiled: Any = cast(TextClause, statement).compile(dialect=dialect)
    if not all(isinstance(value.type, NullType) for value in compiled.binds.values()):
        return None, ()
    return str(compiled), tuple(compiled.positiontup or ())
