"""What the statements of all pages have in common: the order, the cursor, and what lies behind it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import Visible, workspace_of
from wellspring.models import listed_from, table_of
from wellspring.queries import MAX_TOTAL
from wellspring.repositories.ledger.columns import attribute_column, outlives, parent_filters, target_table
from wellspring.repositories.ledger.shapes import Shape
from wellspring.resources import Relationship

ONE = literal_column("1", Integer)
# How many rows are read to say that there are more than are counted.
COUNTED = literal_column(str(MAX_TOTAL + 1), Integer)


class PageBuilder(ABC):
    """Composes the statement of one shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.resource = shape.resource
        self.table = table_of(shape.resource.table)
        self.rows: FromClause = listed_from(shape.resource)
        direct = shape.resource.tenancy == "direct"
        self.visible = Visible(person=shape.person, claimed=shape.claimed, direct=direct)

    def statement(self) -> Select[Any]:
        """Return the whole statement."""
        page = self.page()
        order = self._order(page.c[self.shape.sort.name], page.c.pk, reverse=self.shape.backward)
        columns = [column for column in page.c if column.name != "pk"]
        if not self.shape.cursor:
            return select(*columns).order_by(*order)
        behind = select(exists(self.row_behind()).label("behind")).cte("behind")
        return select(behind.c.behind, *columns).select_from(behind.outerjoin(page, true())).order_by(*order)

    def count(self) -> Select[Any]:
        """Return the statement that counts the list's rows, as far as they are counted."""
        rows = self.any_rows().limit(COUNTED).subquery("counted")
        return select(func.count()).select_from(rows)

    @abstractmethod
    def any_rows(self) -> Select[Any]:
        """Return the list's rows, in any order; not all of them where there are more than are counted."""

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
        cursor = tuple_(bindparam("cursor_at", type_=row.c[self.shape.sort.name].type), pk)
        if self._ascending(reverse=reverse):
            return place >= cursor if inclusive else place > cursor
        return place <= cursor if inclusive else place < cursor

    def _merged(self, walked: Sequence[Select[Any]], limit: ColumnElement[int], *, reverse: bool) -> Select[Any]:
        """Return the first rows of several walks, each of which gives its own first ones."""
        several = (select(rows.subquery(f"walk_{place}")) for place, rows in enumerate(walked))
        merged = union_all(*several).subquery("walked")
        order = self._order(merged.c[self.shape.sort.name], merged.c.pk, reverse=reverse)
        return select(merged).order_by(*order).limit(limit)

    def _looked_up(
        self, relationship: Relationship, row: FromClause, *, live: bool, beside: FromClause | None = None
    ) -> tuple[FromClause, ColumnElement[bool] | None, bool]:
        """Return the parent of `row`: nothing where the filters, or the caller's access, do not leave it.

        A look-up and not a join (OFFSET 0): the planner cannot know how seldom it says no, and would rather read and
        sort all of a connector's rows than walk them in order until a page is full.

        Args:
            relationship: which parent.
            row: the row.
            live: whether the row is live; a dead one outlives its parents.
            beside: something with a `workspace_pk` that the caller is known to see; None where nothing is known.

        Returns:
            The look-up; the condition under which it opens the row, where any parent may; whether there is no row
            without it.
        """
        table = target_table(relationship)
        parent = table.alias(relationship.name)
        filters = parent_filters(relationship, parent, self.shape.conditions)
        statement = select(parent.c.id).where(parent.c.pk == row.c[relationship.column], *filters)
        way = None
        any_way = self.resource.tenancy == "any"
        guards = relationship.required and relationship.guards
        if guards:
            statement = statement.where(
                parent.c.deleted_at.is_(None) if live else outlives(parent, table, row.c.deleted_at)
            )
            seen, workspace = self.visible.through(parent, table.name), workspace_of(parent, table.name)
            if any_way:
                statement = statement.add_columns(seen.label("seen"))
            elif workspace is not None:
                # Almost always the driver's own workspace, which is known to be visible.
                known = [] if beside is None else [workspace == beside.c.workspace_pk]
                statement = statement.where(or_(*known, seen))
        around = [row] if beside is None else [row, beside]
        looked_up = (
            statement.correlate(*around).offset(literal_column("0", Integer)).lateral(f"seen_{relationship.name}")
        )
        if guards and any_way:
            way = looked_up.c.seen
        return looked_up, way, relationship.required or bool(filters)
