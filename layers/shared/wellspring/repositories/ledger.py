"""Reading the ledger's objects: one page, one row, and the rows they point to.

A page is read parent by parent ("heads, then lateral"). The parents that drive it (the connectors a caller sees, or
the records a filter names) each give their first row by the index on (parent, created_at, pk); the page can only
hold rows of the parents with the smallest heads, so only those are read further, at most a page each. Its cost
depends on the number of parents and the page's size, not on the size of the tenant or of the table, nor on how deep
the page is (docs/adr/0002).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    RowMapping,
    Select,
    Table,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import VisibleWorkspaces, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import table_of
from wellspring.queries import Filter, ListQuery, Operator, Position, Sort
from wellspring.resources import Relationship, Resource, resource_of

type Row = RowMapping

IDS = ARRAY(PG_UUID(as_uuid=True))


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a sorted list, in its order.

    Attributes:
        rows: `id`, each attribute, and `<relationship>_id` for each relationship.
        more_before: whether visible rows stand before the first.
        more_after: whether visible rows stand after the last.
    """

    rows: list[Row]
    more_before: bool
    more_after: bool


@dataclass(frozen=True, slots=True)
class _Shape:
    """What makes one list statement differ from another; the values are bound later."""

    resource: Resource
    person: bool
    conditions: tuple[tuple[str, Operator], ...]
    sort: Sort
    cursor: bool
    backward: bool


def page(transaction: Transaction, principal: Principal, query: ListQuery, position: Position | None) -> Slice:
    """Read one page of the rows that `principal` sees, in one statement.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        query: what is asked for; its cursor is ignored in favour of `position`.
        position: the row to continue from, or None for the end of the list.
    """
    shape = _Shape(
        resource=query.resource,
        person=isinstance(principal, Person),
        conditions=tuple((condition.name, condition.operator) for condition in query.filters),
        sort=query.sort,
        cursor=position is not None,
        backward=query.backward,
    )
    values: dict[str, object] = {"rows": query.size + 1, **parameters(principal), **_filter_values(query.filters)}
    if position is not None:
        values |= {"cursor_at": position.at, "cursor_id": position.id}
    rows: list[Row] = list(transaction.execute(_page_statement(shape), values).mappings())
    # A page asked for by cursor always has one row, for `behind`; it is empty where nothing lies ahead.
    behind = bool(rows[0]["behind"]) if position is not None else False
    rows = [row for row in rows if row["id"] is not None]
    ahead = len(rows) > query.size
    rows = rows[: query.size]
    if query.backward:
        rows.reverse()
        return Slice(rows, more_before=ahead, more_after=behind)
    return Slice(rows, more_before=behind, more_after=ahead)


def one(transaction: Transaction, principal: Principal, resource: Resource, id_: UUID) -> Row | None:
    """Read the live row with this public id, or None where there is none that `principal` sees."""
    statement = _one_statement(resource, person=isinstance(principal, Person))
    return transaction.execute(statement, {"id": id_, **parameters(principal)}).mappings().one_or_none()


def related(transaction: Transaction, resource: Resource, ids: Sequence[UUID]) -> list[Row]:
    """Read the rows of a parent type that visible rows point to, in the order of their making.

    There is no predicate here: whoever sees a row sees its parents, and `ids` come from visible rows.
    """
    return list(transaction.execute(_related_statement(resource), {"ids": list(ids)}).mappings())


def _filter_values(filters: Sequence[Filter]) -> dict[str, object]:
    return {
        _parameter(condition.name, condition.operator): (
            list(condition.value) if isinstance(condition.value, tuple) else condition.value
        )
        for condition in filters
    }


def _parameter(name: str, operator: Operator) -> str:
    return f"{name}_{operator}"


def _workspace_of(parent: FromClause) -> ColumnElement[int]:
    # A workspace is its own tenant.
    return parent.c.workspace_pk if "workspace_pk" in parent.c else parent.c.pk


def _own_columns(resource: Resource, row: FromClause) -> list[ColumnElement[Any]]:
    return [row.c.id, *(row.c[attribute.name] for attribute in resource.attributes)]


@dataclass(frozen=True, slots=True)
class _Parents:
    """The relationships of a ledger object, one of which drives the reading."""

    driver: Relationship
    others: tuple[Relationship, ...]


