"""Pages of what no parent drives: all visible rows are read and sorted."""

from typing import Any

from sqlalchemy import ColumnElement, Select, text

from wellspring.repositories.ledger.building import COUNTED, PageBuilder
from wellspring.repositories.ledger.visible import visible_rows
from wellspring.resources import FOLDED


class WholeSorted(PageBuilder):
    """Reads all visible rows and sorts them."""

    def page(self) -> str:
        """Return the query of the first rows of the sorted list, ahead of the cursor."""
        reverse = self.shape.backward
        rows = self._rows().add_columns(self.row.c.pk, *self._sorted_by())
        if self.shape.cursor:
            rows = rows.where(text(self._beside_cursor(reverse=reverse, inclusive=False)))
        return f"{self.sql.piece(rows)} ORDER BY {self._order(self._at, 'row.pk', reverse=reverse)} LIMIT :rows"

    def row_behind(self) -> str:
        """Return the query of the rows at and behind the cursor."""
        beside = self._beside_cursor(reverse=not self.shape.backward, inclusive=True)
        return self.sql.piece(self._rows().where(text(beside)))

    def any_rows(self) -> str:
        """Return the query of visible rows."""
        return f"{self.sql.piece(self._rows())} LIMIT {COUNTED}"

    def _sorted_by(self) -> list[ColumnElement[Any]]:
        return [self.row.c[FOLDED]] if self.shape.sort.by_name else []

    def _rows(self) -> Select[Any]:
        shape = self.shape
        return visible_rows(
            self.resource,
            self.row,
            self.visible,
            shape.conditions,
            shape.deleted,
            direction=shape.direction,
            leads=True,
        )
