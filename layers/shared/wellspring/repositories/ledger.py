"""Reading the ledger's objects: one page, one row, how many there are, and the rows they point to.

A page by `created_at` is read parent by parent ("heads, then lateral"). The parents that drive it (the connectors a
caller sees, or the records a filter names) each give their first row by the index on (parent, created_at, pk); the page
can only hold rows of the parents with the smallest heads, so only those are read further, at most a page each. Its
cost depends on the number of parents and the page's size, not on the size of the tenant or of the table, nor on how
deep the page is (docs/adr/0002). Any other order, or an object that no parent drives, is read whole and sorted.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
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
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import IDS, Visible, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import table_of
from wellspring.queries import Deleted, Filter, ListQuery, Operator, Position, Sort
from wellspring.resources import Relationship, Resource, resource_of

type Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a sorted list, in its order.

    Attributes:
        rows: `id`, each attribute, and `<relationship>_id` for each to-one relationship.
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
    deleted: Deleted
    claimed: bool
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
    shape = _shape(principal, query, cursor=position is not None, backward=query.backward)
    values = {"rows": query.size + 1, **_values(principal, query)}
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


def count(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the rows of the whole list."""
    shape = _shape(principal, query, cursor=False, backward=False)
    return int(transaction.execute(_count_statement(shape), _values(principal, query)).scalar_one())


def one(
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    ids: Mapping[str, UUID],
    *,
    deleted: Deleted = "exclude",
    lock: bool = False,
) -> Row | None:
    """Read one row, or None where there is none that `principal` sees.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        resource: the row's type.
        ids: what the row is known by: `id`, its public id, or relationships with the ids of the parents. Of several
            rows that match, the latest is read.
        deleted: whether a tombstoned row is found.
        lock: whether to keep others from changing it until the transaction ends.
    """
    statement = _one_statement(resource, tuple(ids), deleted, lock=lock, person=isinstance(principal, Person))
    values = {f"{name}_eq": id_ for name, id_ in ids.items()}
    return transaction.execute(statement, values | parameters(principal)).mappings().first()


def related(transaction: Transaction, principal: Principal, resource: Resource, ids: Sequence[UUID]) -> list[Row]:
    """Read the live rows of a type that visible rows point to, in the order of their making.

    Whoever sees a row sees its parents, and `ids` come from visible rows: but a person who made something may belong
    to a workspace that the caller does not see, and is left out then.
    """
    statement = _related_statement(resource, person=isinstance(principal, Person))
    return list(transaction.execute(statement, {"ids": list(ids), **parameters(principal)}).mappings())


def _shape(principal: Principal, query: ListQuery, *, cursor: bool, backward: bool) -> _Shape:
    claims = bool(query.workspaces)
    # Where the workspace is one of the row's own parents, claiming it is filtering by it.
    own = claims and query.resource.relationship("workspace") is not None
    conditions = tuple((condition.name, condition.operator) for condition in query.filters)
    return _Shape(
        resource=query.resource,
        person=isinstance(principal, Person),
        conditions=(*conditions, ("workspace", "in")) if own else conditions,
        deleted=query.deleted,
        claimed=claims and not own,
        sort=query.sort,
        cursor=cursor,
        backward=backward,
    )


def _values(principal: Principal, query: ListQuery) -> dict[str, object]:
    values = parameters(principal, query.workspaces) | _filter_values(query.filters)
    return values | ({_parameter("workspace", "in"): list(query.workspaces)} if query.workspaces else {})


def _filter_values(filters: Sequence[Filter]) -> dict[str, object]:
    return {
        _parameter(condition.name, condition.operator): (
            list(condition.value) if isinstance(condition.value, tuple) else condition.value
        )
        for condition in filters
    }


def _parameter(name: str, operator: Operator) -> str:
    return f"{name}_{operator}"


def _attribute(row: FromClause, name: str) -> ColumnElement[Any]:
    """Return an attribute as the API shows it: a row that was never updated was last updated when it was made."""
    if name == "updated_at":
        return func.coalesce(row.c.updated_at, row.c.created_at)
    return row.c[name]


def own_columns(resource: Resource, row: FromClause) -> list[ColumnElement[Any]]:
    """Return what a row shows of itself: `id` and each attribute."""
    attributes = [_attribute(row, attribute.name).label(attribute.name) for attribute in resource.attributes]
    return [row.c.id, *attributes]


def _is_shown(row: FromClause, deleted: Deleted) -> list[ColumnElement[bool]]:
    match deleted:
        case "exclude":
            return [row.c.deleted_at.is_(None)]
        case "only":
            return [row.c.deleted_at.is_not(None)]
        case "include":
            return []


