"""Activity of connectors: rows linked and ended, by day or in all, read from the sums a page at a time.

A page goes connector by connector, in the order of their making, and in each from the newest day to the oldest: that is
the order of the sums' index, so that a page costs what it shows (docs/adr/0025).
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    MetaData,
    Select,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.elements import Visible, asked_about
from wellspring.access.predicates import IDS, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import parents
from wellspring.models.base import INFRASTRUCTURE
from wellspring.models.messages import connector_activity
from wellspring.queries import ActivityQuery, Day
from wellspring.repositories.ledger.shapes import Row
from wellspring.resources import DIRECTIONS, records

# A policy would be asked about each sum; the view asks about each connector.
_sums = connector_activity.to_metadata(MetaData(), schema=INFRASTRUCTURE, name="connector_activity_of_caller")
_PLACE = func.wellspring.place_of(parents.workspace_connectors.name, bindparam("place", type_=PG_UUID(as_uuid=True)))
_ROWS = bindparam("rows", type_=Integer)


def activity(
    transaction: Transaction, principal: Principal, query: ActivityQuery, place: Day | None
) -> tuple[list[Row], bool]:
    """Read what the connectors of a query linked and ended, from a place on, in one statement.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        query: what is asked for.
        place: beside which the page lies; None for an end of the list.

    Returns:
        At most `query.size + 1` rows in the order of the reading, and whether there are any at and behind `place`. Each
        has the connector's id and when it was ended, its date (None for all days of the query), and the sums.
    """
    # A connector has as many sums of a day as there are types and directions.
    several = 1 if query.is_summed else len(records()) * len(DIRECTIONS)
    values: dict[str, object] = {"first": query.first, "last": query.last, "rows": (query.size + 1) * several}
    values |= {"workspace": query.workspace} if query.workspace else {"connectors": list(query.connectors)}
    if place is not None:
        values |= {"place": place.connector} | ({} if query.is_summed else {"place_date": place.date})
    make = _summed_statement if query.is_summed else _daily_statement
    statement = make(
        person=isinstance(principal, Person),
        by_workspace=query.workspace is not None,
        placed=place is not None,
        backward=query.backward,
    )
    found = transaction.execute(statement, values | parameters(principal)).mappings().all()
    behind = place is not None and bool(found[0]["behind"])
    return list(_gathered(found))[: query.size + 1], behind


def _gathered(found: Sequence[Row]) -> Iterator[Row]:
    """Yield a row for each connector and day, of neighbouring rows that have a type and a direction each."""
    row: dict[str, Any] = {}
    for sums in found:
        at = {"workspace_connector_id": sums["id"], "date": sums["date"], "deleted_at": sums["deleted_at"]}
        if sums["id"] is not None and not at.items() <= row.items():
            if row:
                yield row
            row = {**at, "linked": _none(), "ended": _none()}
        for name in ("linked", "ended") if sums["type"] is not None else ():
            row[name][sums["type"]][sums["direction"]] = int(sums[name])
    if row:
        yield row


def _none() -> dict[str, dict[str, int]]:
    return {record.type: dict.fromkeys(DIRECTIONS, 0) for record in records()}


def _connectors(*, person: bool, by_workspace: bool) -> CTE:
    """Return the connectors that a query names and the caller sees, live or not: their sums outlive them."""
    connector: FromClause = parents.workspace_connectors
    named: list[ColumnElement[bool]] = []
    if by_workspace:
        workspace = parents.workspaces
        wanted = select(workspace.c.pk).where(workspace.c.id == bindparam("workspace", type_=PG_UUID(as_uuid=True)))
        named.append(connector.c.workspace_pk == wanted.scalar_subquery())
    else:
        connector = asked_about(parents.workspace_connectors, bindparam("connectors", type_=IDS), "deleted_at")
    seen = Visible(person=person).workspace(connector.c.workspace_pk)
    return select(connector.c.pk, connector.c.id, connector.c.deleted_at).where(*named, seen).cte("named")


def _in_range() -> list[ColumnElement[bool]]:
    first, last = (bindparam(name, type_=Date) for name in ("first", "last"))
    return [_sums.c.date >= first, _sums.c.date <= last]


@lru_cache(maxsize=16)
def _daily_statement(*, person: bool, by_workspace: bool, placed: bool, backward: bool) -> Select[Any]:
    named = _connectors(person=person, by_workspace=by_workspace)
    if not placed:
        page = _first_days(
            [_days_of(named, _near(named, [], backward=backward), [], backward=backward)], backward=backward
        )
        return select(*page.c).order_by(*_by_days(page.c.pk, page.c.date, backward=backward))
    place = select(_PLACE).scalar_subquery()
    place_date = bindparam("place_date", type_=Date)
    # The days of the place's own connector are on both sides of it. They are walked by themselves: with an end that is
    # another for each connector the planner expects a day or two of each, and sorts all there are.
    others, date = named.c.pk < place if backward else named.c.pk > place, _sums.c.date
    own = [date > place_date if backward else date < place_date]
    walked = [_days_of(named, [named.c.pk == place], own, backward=backward)]
    walked.append(_days_of(named, _near(named, [others], backward=backward), [], backward=backward))
    page = _first_days(walked, backward=backward)
    at_or_behind = and_(named.c.pk == place, date <= place_date if backward else date >= place_date)
    before = named.c.pk > place if backward else named.c.pk < place
    behind = exists().where(*_of(named.c.pk), or_(before, at_or_behind)).label("behind")
    return _beside(select(behind).cte("behind"), page, *_by_days(page.c.pk, page.c.date, backward=backward))


def _near(named: CTE, which: list[ColumnElement[bool]], *, backward: bool) -> list[ColumnElement[bool]]:
    """Return the conditions of the first connectors whose sums fill a page: no other's are read.

    Args:
        named: the connectors of the query.
        which: the conditions of those that are meant.
        backward: whether the first are the newest.
    """
    order = named.c.pk.desc() if backward else named.c.pk.asc()
    line = select(func.array_agg(aggregate_order_by(named.c.pk, order), type_=ARRAY(BigInteger)).label("pks"))
    pks = select(line.where(*which).cte("line").c.pks).scalar_subquery()
    none: list[ColumnElement[Any]] = [literal_column("0").label("number"), literal_column("0::bigint").label("sums")]
    reached = select(*none).cte("reached", recursive=True)
    number = reached.c.number + literal_column("1")
    some = select(literal_column("1")).where(*_of(pks[number])).limit(_ROWS).correlate(reached).subquery("some")
    counted = select(func.count()).select_from(some).correlate(reached).scalar_subquery()
    further = select(number, reached.c.sums + counted)
    reached = reached.union_all(further.where(reached.c.sums < _ROWS, reached.c.number < func.cardinality(pks)))
    last = pks[select(func.max(reached.c.number)).scalar_subquery()]
    return [*which, named.c.pk >= last if backward else named.c.pk <= last]


def _of(connector: ColumnElement[int]) -> list[ColumnElement[bool]]:
    """Return the conditions on sums of a connector in the range of which something is left."""
    return [_sums.c.workspace_connector_pk == connector, *_in_range(), or_(_sums.c.linked != 0, _sums.c.ended != 0)]


def _days_of(
    named: CTE, which: Sequence[ColumnElement[bool]], more: Sequence[ColumnElement[bool]], *, backward: bool
) -> Select[Any]:
    """Return the first days of connectors, of each at most a page.

    Args:
        named: the connectors of the query.
        which: the conditions of those that are meant.
        more: conditions on their sums.
        backward: whether the first are the oldest.
    """
    columns = [_sums.c[name] for name in ("date", "type", "direction", "linked", "ended")]
    order = _sums.c.date.asc() if backward else _sums.c.date.desc()
    days = select(*columns).where(*_of(named.c.pk), *more).correlate(named).order_by(order).limit(_ROWS).lateral("days")
    return (
        select(named.c.id, named.c.deleted_at, named.c.pk, *days.c)
        .select_from(named.join(days, true()))
        .where(*which)
        .order_by(*_by_days(named.c.pk, days.c.date, backward=backward))
        .limit(_ROWS)
    )


def _first_days(walked: Sequence[Select[Any]], *, backward: bool) -> CTE:
    """Return the page of several walks, of which each gives its own."""
    several = (select(days.subquery(f"walk_{number}")) for number, days in enumerate(walked))
    merged = union_all(*several).subquery("walked")
    order = _by_days(merged.c.pk, merged.c.date, backward=backward)
    return select(merged).order_by(*order).limit(_ROWS).cte("page")


@lru_cache(maxsize=16)
def _summed_statement(*, person: bool, by_workspace: bool, placed: bool, backward: bool) -> Select[Any]:
    named = _connectors(person=person, by_workspace=by_workspace)
    place = select(_PLACE).scalar_subquery()
    ahead = [named.c.pk < place if backward else named.c.pk > place] if placed else []
    order = named.c.pk.desc() if backward else named.c.pk.asc()
    on_page = select(*named.c).where(*ahead).order_by(order).limit(_ROWS).cte("on_page")
    sums = (
        select(
            _sums.c.type,
            _sums.c.direction,
            func.sum(_sums.c.linked).label("linked"),
            func.sum(_sums.c.ended).label("ended"),
        )
        .where(_sums.c.workspace_connector_pk == on_page.c.pk, *_in_range())
        .group_by(_sums.c.type, _sums.c.direction)
        .correlate(on_page)
        .lateral("sums")
    )
    page = (
        select(on_page.c.id, on_page.c.deleted_at, on_page.c.pk, cast(null(), Date).label("date"), *sums.c)
        .select_from(on_page.outerjoin(sums, true()))
        .cte("page")
    )
    by_pk = page.c.pk.desc() if backward else page.c.pk.asc()
    if not placed:
        return select(*page.c).order_by(by_pk)
    behind = exists().where(named.c.pk >= place if backward else named.c.pk <= place).label("behind")
    return _beside(select(behind).cte("behind"), page, by_pk)


def _by_days(
    pk: ColumnElement[int], date: ColumnElement[Any], *, backward: bool
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return (pk.desc(), date.asc()) if backward else (pk.asc(), date.desc())


def _beside(behind: CTE, page: CTE, *order: ColumnElement[Any]) -> Select[Any]:
    """Return the page's rows with what is known of the other side of its place; a row of nulls where it is empty."""
    return select(behind.c.behind, *page.c).select_from(behind.outerjoin(page, true())).order_by(*order)