def _parents(resource: Resource, filtered: set[str]) -> _Parents:
    """Choose the driver: a parent that the filters name, else the last that can drive (the connector).

    The record comes first in a declaration, so a filter on it wins: one record has few rows.
    """
    drivers = [relationship for relationship in resource.relationships if relationship.drives]
    driver = next((candidate for candidate in drivers if candidate.name in filtered), drivers[-1])
    return _Parents(driver, tuple(other for other in resource.relationships if other is not driver))


class _PageBuilder:
    """Composes the statement of one shape."""

    def __init__(self, shape: _Shape) -> None:
        self.shape = shape
        self.resource = shape.resource
        self.table = table_of(shape.resource.table)
        self.visible = VisibleWorkspaces(person=shape.person)
        named = {name for name, _ in shape.conditions}
        self.parents = _parents(shape.resource, named)
        self.driver = self._driver()

    def statement(self) -> Select[Any]:
        heads = self._heads()
        page = self._page(heads)
        order = self._order(page.c.created_at, page.c.pk, reverse=self.shape.backward)
        columns = [column for column in page.c if column.name != "pk"]
        if not self.shape.cursor:
            return select(*columns).order_by(*order)
        behind = self._rows_behind()
        return select(behind.c.behind, *columns).select_from(behind.outerjoin(page, true())).order_by(*order)

    def _driver(self) -> CTE:
        """Return the parents that the caller sees and the filters leave, with their workspaces."""
        relationship = self.parents.driver
        parent = table_of(resource_of(relationship.target).table).alias(relationship.name)
        return (
            select(parent.c.pk, parent.c.id, _workspace_of(parent).label("workspace_pk"))
            .where(
                parent.c.deleted_at.is_(None),
                self.visible.sees(_workspace_of(parent)),
                *self._parent_filters(relationship, parent),
            )
            .cte("driver")
        )

    def _parent_filters(self, relationship: Relationship, parent: FromClause) -> list[ColumnElement[bool]]:
        return [
            parent.c.id == func.any(bindparam(_parameter(name, operator), type_=IDS))
            for name, operator in self.shape.conditions
            if name == relationship.name
        ]

    def _rows_of(self, driver: CTE, limit: ColumnElement[int], *, full: bool, behind: bool = False) -> FromClause:
        """Return at most `limit` visible rows of one driver, by the index on (driver, created_at, pk).

        Args:
            driver: whose `pk` the rows belong to.
            limit: how many rows.
            full: all columns of the answer, or only those of the order.
            behind: the rows on the other side of the cursor, it included, instead of those ahead of it.
        """
        row = self.table.alias("row")
        columns: list[ColumnElement[Any]] = [row.c.pk]
        columns += _own_columns(self.resource, row) if full else [row.c.created_at]
        source: FromClause = row
        for relationship in self.parents.others:
            parent = self._other_parent(relationship, row, driver)
            source = source.join(parent, true())
            if full:
                columns.append(parent.c.id.label(f"{relationship.name}_id"))
        rows = (
            select(*columns)
            .select_from(source)
            .where(
                row.c[self.parents.driver.column] == driver.c.pk,
                row.c.deleted_at.is_(None),
                *self._row_filters(row),
            )
        )
        reverse = self.shape.backward is not behind
        if self.shape.cursor:
            rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
        order = self._order(row.c.created_at, row.c.pk, reverse=reverse)
        return rows.correlate(driver).order_by(*order).limit(limit).lateral("behind_row" if behind else "found")

    def _other_parent(self, relationship: Relationship, row: FromClause, driver: CTE) -> FromClause:
        """Return one row where the caller sees the parent of `row` and the filters leave it, else none.

        A look-up and not a join (OFFSET 0): the planner cannot know how seldom it says no, and would rather read and
        sort all of a connector's rows than walk them in order until a page is full.
        """
        parent = table_of(resource_of(relationship.target).table).alias(relationship.name)
        workspace = _workspace_of(parent)
        return (
            select(parent.c.id)
            .where(
                parent.c.pk == row.c[relationship.column],
                parent.c.deleted_at.is_(None),
                # Almost always the driver's own workspace, which is known to be visible.
                or_(workspace == driver.c.workspace_pk, self.visible.sees(workspace)),
                *self._parent_filters(relationship, parent),
            )
            .correlate(row, driver)
            .offset(literal_column("0", Integer))
            .lateral(f"seen_{relationship.name}")
        )

    def _row_filters(self, row: FromClause) -> list[ColumnElement[bool]]:
        conditions = []
        for name, operator in self.shape.conditions:
            if self.resource.attribute(name) is None:
                continue
            column = row.c[name]
            value = bindparam(_parameter(name, operator), type_=column.type)
            match operator:
                case "gte":
                    conditions.append(column >= value)
                case "gt":
                    conditions.append(column > value)
                case "lte":
                    conditions.append(column <= value)
                case "lt":
                    conditions.append(column < value)
                case _:
                    conditions.append(column == value)
        return conditions

    def _ascending(self, *, reverse: bool) -> bool:
        return self.shape.sort.descending is reverse

    def _order(
        self, at: ColumnElement[Any], pk: ColumnElement[Any], *, reverse: bool
    ) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        return (at.asc(), pk.asc()) if self._ascending(reverse=reverse) else (at.desc(), pk.desc())

    def _beside_cursor(self, row: FromClause, *, reverse: bool, inclusive: bool) -> ColumnElement[bool]:
        # The cursor carries the public id; its pk is looked up here, so that it never leaves the database.
        mark = self.table.alias("cursor_row")
        pk = (
            select(mark.c.pk)
            .where(mark.c.id == bindparam("cursor_id", type_=PG_UUID(as_uuid=True)))
            .correlate(None)
            .scalar_subquery()
        )
        place = tuple_(row.c.created_at, row.c.pk)
        cursor = tuple_(bindparam("cursor_at", type_=row.c.created_at.type), pk)
        if self._ascending(reverse=reverse):
            return place >= cursor if inclusive else place > cursor
        return place <= cursor if inclusive else place < cursor

    def _heads(self) -> CTE:
        """Return the drivers that can have rows on the page: those with the first heads."""
        first = self._rows_of(self.driver, literal_column("1", Integer), full=False)
        order = self._order(first.c.created_at, first.c.pk, reverse=self.shape.backward)
        place = cast(func.row_number().over(order_by=order), Integer).label("place")
        return (
            select(self.driver.c.pk, self.driver.c.id, self.driver.c.workspace_pk, place)
            .select_from(self.driver.join(first, true()))
            .order_by(*order)
            .limit(bindparam("rows", type_=Integer))
            .cte("head")
        )

    def _page(self, heads: CTE) -> CTE:
        # Before the rows of the k-th head stand k - 1 heads at least: so many fewer of them can be on the page.
        most = bindparam("rows", type_=Integer) - heads.c.place + 1
        found = self._rows_of(heads, most, full=True)
        return (
            select(*found.c, heads.c.id.label(f"{self.parents.driver.name}_id"))
            .select_from(heads.join(found, true()))
            .order_by(*self._order(found.c.created_at, found.c.pk, reverse=self.shape.backward))
            .limit(bindparam("rows", type_=Integer))
            .cte("page")
        )

    def _rows_behind(self) -> CTE:
        """Return one row that says whether the list goes on at the cursor's other side."""
        nearest = self._rows_of(self.driver, literal_column("1", Integer), full=False, behind=True)
        found: Select[Any] = select(literal_column("1")).select_from(self.driver.join(nearest, true()))
        return select(exists(found).label("behind")).cte("behind")


