"""Pages that are read parent by parent: heads, then lateral (docs/adr/0002).

The parents that drive a page (the connectors a caller sees, or the records a filter names) each give their first row by
an index on (parent, time, pk). The page can only hold rows of the parents with the smallest heads, so only those are
read further, at most a page each. The cost depends on the number of parents and the page's size, not on the size of the
tenant or of the table, nor on how deep the page is.

Where no single index holds the list's rows (live and dead ones, both directions), those that together do are each read
as far, and their rows merged (docs/adr/0029).
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
from wellspring.models.walks import Walk, declared, pieces
from wellspring.repositories.ledger.building import COUNTED, ONE, PageBuilder
from wellspring.repositories.ledger.columns import (
    LAST_CHARACTER,
    is_walked,
    parent_filters,
    row_filters,
    shown_columns,
    target_table,
)
from wellspring.repositories.ledger.shapes import Shape

# Of how many rows of each head's parent a large page finds out how far it reaches, at least.
SAMPLED = 10


class HeadsThenLateral(PageBuilder):
    """Reads parent by parent, along the indexes on (parent, time, pk)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        filtered = {name for name, _ in shape.conditions}
        # The record comes first in a declaration, so a filter on it wins: one record has few rows.
        drivers = [relationship for relationship in self.resource.to_one if relationship.drives]
        # What is named has fewer rows than what always drives, whichever is declared first.
        drivers.sort(key=lambda relationship: relationship.drives != "named")
        usable = {"always", "named"} if shape.person else {"always", "named", "named_by_service"}
        named = (found for found in drivers if found.name in filtered and found.drives in usable)
        self.leading = next(named, None) or next(found for found in drivers if found.drives == "always")
        self.others = [other for other in self.resource.parents if other is not self.leading]
        # Rows of a message stand together on its connector, at the time when it was processed.
        self.column = "workspace_connector_pk" if self.leading.is_trace else self.leading.column
        self.any_way = self.resource.tenancy == "any"
        self.time = shape.sort.name
        self.walks = pieces(self.table, self.column, self.time, shape.halves, shape.direction)
        self.driver = self._driver()

    @property
    def is_sorted(self) -> bool:
        """Whether some index has the rows of a parent in the list's order."""
        if self.leading.is_trace:
            return self.time == "created_at"
        there = declared(self.table)
        return any(walk.parent == self.column and walk.time == self.time for walk in there)

    def page(self) -> CTE:
        """Return the first rows of the drivers whose heads come first."""
        heads = self._heads()
        # Before the rows of the k-th head stand k - 1 heads at least: so many fewer of them can be on the page.
        most = bindparam("rows", type_=Integer) - heads.c.place + 1
        reach = self._reach(heads) if self.shape.large else None
        found = self._rows_of(heads, most, full=True, reach=reach)
        leading = [] if self.leading.is_trace else [heads.c.id.label(f"{self.leading.name}_id")]
        return (
            select(*found.c, *leading)
            .select_from(heads.join(found, true()))
            .order_by(*self._order(found.c[self.time], found.c.pk, reverse=self.shape.backward))
            .limit(bindparam("rows", type_=Integer))
            .cte("page")
        )

    def row_behind(self) -> Select[Any]:
        """Return the nearest row of each driver at and behind the cursor."""
        nearest = self._rows_of(self.driver, ONE, full=False, behind=True)
        return select(literal_column("1")).select_from(self.driver.join(nearest, true()))

    def any_rows(self) -> Select[Any]:
        """Return the first rows of each driver."""
        rows = self._rows_of(self.driver, COUNTED, full=False)
        return select(rows.c.pk).select_from(self.driver.join(rows, true()))

    def _driver(self) -> CTE:
        """Return the parents that can have rows the caller sees and the filters leave.

        Beside its keys each has what its rows need to know: its workspace, or, where any parent opens a row, whether
        this one does; and whether it is live, where dead rows are asked for, which outlive it.
        """
        table = target_table(self.leading)
        parent = table.alias(self.leading.name)
        seen = self.visible.through(parent, table.name)
        conditions = parent_filters(self.leading, parent, self.shape.conditions)
        if self.leading.is_trace:
            # Forgotten it may be, but not tombstoned.
            where = [parent.c.workspace_connector_pk, parent.c.processed_at, literal_column("true").label("is_live")]
            return (
                select(parent.c.pk, parent.c.id, parent.c.workspace_pk, *where).where(seen, *conditions).cte("driver")
            )
        if (self.shape.deleted == "exclude" and self.leading.guards) or table.name == "workspaces":
            conditions += [parent.c.deleted_at.is_(None)]
        if self.any_way:
            known: ColumnElement[Any] = seen.label("seen")
            # A service sees every row; it may be that its group is gone.
            if self.shape.person or self.shape.deleted == "exclude":
                conditions.append(or_(seen, *self._opened_from_the_other_side(parent)))
        else:
            workspace = workspace_of(parent, table.name)
            known = (cast(null(), BigInteger) if workspace is None else workspace).label("workspace_pk")
            conditions.append(seen)
        is_live = parent.c.deleted_at.is_(None).label("is_live")
        return select(parent.c.pk, parent.c.id, known, is_live).where(*conditions).cte("driver")

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
        first = self._rows_of(self.driver, ONE, full=False)
        order = self._order(first.c[self.time], first.c.pk, reverse=self.shape.backward)
        place = cast(func.row_number().over(order_by=order), Integer).label("place")
        return (
            select(*self.driver.c, place)
            .select_from(self.driver.join(first, true()))
            .order_by(*order)
            .limit(bindparam("rows", type_=Integer))
            .cte("head")
        )

    def _reach(self, heads: CTE) -> ColumnElement[Any]:
        """Return a time that no row of the page lies beyond: as far as a page of some first rows of each head goes.

        They are real rows of the list: where they fill a page, no row beyond the last of that page is on the real one.
        Without it a large page would read a page of each parent.
        """
        rows = bindparam("rows", type_=Integer)
        parents = func.greatest(select(func.count()).select_from(heads).scalar_subquery(), 1)
        sample = self._rows_of(heads, func.greatest(SAMPLED, 2 * rows / parents), full=False, name="sampled")
        at = sample.c[self.time]
        last = (
            select(at)
            .select_from(heads.join(sample, true()))
            .order_by(*self._order(at, sample.c.pk, reverse=self.shape.backward))
            .offset(rows - 1)
            .limit(ONE)
            .scalar_subquery()
        )
        ascending = self._ascending(reverse=self.shape.backward)
        if self.shape.sort.by_name:
            beyond: ColumnElement[Any] = func.chr(LAST_CHARACTER) if ascending else literal_column("''")
        else:
            beyond = literal_column(f"'{'' if ascending else '-'}infinity'::timestamptz")
        # In a sub-query of its own: a coalesce() beside a row's column would keep the index from being used.
        reach = select(func.coalesce(last, beyond).label("at")).cte("reach")
        return select(reach.c.at).scalar_subquery()

    def _rows_of(
        self,
        driver: CTE,
        limit: ColumnElement[int],
        *,
        full: bool,
        behind: bool = False,
        reach: ColumnElement[Any] | None = None,
        name: str = "found",
    ) -> FromClause:
        """Return at most `limit` visible rows of one driver, in the list's order.

        Args:
            driver: whose `pk` the rows belong to.
            limit: how many rows.
            full: all columns of the answer, or only those of the order.
            behind: the rows on the other side of the cursor, it included, instead of those ahead of it.
            reach: a time beyond which no row is wanted.
            name: what to call them.
        """
        name = "behind_row" if behind else name
        reverse = self.shape.backward is not behind
        walked = []
        for walk in self.walks:
            of_named = self._of_named(driver)
            row = self.rows.alias("row") if of_named is None else of_named
            rows = self._walked(walk, row, driver, full=full)
            if self.shape.cursor:
                rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
            if reach is not None:
                at = self._at(row)
                rows = rows.where(at <= reach if self._ascending(reverse=reverse) else at >= reach)
            order = self._order(self._at(row), row.c.pk, reverse=reverse)
            walked.append(rows.correlate(driver).order_by(*order).limit(limit))
        if len(walked) == 1:
            return walked[0].lateral(name)
        return self._merged(walked, limit, reverse=reverse).correlate(driver).lateral(name)

    def _of_named(self, driver: CTE) -> FromClause | None:
        """Return the driver's rows of the parents that a filter names, where these guard nothing; None without one.

        They are few, and found by their parents (OFFSET 0): a walk would pass all the driver's others.
        """
        if self.leading.is_trace and not self.is_sorted:
            # No more than one transaction wrote: they are found by its time, and then sorted.
            row = self.rows.alias("of_message")
            rows = select(row).where(*self._is_of_driver(row, driver)).correlate(driver)
            return rows.offset(literal_column("0", Integer)).subquery("row")
        names = {name for name, operator in self.shape.conditions if operator == "in"}
        named = [other for other in self.others if other.name in names and not other.guards]
        if not named:
            return None
        row = self.rows.alias("of_named")
        statement = select(row).where(*self._is_of_driver(row, driver))
        for relationship in named:
            parent = target_table(relationship).alias(f"named_{relationship.name}")
            pks = select(parent.c.pk).where(*parent_filters(relationship, parent, self.shape.conditions))
            statement = statement.where(row.c[relationship.column] == func.any(func.array(pks.scalar_subquery())))
        return statement.correlate(driver).offset(literal_column("0", Integer)).subquery("row")

    def _is_of_driver(self, row: FromClause, driver: CTE) -> list[ColumnElement[bool]]:
        """Return the conditions that a row belongs to a driver."""
        if not self.leading.is_trace:
            return [row.c[self.column] == driver.c.pk]
        return [
            row.c[self.column] == driver.c.workspace_connector_pk,
            row.c.created_at == driver.c.processed_at,
            row.c[self.leading.column] == driver.c.pk,
        ]

    def _is_of_messages(self, row: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions of a filter on messages, where another parent drives."""
        found = []
        for trace in self.resource.traces:
            message = target_table(trace).alias(f"named_{trace.name}")
            named = parent_filters(trace, message, self.shape.conditions)
            if named and trace is not self.leading:
                seen = self.visible.through(message, target_table(trace).name)
                pks = select(message.c.pk).where(*named, seen).scalar_subquery()
                found.append(row.c[trace.column] == func.any(func.array(pks)))
        return found

    def _walked(self, walk: Walk, row: FromClause, driver: CTE, *, full: bool) -> Select[Any]:
        """Return the visible rows of one driver on one walk."""
        columns: list[ColumnElement[Any]] = [row.c.pk]
        columns += shown_columns(self.resource, row, self.time) if full else [self._at(row).label(self.time)]
        source: FromClause = row
        ways: list[ColumnElement[bool]] = []
        beside = None if self.any_way else driver
        for relationship in self.others:
            parent, is_way, is_needed = self._looked_up(relationship, row, live=bool(walk.live), beside=beside)
            source = source.join(parent, true(), isouter=not is_needed)
            if is_way is not None:
                ways.append(is_way)
            if full:
                columns.append(parent.c.id.label(f"{relationship.name}_id"))
        columns += self._traces(row) if full else []
        rows = (
            select(*columns)
            .select_from(source)
            .where(
                *self._is_of_driver(row, driver),
                *self._is_of_messages(row),
                *is_walked(row, walk, by_its_index=walk in declared(self.table)),
                *row_filters(self.resource, row, self.shape.conditions),
            )
        )
        if walk.live and self.shape.deleted != "exclude":
            rows = rows.where(driver.c.is_live)
        return rows.where(or_(driver.c.seen, *ways)) if self.any_way else rows
