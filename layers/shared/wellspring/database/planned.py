"""Statements that the database has planned before: it is sent a function's name in the place of their text.

Most of what Postgres does for a single row is to parse the statement, to write the policies into it and to plan it. A
statement that is sent often is also a function of the schema `planned`, made with the schema from the statement itself
(`migrations.planned`) and named by its text's hash. Here its text is swapped for the call, below SQLAlchemy's events:
whoever watches statements sees the texts. A text that is no function's goes as it is (docs/adr/0030).

Nothing is prepared in a session, so that any pooler may stand between.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import pg8000
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from wellspring.database.pipeline import STATEMENTS_KEPT

SCHEMA = "planned"
# Those that this role may call.
_FUNCTIONS = (
    f"SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace('{SCHEMA}')"
    " AND has_function_privilege(oid, 'EXECUTE')"
)
# There is no such function any more, or it does not return what it did.
STALE = ("42883", "42804")


@lru_cache(maxsize=STATEMENTS_KEPT)
def name_of(statement: str) -> str:
    """Return the name of the function that a statement, with `%s` for its values, has if it has one."""
    return f"q_{hashlib.sha256(statement.encode()).hexdigest()[:16]}"


@lru_cache(maxsize=STATEMENTS_KEPT)
def _call(statement: str, values: int) -> str:
    return f"SELECT * FROM {SCHEMA}.{name_of(statement)}({', '.join(['%s'] * values)})"


def is_stale(error: DBAPIError) -> bool:
    """Say whether a function was not what it was known for: the statement may be tried again, as text."""
    fields = error.orig.args[0] if error.orig and error.orig.args else None
    return isinstance(fields, dict) and fields.get("C") in STALE


class Swap:
    """Swaps the statements of one engine.

    Listens to `connect`, `begin` or `savepoint`, `do_execute` and `handle_error`.

    Which functions there are is asked once, at the beginning of the engine's first transaction, and again when one of
    them has gone.
    """

    def __init__(self) -> None:
        self._known: frozenset[str] | None = None

    def on(self, engine: Engine) -> None:
        """Begin to swap the statements of `engine`."""
        event.listen(engine, "connect", self.connected)
        event.listen(engine, "begin", self.begin)
        event.listen(engine, "savepoint", self.begin)
        event.listen(engine, "do_execute", self.execute)
        event.listen(engine, "handle_error", self.failed)

    def connected(self, driver: Any, *_: object) -> None:
        """Tell a new connection what its cursors are given, for what is sent before a cursor has it."""
        driver.swapped = self.swapped

    def begin(self, transaction: Connection, *_: object) -> None:
        """Find out which functions there are, unless that is known."""
        if self._known is not None:
            return
        # Not through SQLAlchemy: it is nobody's statement.
        driver: Any = transaction.connection.dbapi_connection
        cursor: Any = driver.cursor()
        try:
            cursor.execute(_FUNCTIONS)
            self._known = frozenset(row[0] for row in cursor.fetchall())
        except pg8000.Error:
            # The transaction's own first statement begins one anew, as text; it says so where the server is gone.
            with suppress(pg8000.Error):
                driver.rollback()
        finally:
            cursor.close()

    def execute(self, cursor: Any, statement: str, values: Sequence[object], _context: object) -> bool | None:
        """Send the call in the place of a known text. Return True where it was sent."""
        swapped = self.swapped(statement, len(values))
        if swapped is statement:
            return None
        cursor.execute(swapped, values)
        return True

    def swapped(self, statement: str, values: int) -> str:
        """Return the call in the place of a known text, or the text itself."""
        is_known = self._known and name_of(statement) in self._known
        return _call(statement, values) if is_known else statement

    def failed(self, context: Any) -> None:
        """Forget what is known where it turns out to be stale."""
        original = context.original_exception
        fields = original.args[0] if original.args else None
        if isinstance(fields, dict) and fields.get("C") in STALE:
            self._known = None
