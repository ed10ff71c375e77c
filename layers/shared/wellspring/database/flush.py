"""Several statements in one flush: one round trip for all of them (docs/adr/0019)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

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
    # SQLAlchemy makes of each statement what the driver gets, twice: to know it, then to take its answer. Statements
    # are compiled once, and all that it does with a result is done here too.
    with driver.collecting() as questions:
        for each in asked:
            transaction.execute(each.statement, each.parameters, execution_options=NOTED)
    driver.together(questions)
    try:
        return [transaction.execute(each.statement, each.parameters) for each in asked]
    finally:
        driver.forget_answers()
