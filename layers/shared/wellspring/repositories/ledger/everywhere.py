"""Pages of a service that names no parent, and of what is for everybody: a walk along an index of all rows.

Never for a person where rows have tenants: how far theirs lie behind others' rows in such an index is for the others to
say.
"""

from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Integer, Select, bindparam

from wellspring.models.walks import Walk, declared, pieces
from wellspring.repositories.ledger.building import COUNTED, PageBuilder
from wellspring.repositories.ledger.left import ONE


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
        # Of a filter that has no such walk the service refuses to list all rows (`services.reading`).
        walked = []
        for walk in self._pieces():
            row = self.rows.alias("row")
            walked.append((row, self._of_all_on(walk, row, full=full)))
        return self._first_rows(walked, limit, behind=behind)

    def _pieces(self) -> list[Walk]:
        return pieces(self.table, None, self.shape.sort.name, self.shape.halves, self.shape.direction)

    def _of_all_on(self, walk: Walk, row: FromClause, *, full: bool) -> Select[Any]:
        """Return the visible rows on one walk."""
        return self._walked(walk, row, full=full)
