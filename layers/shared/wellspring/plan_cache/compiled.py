"""A statement as the driver gets it, without the tree that it was made from.

Of a list there are thousands of shapes. The tree of one, with what SQLAlchemy keeps to know it again, is a megabyte in
ten thousand objects, all of which a full garbage collection looks at; its text is some kilobytes in one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

type _Process = Callable[[Any], Any]

# Compiles as the engine's own does: what a server says of itself changes no statement of ours.
_DIALECT: Dialect = PGDialect_pg8000()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects say no types


class Compiled:
    """A single statement, to be executed any number of times.

    Its rows are as the driver gives them: nothing that is read here is of a type that SQLAlchemy would convert. One
    that was put together as text has the names of its columns.
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
        """Return what the driver gets beside the text; `values` are as `execute` takes them."""
        found = ((values.get(name, constant), process) for name, constant, process in self._parameters)
        return tuple(process(value) if process else value for value, process in found)
