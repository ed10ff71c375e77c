"""Pages of what no parent drives: all visible rows are read and sorted."""

from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Integer, Select, bindparam

from wellspring.repositories.ledger.building import PageBuilder
from wellspring.repositories.ledger.visible import visible_rows
from wellspring.resources import FOLDED


class WholeSorted(PageBuilder):
    """Reads all visible rows and sorts them."""

    def page(self) -> CTE:
        """Return the first rows of the sorted list, ahead of the cursor."""
        row = self.rows.alias("row")
        rows = self._rows(row).add_columns(row.c.pk, *self._sorted_by(row))
        if self.shape.cursor:
            rows = rows.where(self._beside_cursor(row, reverse=self.shape.backward, inclusive=False))
        order = self._order(self._at(row), row.c.pk, reverse=self.shape.backward)
        return rows.order_by(*order).limit(bindparam("rows", type_=Integer)).cte("page")

    def row_behind(self) -> Select[Any]:
        """Return the rows at and behind the cursor."""
        row = self.rows.alias("row_behind")
        beside = self._beside_cursor(row, reverse=not self.shape.backward, inclusive=True)
        return self._rows(row).where(beside)

    def any_rows(self) -> Select[Any]:
        """Return all visible rows."""
        return self._rows(self.rows.alias("row"))

    def _sorted_by(self, row: FromClause) -> list[ColumnElement[Any]]:
        return [row.c[FOLDED]] if self.shape.sort.by_name else []

    def _rows(self, row: FromClause) -> Select[Any]:
        shape = self.shape
        return visible_rows(
            self.resource, row, self.visible, shape.conditions, shape.deleted, direction=shape.direction, leads=True
        )
