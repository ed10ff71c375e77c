"""What the statements of all pages have in common: the order, the cursor, and what lies behind it."""

from abc import ABC, abstractmethod
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Select, bindparam, exists, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import Visible
from wellspring.models import table_of
from wellspring.repositories.ledger.columns import attribute_column
from wellspring.repositories.ledger.shapes import Shape


class PageBuilder(ABC):
    """Composes the statement of one shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.resource = shape.resource
        self.table = table_of(shape.resource.table)
        self.visible = Visible(person=shape.person, claimed=shape.claimed)

    def statement(self) -> Select[Any]:
        """Return the whole statement."""
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
        return attribute_column(row, self.shape.sort.name)

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