def _row_filters(
    resource: Resource, row: FromClause, conditions: Sequence[tuple[str, Operator]]
) -> list[ColumnElement[bool]]:
    found = []
    for name, operator in conditions:
        if resource.attribute(name) is None:
            continue
        column = _attribute(row, name)
        value = bindparam(_parameter(name, operator), type_=row.c[name].type)
        match operator:
            case "gte":
                found.append(column >= value)
            case "gt":
                found.append(column > value)
            case "lte":
                found.append(column <= value)
            case "lt":
                found.append(column < value)
            case _:
                found.append(column == value)
    return found


def _parent_filters(
    relationship: Relationship, parent: FromClause, conditions: Sequence[tuple[str, Operator]]
) -> list[ColumnElement[bool]]:
    return [
        parent.c.id == func.any(bindparam(_parameter(name, operator), type_=IDS))
        for name, operator in conditions
        if name == relationship.name
    ]


def _table_of(relationship: Relationship) -> Table:
    return table_of(resource_of(relationship.target).table)


# ---- rows that the caller sees, in no order ------------------------------------------------------------


def _visible_rows(
    resource: Resource,
    row: FromClause,
    visible: Visible,
    conditions: Sequence[tuple[str, Operator]] = (),
    deleted: Deleted = "exclude",
) -> Select[Any]:
    """Return the visible rows of a type: own columns and the parents' ids."""
    statement = select(*own_columns(resource, row)).where(
        *_is_shown(row, deleted), *_row_filters(resource, row, conditions)
    )
    source: FromClause = row
    ways = []
    for relationship in resource.to_one:
        table = _table_of(relationship)
        parent = table.alias(relationship.name)
        filters = _parent_filters(relationship, parent, conditions)
        source = source.join(
            parent, parent.c.pk == row.c[relationship.column], isouter=not relationship.required and not filters
        )
        statement = statement.add_columns(parent.c.id.label(f"{relationship.name}_id")).where(*filters)
        if relationship.required:
            statement = statement.where(parent.c.deleted_at.is_(None))
            ways.append(visible.through(parent, table.name))
    if resource.tenancy == "membership":
        ways.append(visible.through(row, resource.table))
    seen = [or_(*ways)] if resource.tenancy == "any" else ways
    return statement.select_from(source).where(*seen)


@lru_cache(maxsize=64)
def _one_statement(
    resource: Resource, known_by: tuple[str, ...], deleted: Deleted, *, lock: bool, person: bool
) -> Select[Any]:
    row = table_of(resource.table).alias("row")
    visible = Visible(person=person)
    # Time does not tell a row of somebody else's from one that is not there.
    statement = _visible_rows(resource, row, visible, (), deleted).where(*visible.before_all())
    for name in known_by:
        relationship = resource.relationship(name)
        value = bindparam(f"{name}_eq", type_=PG_UUID(as_uuid=True))
        if relationship is None:
            statement = statement.where(row.c.id == value)
        else:
            table = _table_of(relationship)
            statement = statement.where(
                row.c[relationship.column] == select(table.c.pk).where(table.c.id == value).scalar_subquery()
            )
    if "id" not in known_by:
        statement = statement.order_by(row.c.pk.desc()).limit(1)
    return statement.with_for_update(of=row) if lock else statement


@lru_cache(maxsize=64)
def _count_statement(shape: _Shape) -> Select[Any]:
    row = table_of(shape.resource.table).alias("row")
    visible = Visible(person=shape.person, claimed=shape.claimed)
    rows = _visible_rows(shape.resource, row, visible, shape.conditions, shape.deleted)
    return rows.with_only_columns(func.count(), maintain_column_froms=True)


@lru_cache(maxsize=64)
def _related_statement(resource: Resource, *, person: bool) -> Select[Any]:
    table: Table = table_of(resource.table)
    row = table.alias("row")
    statement = select(*own_columns(resource, row)).where(
        row.c.id == func.any(bindparam("ids", type_=IDS)), row.c.deleted_at.is_(None)
    )
    for relationship in resource.to_one:
        parent = _table_of(relationship).alias(relationship.name)
        statement = statement.outerjoin(parent, parent.c.pk == row.c[relationship.column]).add_columns(
            parent.c.id.label(f"{relationship.name}_id")
        )
    visible = Visible(person=person)
    workspace = workspace_of(row, table.name)
    if workspace is not None:
        statement = statement.where(visible.workspace(workspace))
    if resource.tenancy == "membership":
        # A group is shown to who sees an enrolment in it, and can be retrieved by its members.
        statement = statement.add_columns(visible.through(row, table.name).label("is_retrievable"))
    return statement.order_by(row.c.pk)


# ---- pages ---------------------------------------------------------------------------------------------


