"""Puts a statement together from SQL text.

A list is written as text that is read from top to bottom. What varies with the request, such as the conditions of its
filters or who sees what, is a piece of text with a name. What is a comment there is not sent.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import DateTime, TextualSelect, bindparam, column, text
from sqlalchemy.types import TypeEngine

from wellspring.access.predicates import TYPES

_VALUE = re.compile(r"(?<![:\w]):([a-z_]\w*+)")
_COMMENT = re.compile(r"--[^\n]*+")
_SPACE = re.compile(r"\s++")
# `row.id AS id`: the name is the column's anyway.
_SAME_NAME = re.compile(r"\b(\w++)\.(\w++) AS \2\b")
# What is read from in several places and is planned in each of them.
_PLANNED_IN_PLACE = ("listed",)


class Composer:
    """Puts one statement together, and knows the types of its values."""

    def __init__(self) -> None:
        self._types: dict[str, TypeEngine[Any]] = dict(TYPES)

    def value(self, name: str, type_: TypeEngine[Any]) -> str:
        """Return the place of a value. A time has the type of what it is compared with."""
        if not isinstance(type_, DateTime):
            self._types[name] = type_
        return f":{name}"

    def statement(self, parts: Mapping[str, str], query: str, columns: Iterable[str]) -> TextualSelect:
        """Return a statement: queries by name, each of which may read from those before it, and the last query."""
        named = ", ".join(
            f"{name} AS {'NOT MATERIALIZED ' if name in _PLANNED_IN_PLACE else ''}({part})"
            for name, part in parts.items()
        )
        whole = _SPACE.sub(" ", _COMMENT.sub("", f"WITH {named} {query}" if named else query)).strip()
        whole = _SAME_NAME.sub(r"\1.\2", whole).replace("( ", "(").replace(" )", ")")
        places = dict.fromkeys(_VALUE.findall(whole))
        bound = text(whole).bindparams(*(bindparam(name, type_=self._types.get(name)) for name in places))
        return bound.columns(*map(column, columns))


def all_of(conditions: Iterable[str]) -> str:
    """Return the condition that all of some hold, if there are any."""
    return " AND ".join(conditions) or "true"
