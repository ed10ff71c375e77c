"""Puts a statement together from SQL text, and stores ids for those behind it in the same flush.

What varies with the request is a piece of text with a name. A value is `:name`, with its type behind it where Postgres
cannot tell. What is a comment there is not sent.

What the rows of a page point to is stored in settings of the transaction, one for each place that points: a type and
its relationship. A statement behind it reads the places that lead to its type (docs/adr/0041).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from wellspring.database import Compiled
from wellspring.database.flush import Query, Statement
from wellspring.plan_cache import STATEMENTS_KEPT
from wellspring.resources import Resource, resource_of

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


# ---- ids that one statement stores for those behind it ----------------------------------------------------
PLACES = "places"
# Behind a place: what tombstoned rows point to, where who sees such a row need not see that.
ENDED = "__ended"
# Names of ours, and no value: the statement's text is the same for all that ask it.
STORE = "wellspring.leave_ids('{place}', {ids})"
# An array. A setting of an earlier transaction of the session is empty afterwards, not null.
STORED = """
ARRAY(SELECT unnest(nullif(current_setting('wellspring.left_' || place.name{behind}, true), '')::uuid[])
        FROM unnest(:places::TEXT[]) AS place (name))
"""


def place(type_: str, relationship: str = "") -> str:
    """Return the place of what rows of a type point to by a relationship, or of the rows themselves."""
    return f"{type_}__{relationship}" if relationship else type_


def store_ids(resource: Resource, rows: str) -> str:
    """Return the WHERE that stores the ids of `rows` and leaves all in; empty where nothing can be read beside them."""
    ids: dict[str, str] = {}
    if resource.computed or any(relationship.many for relationship in resource.relationships):
        ids[place(resource.type)] = "array_agg(id)"
    first = {path.partition(".")[0] for path in resource.includes}
    for relationship in resource.to_one:
        # What has no route of its own is included by paths of others that go on from it.
        if relationship.name in first or not resource.route:
            name, every = place(resource.type, relationship.name), f"array_agg({relationship.name}_id)"
            ids[name] = every
            if resource.tenancy == "any" and resource_of(relationship.target).tenancy == "membership":
                ids[name] = f"{every} FILTER (WHERE deleted_at IS NULL)"
                ids[f"{name}{ENDED}"] = f"{every} FILTER (WHERE deleted_at IS NOT NULL)"
    return f"WHERE {store_each(ids, rows)}" if ids else ""


def store_each(ids: Mapping[str, str], rows: str) -> str:
    """Return the condition that stores, by their places, ids of `rows`; it is true, and asked once before all rows."""
    each = " AND ".join(STORE.format(place=name, ids=array) for name, array in ids.items())
    return f"(SELECT {each} FROM {rows})"


def stored_ids(behind: str = "") -> str:
    """Return the array of the ids that were stored in the places of the parameter `PLACES`, or in those behind them."""
    return STORED.format(behind=f" || '{behind}'" if behind else "")


# Asks for no caller: they have been shown to the caller, and are shown to nobody.
def store(ids: Mapping[str, Sequence[object]]) -> Query[None]:
    """Return the question that stores ids of rows that are known already, by their places."""
    each = " AND ".join(STORE.format(place=name, ids=f":{name}::UUID[]") for name in ids)
    return Query(Statement(statement({}, f"SELECT {each}", ()), ids), lambda _: None)
