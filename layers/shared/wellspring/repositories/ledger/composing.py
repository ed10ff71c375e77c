"""Puts a statement together from SQL text.

A list is written as text that is read from top to bottom. What varies with the request, such as the conditions of its
filters or who sees what, is a piece of text with a name. A value is `:name`, with its type behind it where Postgres
cannot tell. What is a comment there is not sent.
"""

import re
from collections.abc import Iterable, Mapping

from wellspring.database import Compiled

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


def all_of(conditions: Iterable[str]) -> str:
    """Return the condition that all of some hold, if there are any."""
    return " AND ".join(conditions) or "true"
