"""Pages of a service that names no parent, and of what is for everybody: one walk along an index of all rows.

Never for a person where rows have tenants: how far theirs lie behind others' rows in such an index is for the others to
say.
"""

from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Integer, Select, bindparam, or_, select, true, union_all

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
        # Of what has no such walk the service refuses to list it (`services.reading`).
        walks = pieces(self.table, None, self.shape.sort.name, self.shape.halves, self.shape.direction)
        walked = [self._walked(walk, limit, full=full, behind=behind) for walk in walks]
        if len(walked) == 1:
            return walked[0]
        merged = union_all(*(select(rows.subquery(f"walk_{place}")) for place, rows in enumerate(walked)))
        found = merged.subquery("walked")
        reverse = self.shape.backward is not behind
        return (
            select(found)
            .order_by(*self._order(found.c[self.shape.sort.name], found.c.pk, reverse=reverse))
            .limit(limit)
        )

    def _walked(self, walk: Walk, limit: ColumnElement[int], *, full: bool, behind: bool) -> Select[Any]:
        row = self.rows.alias("row")
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
            .where(*is_walked(row, walk), *row_filters(self.resource, row, self.shape.conditions))
        )
        if ways:
            rows = rows.where(or_(*ways))
        reverse = self.shape.backward is not behind
        if self.shape.cursor:
            rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
        return rows.order_by(*self._order(self._at(row), row.c.pk, reverse=reverse)).limit(limit)
