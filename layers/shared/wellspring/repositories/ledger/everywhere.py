"""Pages of a service that names no parent: one walk along an index of all live rows by their time.

Never for a person: how far theirs lie behind others' rows in such an index is for the others to say.
"""

from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Integer, Select, bindparam, or_, select, true

from wellspring.models.walks import pieces
from wellspring.repositories.ledger.building import COUNTED, ONE, PageBuilder
from wellspring.repositories.ledger.columns import is_walked, own_columns, row_filters


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
        row = self.table.alias("row")
        # Of what has no such walk the service refuses to list it (`services.reading`).
        (walk,) = pieces(self.table, None, self.shape.sort.name, self.shape.halves, self.shape.direction)
        columns = [row.c.pk, *(own_columns(self.resource, row) if full else [])]
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
            .where(*is_walked(row, walk), *row_filters(self.resource, row, self.shape.conditions))
        )
        if ways:
            rows = rows.where(or_(*ways))
        reverse = self.shape.backward is not behind
        if self.shape.cursor:
            rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
        return rows.order_by(*self._order(self._at(row), row.c.pk, reverse=reverse)).limit(limit)
