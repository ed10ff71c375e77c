"""Pages that are read parent by parent: heads, then lateral (docs/adr/0002).

The parents that drive a page (the connectors a caller sees, or the records a filter names) each give their first row by
the index on (parent, created_at, pk). The page can only hold rows of the parents with the smallest heads, so only those
are read further, at most a page each. The cost depends on the number of parents and the page's size, not on the size of
the tenant or of the table, nor on how deep the page is.
"""

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
)

from wellspring.access.predicates import workspace_of
from wellspring.repositories.ledger.building import PageBuilder
from wellspring.repositories.ledger.columns import is_shown, own_columns, parent_filters, row_filters, target_table
from wellspring.repositories.ledger.shapes import Shape
from wellspring.resources import Relationship


class HeadsThenLateral(PageBuilder):
    """Reads parent by parent, along the index on (parent, created_at, pk)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        filtered = {name for name, _ in shape.conditions}
        # The record comes first in a declaration, so a filter on it wins: one record has few rows.
        drivers = [relationship for relationship in self.resource.to_one if relationship.drives]
        usable = {"always", "named"} if shape.person else {"always", "named", "named_by_service"}
        named = (found for found in drivers if found.name in filtered and found.drives in usable)
        self.leading = next(named, None) or next(found for found in drivers if found.drives == "always")
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
        table = target_table(self.leading)
        parent = table.alias(self.leading.name)
        seen = self.visible.through(parent, table.name)
        conditions = [parent.c.deleted_at.is_(None), *parent_filters(self.leading, parent, self.shape.conditions)]
        if self.any_way:
            known: ColumnElement[Any] = seen.label("seen")
            conditions.append(or_(seen, *self._opened_from_the_other_side(parent)))
        else:
            workspace = workspace_of(parent, table.name)
            known = (cast(null(), BigInteger) if workspace is None else workspace).label("workspace_pk")
            conditions.append(seen)
        return select(parent.c.pk, parent.c.id, known).where(*conditions).cte("driver")

    def _opened_from_the_other_side(self, parent: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions that a parent has rows whose other parents the caller sees."""
        found = []
        for relationship in self.others:
            if relationship.required:
                row, table = self.table.alias("opened"), target_table(relationship)
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
                *is_shown(row, self.shape.deleted),
                *row_filters(self.resource, row, self.shape.conditions),
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
        table = target_table(relationship)
        parent = table.alias(relationship.name)
        filters = parent_filters(relationship, parent, self.shape.conditions)
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
