"""Statements as SQL text, put together from a few named pieces.

A list is written as text that is read from top to bottom. What varies with the request, such as the conditions of its
filters or who sees what, is a piece: SQLAlchemy's expression where other statements have it too, compiled to text here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    TextualSelect,
    bindparam,
    column,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType, TypeEngine

_NAMED: Dialect = PGDialect_pg8000(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects say no types
# A value's place, with the cast that the dialect writes behind it.
_PLACE = re.compile(r"(?<![:\w]):([a-z_]\w*+)(?:::(?:TIMESTAMP WITH TIME ZONE|[A-Z]++(?:\[\])?))?")
_COMMENT = re.compile(r"--[^\n]*+")
_SPACE = re.compile(r"\s++")
# `row.id AS id`: the name is the column's anyway.
_SAME_NAME = re.compile(r"\b(\w++)\.(\w++) AS \2\b")


class Composer:
    """Puts one statement together, and knows the types of the values in its pieces."""

    def __init__(self) -> None:
        self._types: dict[str, TypeEngine[Any]] = {}

    def piece(self, element: ClauseElement) -> str:
        """Return an expression or a query of SQLAlchemy's as text; a value that is always the same stands in it."""
        compiled = element.compile(dialect=_NAMED)
        constants: dict[str, object] = {}
        for bound, name in compiled.bind_names.items():  # type: ignore[attr-defined]  # of SQL's compiler
            if bound.effective_value is not None:
                constants[name] = bound.effective_value
            elif not isinstance(bound.type, NullType | DateTime):
                # A time has the type of what it is compared with.
                self._types[name] = bound.type

        def place(found: re.Match[str]) -> str:
            return _literal(constants[found[1]]) if found[1] in constants else f":{found[1]}"

        return _SAME_NAME.sub(r"\1.\2", _SPACE.sub(" ", _PLACE.sub(place, str(compiled)))).strip()

    def conditions(self, rows: FromClause, conditions: Iterable[ColumnElement[bool]]) -> list[str]:
        """Return conditions on what a query reads from, each as text; they may hold queries that refer to it."""
        alone: Select[Any] = select(literal_column("1")).select_from(rows)
        head = f"{self.piece(alone)} WHERE "
        found = [self.piece(alone.where(condition)) for condition in conditions]
        if not all(each.startswith(head) for each in found):
            raise ValueError("a condition reads from elsewhere")
        return [each.removeprefix(head) for each in found]

    def statement(self, parts: Mapping[str, str], query: str, columns: Iterable[str]) -> TextualSelect:
        """Return a statement: queries by name, each of which may read from those before it, and the last query."""
        # What is read from in several places is planned in each of them.
        plain = {"listed": " NOT MATERIALIZED"}
        named = ", ".join(f"{name} AS{plain.get(name, '')} ({part})" for name, part in parts.items())
        whole = _SPACE.sub(" ", _COMMENT.sub("", f"WITH {named} {query}" if named else query)).strip()
        places = dict.fromkeys(found[1] for found in _PLACE.finditer(whole))
        bound = text(whole).bindparams(*(bindparam(name, type_=self._types.get(name)) for name in places))
        return bound.columns(*map(column, columns))


def all_of(conditions: Iterable[str]) -> str:
    """Return the condition that all of some hold, if there are any."""
    return " AND ".join(f"({each})" if " OR " in each else each for each in conditions) or "true"


def _literal(value: object) -> str:
    # Of ours, and no client's: words and numbers.
    return "'{}'".format(value.replace("'", "''")) if isinstance(value, str) else str(value)