class _PageBuilder(ABC):
    """Composes the statement of one shape."""

    def __init__(self, shape: _Shape) -> None:
        self.shape = shape
        self.resource = shape.resource
        self.table = table_of(shape.resource.table)
        self.visible = Visible(person=shape.person, claimed=shape.claimed)

    def statement(self) -> Select[Any]:
        page = self.page()
        order = self._order(page.c[self.shape.sort.name], page.c.pk, reverse=self.shape.backward)
        columns = [column for column in page.c if column.name != "pk"]
        if not self.shape.cursor:
            return select(*columns).order_by(*order)
        behind = select(exists(self.row_behind()).label("behind")).cte("behind")
        return select(behind.c.behind, *columns).select_from(behind.outerjoin(page, true())).order_by(*order)

    @abstractmethod
    def page(self) -> CTE:
        """Return the rows of the page, each with its `pk`."""

    @abstractmethod
    def row_behind(self) -> Select[Any]:
        """Return the rows on the cursor's other side, or as many of them as show that there are any."""

    def _ascending(self, *, reverse: bool) -> bool:
        return self.shape.sort.descending is reverse

    def _order(
        self, at: ColumnElement[Any], pk: ColumnElement[Any], *, reverse: bool
    ) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        return (at.asc(), pk.asc()) if self._ascending(reverse=reverse) else (at.desc(), pk.desc())

    def _at(self, row: FromClause) -> ColumnElement[Any]:
        return _attribute(row, self.shape.sort.name)

    def _beside_cursor(self, row: FromClause, *, reverse: bool, inclusive: bool) -> ColumnElement[bool]:
        # The cursor carries the public id; its pk is looked up here, so that it never leaves the database. It is found
        # also where the caller no longer sees its row: a walk must not end because a company was tombstoned.
        found = func.wellspring.place_of(self.table.name, bindparam("cursor_id", type_=PG_UUID(as_uuid=True)))
        pk = select(found).scalar_subquery()
        place = tuple_(self._at(row), row.c.pk)
        cursor = tuple_(bindparam("cursor_at", type_=row.c.created_at.type), pk)
        if self._ascending(reverse=reverse):
            return place >= cursor if inclusive else place > cursor
        return place <= cursor if inclusive else place < cursor


class _WholeSorted(_PageBuilder):
    """Reads all visible rows and sorts them."""

    def page(self) -> CTE:
        """Return the first rows of the sorted list, ahead of the cursor."""
        row = self.table.alias("row")
        rows = self._rows(row).add_columns(row.c.pk)
        if self.shape.cursor:
            rows = rows.where(self._beside_cursor(row, reverse=self.shape.backward, inclusive=False))
        order = self._order(self._at(row), row.c.pk, reverse=self.shape.backward)
        return rows.order_by(*order).limit(bindparam("rows", type_=Integer)).cte("page")

    def row_behind(self) -> Select[Any]:
        """Return the rows at and behind the cursor."""
        row = self.table.alias("row_behind")
        beside = self._beside_cursor(row, reverse=not self.shape.backward, inclusive=True)
        return self._rows(row).where(beside)

    def _rows(self, row: FromClause) -> Select[Any]:
        return _visible_rows(self.resource, row, self.visible, self.shape.conditions, self.shape.deleted)