@lru_cache(maxsize=256)
def _page_statement(shape: _Shape) -> Select[Any]:
    return _PageBuilder(shape).statement()


@lru_cache(maxsize=64)
def _one_statement(resource: Resource, *, person: bool) -> Select[Any]:
    visible = VisibleWorkspaces(person=person)
    row = table_of(resource.table).alias("row")
    statement = select(*_own_columns(resource, row)).where(
        row.c.id == bindparam("id", type_=PG_UUID(as_uuid=True)), row.c.deleted_at.is_(None)
    )
    for relationship in resource.relationships:
        parent = table_of(resource_of(relationship.target).table).alias(relationship.name)
        statement = (
            statement.join(parent, parent.c.pk == row.c[relationship.column])
            .where(parent.c.deleted_at.is_(None), visible.sees(_workspace_of(parent)))
            .add_columns(parent.c.id.label(f"{relationship.name}_id"))
        )
    return statement


@lru_cache(maxsize=64)
def _related_statement(resource: Resource) -> Select[Any]:
    table: Table = table_of(resource.table)
    row = table.alias("row")
    statement = select(*_own_columns(resource, row)).where(row.c.id == func.any(bindparam("ids", type_=IDS)))
    for relationship in resource.relationships:
        parent = table_of(resource_of(relationship.target).table).alias(relationship.name)
        statement = statement.outerjoin(parent, parent.c.pk == row.c[relationship.column]).add_columns(
            parent.c.id.label(f"{relationship.name}_id")
        )
    return statement.order_by(row.c.pk)
