"""Pages of a service that names no parent, and of what is for everybody: a walk along an index of all rows.

Never for a person where rows have tenants: how far theirs lie behind others' rows in such an index is for the others to
say.
"""

from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Integer, Select, bindparam, or_, select, true

from wellspring.models.walks import Walk, declared, pieces
from wellspring.repositories.ledger.building import COUNTED, ONE, PageBuilder
from wellspring.repositories.ledger.columns import is_walked, row_filters, shown_columns


class Everywhere(PageBuilder):
    """Reads all rows of the table in their order; those that the caller does not see are passed."""

    @property
    def is_sorted(self) -> bool:
        """Whether indexes of all rows have them in the list's order."""
        shape, there = self.shape, declared(self.table)
        return all(walk in there for walk in pieces(self.table, None, shape.sort.name, shape.halves, shape.direction))

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
        time = self.shape.sort.name
        # Of a filter that has no such walk the service refuses to list all rows (`services.reading`).
        walked = []
        for walk in pieces(self.table, None, time, self.shape.halves, self.shape.direction):
            row = self.rows.alias("row")
            rows = self._walked(walk, row, full=full)
            if self.shape.cursor:
                rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
            walked.append(rows.order_by(*self._order(self._at(row), row.c.pk, reverse=reverse)).limit(limit))
        return walked[0] if len(walked) == 1 else self._merged(walked, limit, reverse=reverse)

    def _walked(self, walk: Walk, row: FromClause, *, full: bool) -> Select[Any]:
        time = self.shape.sort.name
        columns = [row.c.pk, *(shown_columns(self.resource, row, time) if full else [self._at(row).label(time)])]
        source: FromClause = row
        ways: list[ColumnElement[bool]] = []
        for relationship in self.resource.to_one:
            parent, is_way, is_needed = self._looked_up(relationship, row, live=bool(walk.live))
            source = source.join(parent, true(), isouter=not is_needed)
            if is_way is not None:
                ways.append(is_way)
            if full:
                columns.append(parent.c.id.label(f"{relationship.name}_id"))
        rows = (
            select(*columns)
            .select_from(source)
            .where(*is_walked(row, walk, by_its_index=True), *row_filters(self.resource, row, self.shape.conditions))
        )
        return rows.where(or_(*ways)) if ways else rows