class _HeadsThenLateral(_PageBuilder):
    """Reads parent by parent, along the index on (parent, created_at, pk)."""

    def __init__(self, shape: _Shape) -> None:
        super().__init__(shape)
        filtered = {name for name, _ in shape.conditions}
        # The record comes first in a declaration, so a filter on it wins: one record has few rows.
        drivers = [relationship for relationship in self.resource.to_one if relationship.drives]
        self.leading = next((candidate for candidate in drivers if candidate.name in filtered), drivers[-1])
        self.others = [other for other in self.resource.to_one if other is not self.leading]
        self.any_way = self.resource.tenancy == "any"
        self.driver = self._driver()

    def page(self) -> CTE:
        """Return the first rows of the drivers whose heads come first."""
        heads = self._heads()
        # Before the rows of the k-th head stand k - 1 heads at least: so many fewer of them can be on the page.
        most = bindparam("rows", type_=Integer) - heads.c.place + 1
        found = self._rows_of(heads, most, full=True)
        return (
            select(*found.c, heads.c.id.label(f"{self.leading.name}_id"))
            .select_from(heads.join(found, true()))
            .order_by(*self._order(found.c.created_at, found.c.pk, reverse=self.shape.backward))
            .limit(bindparam("rows", type_=Integer))
            .cte("page")
        )

    def row_behind(self) -> Select[Any]:
        """Return the nearest row of each driver at and behind the cursor."""
        nearest = self._rows_of(self.driver, literal_column("1", Integer), full=False, behind=True)
        return select(literal_column("1")).select_from(self.driver.join(nearest, true()))

    def _driver(self) -> CTE:
        """Return the parents that can have rows the caller sees and the filters leave.

        Beside its keys each has what its rows need to know: its workspace, or, where any parent opens a row, whether
        this one does.
        """
        table = _table_of(self.leading)
        parent = table.alias(self.leading.name)
        seen = self.visible.through(parent, table.name)
        conditions = [parent.c.deleted_at.is_(None), *_parent_filters(self.leading, parent, self.shape.conditions)]
        if self.any_way:
            known: ColumnElement[Any] = seen.label("seen")
            conditions.append(or_(seen, *self._opened_from_the_other_side(parent)))
        else:
            workspace = workspace_of(parent, table.name)
            known = (literal_column("NULL") if workspace is None else workspace).label("workspace_pk")
            conditions.append(seen)
        return select(parent.c.pk, parent.c.id, known).where(*conditions).cte("driver")

    def _opened_from_the_other_side(self, parent: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions that a parent has rows whose other parents the caller sees."""
        found = []
        for relationship in self.others:
            if relationship.required:
                row, table = self.table.alias("opened"), _table_of(relationship)
                other = table.alias(f"opened_{relationship.name}")
                pks = (
                    select(row.c[self.leading.column])
                    .join(other, other.c.pk == row.c[relationship.column])
                    .where(self.visible.through(other, table.name))
                )
                found.append(parent.c.pk == func.any(func.array(pks.scalar_subquery())))
        return found if self.shape.person else []

    def _heads(self) -> CTE:
        """Return the drivers that can have rows on the page: those with the first heads."""
        first = self._rows_of(self.driver, literal_column("1", Integer), full=False)
        order = self._order(first.c.created_at, first.c.pk, reverse=self.shape.backward)
        place = cast(func.row_number().over(order_by=order), Integer).label("place")
        return (
            select(*self.driver.c, place)
            .select_from(self.driver.join(first, true()))
            .order_by(*order)
            .limit(bindparam("rows", type_=Integer))
            .cte("head")
        )

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
        columns += own_columns(self.resource, row) if full else [row.c.created_at]
        source: FromClause = row
        ways: list[ColumnElement[bool]] = []
        for relationship in self.others:
            parent, is_way, is_needed = self._other_parent(relationship, row, driver)
            source = source.join(parent, true(), isouter=not is_needed)
            if is_way is not None:
                ways.append(is_way)
            if full:
                columns.append(parent.c.id.label(f"{relationship.name}_id"))
        rows = (
            select(*columns)
            .select_from(source)
            .where(
                row.c[self.leading.column] == driver.c.pk,
                *_is_shown(row, self.shape.deleted),
                *_row_filters(self.resource, row, self.shape.conditions),
            )
        )
        if self.any_way:
            rows = rows.where(or_(driver.c.seen, *ways))
        reverse = self.shape.backward is not behind
        if self.shape.cursor:
            rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
        order = self._order(row.c.created_at, row.c.pk, reverse=reverse)
        return rows.correlate(driver).order_by(*order).limit(limit).lateral("behind_row" if behind else "found")

    def _other_parent(
        self, relationship: Relationship, row: FromClause, driver: CTE
    ) -> tuple[FromClause, ColumnElement[bool] | None, bool]:
        """Return the other parent of `row`: nothing where the filters, or the caller's access, do not leave it.

        A look-up and not a join (OFFSET 0): the planner cannot know how seldom it says no, and would rather read and
        sort all of a connector's rows than walk them in order until a page is full.

        Returns:
            The look-up; the condition under which it opens the row, where any parent may; whether there is no row
            without it.
        """
        table = _table_of(relationship)
        parent = table.alias(relationship.name)
        filters = _parent_filters(relationship, parent, self.shape.conditions)
        statement = select(parent.c.id).where(parent.c.pk == row.c[relationship.column], *filters)
        way = None
        if relationship.required:
            statement = statement.where(parent.c.deleted_at.is_(None))
            seen, workspace = self.visible.through(parent, table.name), workspace_of(parent, table.name)
            if self.any_way:
                statement = statement.add_columns(seen.label("seen"))
            elif workspace is not None:
                # Almost always the driver's own workspace, which is known to be visible.
                statement = statement.where(or_(workspace == driver.c.workspace_pk, seen))
        looked_up = (
            statement.correlate(row, driver).offset(literal_column("0", Integer)).lateral(f"seen_{relationship.name}")
        )
        if relationship.required and self.any_way:
            way = looked_up.c.seen
        return looked_up, way, relationship.required or bool(filters)


@lru_cache(maxsize=256)
def _page_statement(shape: _Shape) -> Select[Any]:
    is_driven = shape.sort.name == "created_at" and any(parent.drives for parent in shape.resource.to_one)
    builder = _HeadsThenLateral(shape) if is_driven else _WholeSorted(shape)
    return builder.statement()
