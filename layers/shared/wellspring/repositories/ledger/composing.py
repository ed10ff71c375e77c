"""Puts a statement together from SQL text.

What varies with the request is a piece of text with a name. A value is `:name`, with its type behind it where Postgres
cannot tell. What is a comment there is not sent.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from wellspring.database import Compiled
from wellspring.plan_cache import STATEMENTS_KEPT

_VALUE = re.compile(r"(?<![:\w]):([a-z_]\w*+)")
_COMMENT = re.compile(r"--[^\n]*+")
_SPACE = re.compile(r"\s++")
# `row.id AS id`: the name is the column's anyway.
_SAME_NAME = re.compile(r"\b(\w++)\.(\w++) AS \2\b")
# This is read from in several places, and is planned in each of them.
_AS = {"listed": "NOT MATERIALIZED "}


def statement(parts: Mapping[str, str], query: str, columns: Iterable[str]) -> Compiled:
    """Return a statement: queries by name, each of which may read from those before it, and the last query.

    `columns` are the names of what it returns.
    """
    named = ", ".join(f"{name} AS {_AS.get(name, '')}({part})" for name, part in parts.items())
    whole = _SPACE.sub(" ", _COMMENT.sub("", f"WITH {named} {query}" if named else query)).strip()
    whole = _SAME_NAME.sub(r"\1.\2", whole).replace("( ", "(").replace(" )", ")")
    return Compiled(_VALUE.sub("%s", whole), [(name, None, None) for name in _VALUE.findall(whole)], [*columns])


@lru_cache(maxsize=STATEMENTS_KEPT)
def _kept(parts: tuple[tuple[str, str], ...], query: str, columns: tuple[str, ...]) -> Compiled:
    return statement(dict(parts), query, columns)


def kept_statement(parts: Mapping[str, str], query: str, columns: Iterable[str]) -> Compiled:
    """Return the same, composed once for as long as it is asked for often."""
    return _kept((*parts.items(),), query, (*columns,))


def all_of(conditions: Iterable[str]) -> str:
    """Return the condition that all of some hold, if there are any."""
    return " AND ".join(conditions) or "true"
