"""Several statements in one flush: one round trip for all of them (docs/adr/0019)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, TextClause

from wellspring.database.compiled import Compiled
from wellspring.database.pipeline import STATEMENTS_KEPT

# Rows of any columns.
type Answer = CursorResult[*tuple[Any, ...]]

# On the execution of a statement that is only being noted: SQLAlchemy's events meet each statement a second time.
NOTED = {"wellspring_noted": True}


@dataclass(frozen=True, slots=True)
class Asked:
    """One statement of a flush.

    Attributes:
        statement: whatever `Connection.execute` takes, or one that is compiled; a text holds one statement.
        parameters: its values, once; no list of them.
    """

    statement: Executable | Compiled
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, transaction: Connection) -> Answer:
        """Run it. Raises what SQLAlchemy raises."""
        if isinstance(self.statement, Compiled):
            return self.statement.execute(transaction, self.parameters)
        return transaction.execute(self.statement, self.parameters)


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the rows of an answer, each by the names of its columns."""
    names = tuple(answer.keys())
    return [dict(zip(names, row, strict=True)) for row in answer]


@dataclass(frozen=True, slots=True)
class Question[Result]:
    """One statement that reads, and what its answer says.

    Attributes:
        asked: the statement.
        read: takes the answer and returns the result.
    """

    asked: Asked
    read: Callable[[Answer], Result]

    def answer(self, transaction: Connection) -> Result:
        """Ask it alone."""
        return self.read(self.asked.run(transaction))


class Answered[Result]:
    """The result of a question, once its flush was sent."""

    value: Result


class Flush:
    """Questions that are sent together (`together`): none can take a value from another's result.

    Args:
        transaction: the scope to ask them in.
    """

    def __init__(self, transaction: Connection) -> None:
        self._transaction = transaction
        self._asked: list[tuple[Question[Any], Answered[Any]]] = []

    def ask[Result](self, question: Question[Result]) -> Answered[Result]:
        """Have a question sent with the others; its result is there after `send`."""
        answered: Answered[Result] = Answered()
        self._asked.append((question, answered))
        return answered

    def send(self, *, is_last: bool = False) -> None:
        """Send them in one flush; `is_last` is `together`'s. Raises what `together` raises."""
        answers = together(self._transaction, [question.asked for question, _ in self._asked], is_last=is_last)
        for (question, answered), answer in zip(self._asked, answers, strict=True):
            answered.value = question.read(answer)


def ahead(transaction: Connection, statement: str, values: Sequence[object]) -> None:
    """Have the next statement preceded by another, in the same flush: it costs no round trip, and its rows are lost.

    Args:
        transaction: the scope to run it in.
        statement: a single one, with `$1`, `$2` for its values.
        values: of any types that pg8000 can send.
    """
    driver: Any = transaction.connection.dbapi_connection
    driver.ahead(statement, values)


def together(transaction: Connection, asked: Sequence[Asked], *, is_last: bool = False) -> list[Answer]:
    """Run statements one after the other, sent in one flush; return the result of each.

    A statement sees what the ones before it have written, and none can take a value from another's result: what
    depends on a result is a further flush. The first failure is that of all: what follows it does not run.

    Args:
        transaction: the scope to run them in.
        asked: the statements, in their order. One that makes SQLAlchemy send a second one of its own will not do.
        is_last: whether the work in this transaction asks nothing more. Where it only reads, it ends with them: COMMIT
            takes no round trip of its own (docs/adr/0046), and whatever is asked all the same is refused.

    Raises:
        DBAPIError: SQLAlchemy's, for the statement that failed.
    """
    driver: Any = transaction.connection.dbapi_connection
    if not transaction.in_transaction():
        # As SQLAlchemy would with the first statement: what an engine asks then (`planned.Swap`) comes before all.
        transaction.begin()
    driver.is_last = is_last
    try:
        return _together(transaction, driver, asked)
    finally:
        driver.is_last = False


def _together(transaction: Connection, driver: Any, asked: Sequence[Asked]) -> list[Answer]:
    if len(asked) <= 1:
        # One statement is one flush anyway.
        return [each.run(transaction) for each in asked]
    # SQLAlchemy makes of a statement what the driver gets, twice: to know it, then to take its answer. Of one that is
    # compiled it is known. All that SQLAlchemy does with a result is done here too.
    with driver.collecting() as questions:
        for each in asked:
            _note(transaction, driver, each)
    driver.together(questions)
    try:
        return [each.run(transaction) for each in asked]
    finally:
        driver.forget_answers()


def _note(transaction: Connection, driver: Any, asked: Asked) -> None:
    """Have the driver note a statement."""
    statement = asked.statement
    # SQLAlchemy makes the same of a text, in five times as long, and tells whoever listens.
    if isinstance(statement, TextClause) and ";" not in statement.text and not _is_watched(transaction):
        statement = _compiled(statement)
    if isinstance(statement, Compiled):
        driver.note(statement.text, statement.values(asked.parameters))
    else:
        transaction.execute(statement, asked.parameters, execution_options=NOTED)


def _is_watched(transaction: Connection) -> bool:
    return bool(transaction.dispatch.before_cursor_execute)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _compiled(statement: TextClause) -> Compiled:
    return Compiled(statement)
