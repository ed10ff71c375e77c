"""Server-side plan cache.

Most of what Postgres does for a single row is to parse the statement, to write the policies into it and to plan it. A
statement that is sent often is also a function of the schema `planned`, whose plan each server connection keeps. It is
made with the schema from the statement itself (`plan_cache.functions`) and named by its text's hash. A `Session` sends
the call in the place of the text, below SQLAlchemy's events: whoever watches statements sees the texts. A text that is
no function's goes as it is (docs/adr/0030).

Nothing is prepared in a session, so that any pooler may stand between.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from pg8000.dbapi import convert_paramstyle

SCHEMA = "planned"
# Those that this role may call.
FUNCTIONS = (
    f"SELECT proname FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace('{SCHEMA}')"
    " AND has_function_privilege(oid, 'EXECUTE')"
)
# Of the statements that vary with what is asked for, in each cache. Some dozens of shapes are what a function is asked
# for; the rest are rare, and made again.
STATEMENTS_KEPT = 128


@lru_cache(maxsize=STATEMENTS_KEPT)
def name_of(statement: str) -> str:
    """Return the name of the function that a statement, with `%s` for its values, has if it has one."""
    return f"q_{hashlib.sha256(statement.encode()).hexdigest()[:16]}"


@lru_cache(maxsize=STATEMENTS_KEPT)
def numbered(statement: str) -> str:
    """Return a statement with `$1`, `$2` in the place of `%s`; pg8000 looks at each character."""
    found: str = convert_paramstyle("format", statement, ())[0]
    return found


@lru_cache(maxsize=STATEMENTS_KEPT)
def _call(statement: str, values: int) -> str:
    return f"SELECT * FROM {SCHEMA}.{name_of(statement)}({', '.join(['%s'] * values)})"


class PlanCache:
    """The statements that are functions, as one engine knows them.

    They are asked for before the engine's first transaction, and again when one of them has gone.
    """

    def __init__(self) -> None:
        self._names: frozenset[str] | None = None

    @property
    def is_known(self) -> bool:
        """Whether it was found out which functions there are."""
        return self._names is not None

    def learn(self, names: Iterable[str]) -> None:
        """Note the functions that there are."""
        self._names = frozenset(names)

    def forget(self) -> None:
        """Have them asked for again."""
        self._names = None

    def call(self, statement: str, values: int) -> str:
        """Return the call in the place of a statement with so many values; the statement where it is no function's."""
        return _call(statement, values) if self._names and name_of(statement) in self._names else statement
