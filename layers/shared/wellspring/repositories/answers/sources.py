"""Sources of a record: its newest rows, one line for each connector and direction."""

from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.elements import Visible
from wellspring.access.predicates import parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import parents
from wellspring.models.base import direction_enum, instant
from wellspring.models.messages import sync_messages
from wellspring.queries import MAX_SOURCE_ROWS, AnswerQuery, Source
from wellspring.repositories.ledger.shapes import Row
from wellspring.resources import Resource

_PLACE = func.wellspring.place_of(parents.workspace_connectors.name, bindparam("place", type_=PG_UUID(as_uuid=True)))
_MOST = literal_column(str(MAX_SOURCE_ROWS), Integer)
_MORE = literal_column(str(MAX_SOURCE_ROWS + 1), Integer)


def sources(
    transaction: Transaction,
    principal: Principal,
    record: Resource,
    id_: UUID,
    query: AnswerQuery,
    place: Source | None,
) -> tuple[list[Row], bool]:
    """Read the connectors that brought a record in or carried it out, in one statement, the last one first.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        record: the record's type.
        id_: the record's id; the caller is known to see it.
        query: what is asked for.
        place: beside which the page lies; None for an end of the list.

    Returns:
        At most `query.size + 1` rows in the order of the reading, and whether there are any at and behind `place`.
    """
    person = isinstance(principal, Person)
    statement = _statement(record, person=person, placed=place is not None, backward=query.backward)
    values: dict[str, object] = {"record": id_, "rows": query.size + 1, **parameters(principal)}
    if place is not None:
        values |= {"place": place.connector, "place_at": place.at, "place_direction": place.direction}
    found = transaction.execute(statement, values).mappings().all()
    behind = place is not None and bool(found[0]["behind"])
    return [row for row in found if row["workspace_connector_id"] is not None], behind


@lru_cache(maxsize=32)
def _statement(record: Resource, *, person: bool, placed: bool, backward: bool) -> Select[Any]:
    source = _sources(record, person=person)
    order = [source.c.last_at, source.c.pk, cast(source.c.direction, Text)]
    by = [column.asc() if backward else column.desc() for column in order]
    if not placed:
        page = select(*source.c).order_by(*by).limit(bindparam("rows", type_=Integer)).cte("page")
        return select(*page.c).order_by(*_again(page, backward=backward))
    place = tuple_(
        bindparam("place_at", type_=source.c.last_at.type),
        select(_PLACE).scalar_subquery(),
        bindparam("place_direction", type_=Text),
    )
    at = tuple_(*order)
    ahead = at > place if backward else at < place
    page = select(*source.c).where(ahead).order_by(*by).limit(bindparam("rows", type_=Integer)).cte("page")
    behind = select(exists().where(at <= place if backward else at >= place).label("behind")).cte("behind")
    beside = select(behind.c.behind, *page.c).select_from(behind.outerjoin(page, true()))
    return beside.order_by(*_again(page, backward=backward))


def _again(page: CTE, *, backward: bool) -> list[ColumnElement[Any]]:
    order = [page.c.last_at, page.c.pk, cast(page.c.direction, Text)]
    return [column.asc() if backward else column.desc() for column in order]


def _sources(record: Resource, *, person: bool) -> CTE:
    """Return a line for each connector and direction, of the record's newest rows that the caller sees."""
    connector, message = parents.workspace_connectors.alias("connector"), sync_messages
    id_ = bindparam("record", type_=PG_UUID(as_uuid=True))
    newest = select(
        func.wellspring.rows_of_record(record.type, record.table, id_, _MORE).table_valued(
            column("workspace_connector_pk", BigInteger),
            column("direction", direction_enum),
            column("created_at", instant),
            column("deleted_at", instant),
            column("sync_message_pk", BigInteger),
            column("number", BigInteger),
        )
    ).cte("newest")
    told = (
        select(
            newest.c.workspace_connector_pk,
            newest.c.direction,
            newest.c.sync_message_pk,
            func.min(newest.c.created_at).label("first_at"),
            func.max(newest.c.created_at).label("last_at"),
            func.count().label("rows"),
            func.count().filter(newest.c.deleted_at.is_(None)).label("live"),
        )
        .select_from(newest.join(connector, connector.c.pk == newest.c.workspace_connector_pk))
        .where(
            newest.c.number <= _MOST,
            or_(connector.c.deleted_at.is_(None), newest.c.deleted_at.is_not(None)),
            Visible(person=person).workspace(connector.c.workspace_pk),
        )
        .group_by(newest.c.workspace_connector_pk, newest.c.direction, newest.c.sync_message_pk)
        .cte("told")
    )
    is_capped = select(exists().where(newest.c.number == _MORE)).scalar_subquery()
    # Each by its key: whatever the planner expects of a function, it does not read all messages there are.
    occurred_at = select(message.c.occurred_at).where(message.c.pk == told.c.sync_message_pk).scalar_subquery()
    grouped = (connector.c.pk, connector.c.id, connector.c.deleted_at, told.c.direction)
    return (
        select(
            connector.c.pk,
            connector.c.id.label("workspace_connector_id"),
            connector.c.deleted_at,
            told.c.direction,
            func.min(told.c.first_at).label("first_at"),
            func.max(told.c.last_at).label("last_at"),
            func.max(occurred_at, type_=DateTime(timezone=True)).label("last_occurred_at"),
            cast(func.sum(told.c.rows), Integer).label("rows"),
            cast(func.sum(told.c.live), Integer).label("live"),
            is_capped.label("rows_is_capped"),
        )
        .select_from(told.join(connector, connector.c.pk == told.c.workspace_connector_pk))
        .group_by(*grouped)
        .cte("source")
    )
