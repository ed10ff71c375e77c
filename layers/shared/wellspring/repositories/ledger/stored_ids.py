"""Ids that one statement stores for those behind it in the same flush (docs/adr/0041).

What a page includes depends on its rows, which nobody knows on the client when both are sent. The statement that finds
the rows stores the ids that they point to in settings of the transaction, one for each place that points: a type and
its relationship. A statement behind it reads the places that lead to its type.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    not_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from wellspring.access.predicates import IDS
from wellspring.database.flush import Query, Result, Statement
from wellspring.resources import Resource, resource_of

PLACES = "places"
ONE = literal_column("1", Integer)
_SETTING = literal_column("'wellspring.left_'", Text)


def place(type_: str, relationship: str = "") -> str:
    """Return the place of what rows of a type point to by a relationship, or of the rows themselves."""
    return f"{type_}__{relationship}" if relationship else type_


# Behind a place: what tombstoned rows point to, where who sees such a row need not see that.
ENDED = "__ended"


def _stored_by(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield what rows of a type store: each place, with the column that has its ids."""
    if resource.kept or any(relationship.many for relationship in resource.relationships):
        yield place(resource.type), "id"
    first = {path.partition(".")[0] for path in resource.includes}
    for relationship in resource.to_one:
        # What has no route of its own is included by paths of others that go on from it.
        if relationship.name in first or not resource.route:
            yield place(resource.type, relationship.name), f"{relationship.name}_id"


def stores(resource: Resource) -> bool:
    """Say whether rows of a type store anything: whether anything can be read beside them."""
    return any(_stored_by(resource))


def store_ids(resource: Resource, rows: FromClause) -> ColumnElement[bool]:
    """Return the condition that stores the ids of `rows`; it is true, and looked at once before all rows."""
    ids: dict[str, ColumnElement[Any]] = {name: func.array_agg(rows.c[ids]) for name, ids in _stored_by(resource)}
    for relationship in resource.to_one if resource.tenancy == "any" else ():
        name = place(resource.type, relationship.name)
        if resource_of(relationship.target).tenancy == "membership" and name in ids:
            every, ended = ids[name], rows.c.deleted_at.is_not(None)
            ids |= {name: every.filter(not_(ended)), f"{name}{ENDED}": every.filter(ended)}
    return store_each(ids, rows)


def store_each(ids: Mapping[str, ColumnElement[Any]], rows: FromClause) -> ColumnElement[bool]:
    """Return the condition that stores, by their places, ids that are put together from `rows`; it is true."""
    return select(and_(*(_store(name, each) for name, each in ids.items()))).select_from(rows).scalar_subquery()


def stored_ids(behind: str = "") -> ColumnElement[Any]:
    """Return the array of the ids that were stored in the places of the parameter `PLACES`, or in those behind them."""
    named = func.unnest(bindparam(PLACES, type_=ARRAY(Text))).table_valued(column("name", Text))
    named = named.render_derived(name="place")
    # A setting of an earlier transaction of the session is empty afterwards, not null.
    setting = _SETTING.concat(named.c.name)
    if behind:
        setting = setting.concat(literal_column(f"'{behind}'", Text))
    said = func.nullif(func.current_setting(setting, true()), literal_column("''"))
    return func.array(select(func.unnest(cast(said, IDS))).select_from(named).scalar_subquery())


def store(ids: Mapping[str, Sequence[object]]) -> Query[None]:
    """Return the question that stores ids of rows that are known already, by their places."""
    return Query(Statement(_store_statement(tuple(ids)), dict(ids)), _nothing)


def _store_statement(places: Sequence[str]) -> Select[bool]:
    return select(and_(*(_store(name, bindparam(name, type_=IDS)) for name in places)))


def _nothing(_: Result) -> None:
    return None


def _store(name: str, ids: ColumnElement[Any]) -> ColumnElement[bool]:
    # Names of ours, and no value: the statement's text is the same for all that ask it.
    return func.wellspring.leave_ids(literal_column(f"'{name}'", Text), ids)
