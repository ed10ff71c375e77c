"""Server-side plan cache: a statement that is sent often is also a function, whose plan each connection keeps.

It is made with the schema from the statement itself (`plan_cache.functions`) and named by its text's hash. A `Session`
sends the call in the place of the text, below SQLAlchemy's events: whoever watches statements sees the texts. Nothing
is prepared in a session, so that any pooler may stand between (docs/adr/0030).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Self

from pg8000.dbapi import convert_paramstyle
from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

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

    `names` are those of the functions: asked for before the engine's first transaction, and again when one of them has
    gone; None where they are not known.
    """

    names: frozenset[str] | None = None

    def call(self, statement: str, values: int) -> str:
        """Return the call in the place of a statement with so many values; the statement where it is no function's."""
        return _call(statement, values) if self.names and name_of(statement) in self.names else statement


type _Process = Callable[[Any], Any]
# Compiles as the engine's own does: what a server says of itself changes no statement of ours.
_DIALECT: Dialect = PGDialect_pg8000()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects say no types


class Compiled:
    """A single statement as the driver gets it, to be executed any number of times.

    Not the tree that it was made from: of a list there are thousands of shapes, and the tree of one, with what
    SQLAlchemy keeps to know it again, is a megabyte in ten thousand objects. Its rows are as the driver gives them:
    nothing that is read here is of a type that SQLAlchemy would convert. One that was put together as text has the
    names of its columns.
    """

    def __init__(
        self, text: str, parameters: Sequence[tuple[str, Any, _Process | None]], columns: Sequence[str] = ()
    ) -> None:
        self.text, self.columns = text, tuple(columns)
        # In their order; each has its name, the value where it is always the same, and what the driver gets of it.
        self._parameters = parameters

    @classmethod
    def of(cls, statement: Executable) -> Self:
        """Compile a statement of SQLAlchemy's whose text does not depend on its values, as a list in `IN` makes it."""
        compiled: SQLCompiler = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]  # of every clause
        if compiled.post_compile_params:
            raise ValueError(f"the text depends on its values: {compiled.string}")
        bound = [compiled.binds[name] for name in compiled.positiontup or ()]
        processes = (each.type.dialect_impl(_DIALECT).bind_processor(_DIALECT) for each in bound)
        parameters = [(each.key, each.effective_value, of) for each, of in zip(bound, processes, strict=True)]
        return cls(compiled.string, parameters)

    def execute(self, transaction: Connection, values: Mapping[str, object]) -> CursorResult[*tuple[Any, ...]]:
        """Run it; `values` are those of its parameters by their names, and may be more."""
        return transaction.exec_driver_sql(self.text, self.values(values))

    def values(self, values: Mapping[str, object]) -> tuple[object, ...]:
        """Return what the driver gets beside the text."""
        found = ((values.get(name, constant), process) for name, constant, process in self._parameters)
        return tuple(process(value) if process else value for value, process in found)
