"""Impact of a connector: live rows by the sums, and records that no other connector brings in.

The newest rows of the connector are looked at, as many as are said; of each record whether there is another live row of
the direction `input`, by an index of those rows alone (docs/adr/0025).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Subquery,
    TableValuedAlias,
    Text,
    bindparam,
    column,
    exists,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.elements import Visible, asked_about
from wellspring.access.predicates import IDS, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import parents, table_of
from wellspring.models.base import instant
from wellspring.models.messages import connector_rows
from wellspring.queries import MAX_EXAMINED, ListQuery, Position
from wellspring.repositories.ledger.columns import own_columns
from wellspring.repositories.ledger.shapes import Row
from wellspring.resources import Resource, ledgers, resource_of

_CONNECTOR = bindparam("connector", type_=PG_UUID(as_uuid=True))
_MOST = literal_column(str(MAX_EXAMINED), Integer)
_MORE = literal_column(str(MAX_EXAMINED + 1), Integer)


@dataclass(frozen=True, slots=True)
class Looked:
    """Records that nobody else brings in, and the rows that were looked at to find them.

    Attributes:
        rows: the records, each with `at`, `row_id` and `row_pk`, the place of its row of provenance.
        first: the place of the first row that was looked at; None where there was none.
        last: that of the last one, where there are more beyond it.
        behind: whether there are rows at and behind the place that the page was asked from.
    """

    rows: list[Row]
    first: Position | None
    last: Position | None
    behind: bool


def live_rows(transaction: Transaction, principal: Principal, connector: UUID) -> list[Row]:
    """Read how many rows of a connector are live, by type and direction, from the sums."""
    statement = _live_rows_statement(person=isinstance(principal, Person))
    return list(transaction.execute(statement, {"connector": connector, **parameters(principal)}).mappings())


def examined(transaction: Transaction, principal: Principal, connector: UUID) -> list[Row]:
    """Look at the newest live rows that brought records in, and count the records that nobody else brings in.

    Returns:
        For each record type that there is: how many records were looked at, how many of them have no other source, and
        whether there are more rows than were looked at.
    """
    statement = _examined_statement(person=isinstance(principal, Person))
    return list(transaction.execute(statement, {"connector": connector, **parameters(principal)}).mappings())


@lru_cache(maxsize=2)
def _live_rows_statement(*, person: bool) -> Select[Any]:
    connector, sums = _seen(Visible(person=person)), connector_rows
    return select(sums.c.type, sums.c.direction, sums.c.live).select_from(
        connector.join(sums, sums.c.workspace_connector_pk == connector.c.pk)
    )


@lru_cache(maxsize=2)
def _examined_statement(*, person: bool) -> CompoundSelect[Any]:
    connector = _seen(Visible(person=person))
    each = []
    for type_ in ledgers():
        rows = _newest(resource_of(type_), connector)
        each.append(select(literal(type_, Text).label("type"), rows.c.record_pk, rows.c.created_at))
    merged = union_all(*each).subquery("merged")
    number = func.row_number().over(order_by=merged.c.created_at.desc()).label("number")
    newest = select(merged, number).order_by(merged.c.created_at.desc()).limit(_MORE).cte("newest")
    is_capped = select(exists().where(newest.c.number == _MORE)).scalar_subquery()
    counted = []
    for type_ in ledgers():
        looked = [newest.c.type == literal(type_, Text), newest.c.number <= _MOST, newest.c.record_pk.is_not(None)]
        told = _told(type_, connector, select(newest.c.record_pk).where(*looked).distinct())
        counted.append(
            select(
                literal(type_, Text).label("type"),
                func.count().label("examined"),
                func.count().filter(told.c.is_sole).label("sole"),
                is_capped.label("is_capped"),
            ).select_from(told)
        )
    return union_all(*counted)


def sole_page(transaction: Transaction, principal: Principal, query: ListQuery, position: Position | None) -> Looked:
    """Read records that nobody but one connector brings in, in the order in which it did so, the latest first.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        query: what is asked for; it names the connector.
        position: the row of provenance beside which the page lies; None for an end of the list.

    Returns:
        At most `query.size + 1` records, and how far was looked for them.
    """
    placed = position is not None
    statement = _sole_statement(
        query.resource,
        person=isinstance(principal, Person),
        claimed=bool(query.workspaces),
        placed=placed,
        backward=query.backward,
    )
    values: dict[str, object] = {"connector": query.sole_source, "rows": query.size + 1, **parameters(principal)}
    values |= {"of_workspaces": list(query.workspaces)} if query.workspaces else {}
    if position is not None:
        values |= {"place": position.pk, "place_at": position.at}
    found = transaction.execute(statement, values).mappings().all()
    ends = found[0]
    first, last = (
        Position(ends[f"{end}_at"], ends[f"{end}_id"], ends[f"{end}_pk"]) if ends[f"{end}_id"] is not None else None
        for end in ("first", "last")
    )
    rows: list[Row] = [row for row in found if row["id"] is not None]
    return Looked(rows, first, last, behind=placed and bool(ends["behind"]))


@lru_cache(maxsize=64)
def _sole_statement(resource: Resource, *, person: bool, claimed: bool, placed: bool, backward: bool) -> Select[Any]:
    ledger, visible = table_of(ledgers()[resource.type].table), Visible(person=person)
    connector = _seen(visible)
    place: tuple[ColumnElement[Any], ...] = ()
    if placed:
        place = (bindparam("place_at", type_=instant), bindparam("place", type_=BigInteger))
    numbered = select(_newest(resource, connector, *place, backward=backward)).cte("numbered")
    table, workspace = table_of(resource.table), parents.workspaces
    of = func.array(
        select(workspace.c.pk)
        .where(workspace.c.id == func.any(bindparam("of_workspaces", type_=IDS)))
        .scalar_subquery()
    )
    looked = [numbered.c.number <= _MOST, numbered.c.record_pk.is_not(None)]
    told = _told(resource.type, connector, select(numbered.c.record_pk).where(*looked).distinct())
    # Each by its key: whatever the planner expects of a function, it does not read all records there are.
    record = (
        select(*own_columns(resource, table), workspace.c.id.label("workspace_id"))
        .select_from(table.join(workspace, workspace.c.pk == table.c.workspace_pk))
        .where(
            table.c.pk == told.c.record_pk,
            table.c.deleted_at.is_(None),
            visible.workspace(table.c.workspace_pk),
            *([table.c.workspace_pk == func.any(of)] if claimed else []),
        )
        .limit(literal_column("1"))
        .lateral("record")
    )
    # A record that the connector brought in several times stands where it last did.
    found = (
        select(*record.c, *_placed(numbered), numbered.c.number)
        .select_from(told.join(numbered, numbered.c.pk == told.c.latest_pk).join(record, true()))
        .where(told.c.is_sole, numbered.c.number <= _MOST)
        .order_by(numbered.c.number)
        .limit(bindparam("rows", type_=Integer))
        .cte("found")
    )
    more = exists().where(numbered.c.number == _MORE)
    first, last = [numbered.c.number == literal_column("1")], [numbered.c.number == _MOST, more]
    places = [
        select(numbered.c[name]).where(*which).scalar_subquery().label(f"{end}_{label}")
        for end, which in (("first", first), ("last", last))
        for name, label in (("created_at", "at"), ("id", "id"), ("pk", "pk"))
    ]
    behind: list[ColumnElement[Any]] = []
    if placed:
        # The other way, and what is at the place itself.
        others = _newest(resource, connector, *place, backward=not backward, most=literal_column("1", Integer))
        at_place = exists().where(ledger.c.pk == place[1], ledger.c.deleted_at.is_(None))
        behind = [or_(exists(select(others.c.pk)), at_place).label("behind")]
    ends = select(*places, *behind).cte("ends")
    return select(*ends.c, *found.c).select_from(ends.outerjoin(found, true())).order_by(found.c.number)


def _placed(numbered: CTE) -> list[ColumnElement[Any]]:
    """Return the place of a row of provenance."""
    return [numbered.c[name].label(label) for name, label in (("created_at", "at"), ("id", "row_id"), ("pk", "row_pk"))]


def _seen(visible: Visible) -> CTE:
    """Return the connector that a query names, where it is live and the caller sees it."""
    connector = asked_about(parents.workspace_connectors, _CONNECTOR, "deleted_at")
    seen = visible.workspace(connector.c.workspace_pk)
    return select(connector.c.pk, connector.c.id).where(connector.c.deleted_at.is_(None), seen).cte("connector")


def _newest(
    resource: Resource,
    connector: CTE,
    at: ColumnElement[Any] | None = None,
    beyond: ColumnElement[Any] | None = None,
    *,
    backward: bool = False,
    most: ColumnElement[int] | None = None,
) -> Subquery:
    """Return the newest live rows by which a connector brought records in, or the oldest, beyond a place.

    Those of a record that the caller does not see have no `record_pk`.
    """
    rows = func.wellspring.rows_of_connector(
        resource.type,
        resource.table,
        _CONNECTOR,
        _MORE if most is None else most,
        null() if at is None else at,
        null() if beyond is None else beyond,
        true() if backward else false(),
    ).table_valued(
        column("pk", BigInteger),
        column("id", PG_UUID(as_uuid=True)),
        column("created_at", instant),
        column("record_pk", BigInteger),
        column("number", BigInteger),
    )
    # Of a connector that the caller does not see nothing is looked at.
    return select(rows).where(exists(select(connector.c.pk))).subquery()


def _told(type_: str, connector: CTE, pks: Select[Any]) -> TableValuedAlias:
    """Return of each record whether nobody else brings it in, and the row by which the connector last did."""
    # Not the id of the request: of a connector that the caller does not see it looks as far as of none.
    seen = select(connector.c.id).scalar_subquery()
    return func.wellspring.sole_of(type_, seen, func.array(pks.scalar_subquery())).table_valued(
        column("record_pk", BigInteger), column("latest_pk", BigInteger), column("is_sole", Boolean)
    )
