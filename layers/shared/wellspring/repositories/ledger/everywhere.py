"""Pages of a service that names no parent, and of what is for everybody: a walk along an index of all rows.

Never for a person where rows have tenants: how far theirs lie behind others' rows in such an index is for the others to
say.
"""

from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Integer, Select, bindparam, or_, select, true

from wellspring.models.walks import Walk, pieces
from wellspring.repositories.ledger.building import COUNTED, ONE, PageBuilder
from wellspring.repositories.ledger.columns import is_walked, row_filters, shown_columns


class Everywhere(PageBuilder):
    """Reads all rows of the table in their order; those that the caller does not see are passed."""

    def page(self) -> CTE:
        """Return the first rows ahead of the cursor."""
        return self._rows(bindparam("rows", type_=Integer), full=True).cte("page")

    def row_behind(self) -> Select[Any]:
        """Return the nearest row at and behind the cursor."""
        return self._rows(ONE, full=False, behind=True)

    def any_rows(self) -> Select[Any]:
        """Return the newest rows."""
        return self._rows(COUNTED, full=False)

    def _rows(self, limit: ColumnElement[int], *, full: bool, behind: bool = False) -> Select[Any]:
        reverse = self.shape.backward is not behind
        # Of a filter that has no such walk the service refuses to list all rows (`services.reading`).
        walked = []
        for walk in self._pieces():
            row = self.rows.alias("row")
            rows = self._walked(walk, row, full=full)
            if self.shape.cursor:
                rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
            walked.append(rows.order_by(*self._order(self._at(row), row.c.pk, reverse=reverse)).limit(limit))
        return walked[0] if len(walked) == 1 else self._merged(walked, limit, reverse=reverse)

    def _pieces(self) -> list[Walk]:
        return pieces(self.table, None, self.shape.sort.name, self.shape.halves, self.shape.direction)

    def _walked(self, walk: Walk, row: FromClause, *, full: bool) -> Select[Any]:
        time = self.shape.sort.name
        columns = [row.c.pk, *(shown_columns(self.resource, row, time) if full else [self._at(row).label(time)])]
        source: FromClause = row
        ways: list[ColumnElement[bool]] = []
        for relationship in self.resource.parents:
            parent, is_way, is_needed = self._looked_up(relationship, row, live=bool(walk.live))
            source = source.join(parent, true(), isouter=not is_needed)
            if is_way is not None:
                ways.append(is_way)
            if full:
                columns.append(parent.c.id.label(f"{relationship.name}_id"))
        columns += self._traces(row) if full else []
        rows = (
            select(*columns)
            .select_from(source)
            .where(*is_walked(row, walk, by_its_index=True), *row_filters(self.resource, row, self.shape.conditions))
        )
        return rows.where(or_(*ways)) if ways else rows
