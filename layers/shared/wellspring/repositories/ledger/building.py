"""What the statements of all pages have in common: the order, the cursor, and what lies behind it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from wellspring.access.predicates import Visible, workspace_of
from wellspring.models import aliased, listed_from, table_of
from wellspring.models.walks import Walk, declared
from wellspring.queries import MAX_TOTAL
from wellspring.repositories.ledger.columns import (
    as_text,
    attribute_column,
    is_walked,
    outlives,
    parent_filters,
    row_filters,
    shown_columns,
    target_table,
)
from wellspring.repositories.ledger.left import leaves, leaving
from wellspring.repositories.ledger.shapes import Shape
from wellspring.resources import Relationship

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
        hidden = {trace.column for trace in self.resource.traces}
        columns = [column for column in page.c if column.name not in hidden]
        # Behind the page: of the rows that are read for it most are not on it.
        for trace in self.resource.traces:
            message = target_table(trace).alias(trace.name)
            named = select(message.c.id).where(message.c.pk == page.c[trace.column]).correlate(page)
            columns.append(named.scalar_subquery().label(f"{trace.name}_id"))
        rows, conditions = page, []
        if leaves(self.resource):
            rows = select(*columns).cte("shown")
            columns = [*rows.c]
            conditions.append(leaving(self.resource, rows))
        source: FromClause = rows
        if self.shape.cursor:
            behind = select(exists(self.row_behind()).label("behind")).cte("behind")
            columns.insert(0, behind.c.behind)
            source = behind.outerjoin(rows, true())
        order = self._order(rows.c[self.shape.sort.name], rows.c.pk, reverse=self.shape.backward)
        return select(*as_text(columns)).select_from(source).where(*conditions).order_by(*order)

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

    def _cursor(self, row: FromClause) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """Return the place of the cursor: what the list is sorted by, and the pk."""
        # Values, and nothing that is looked up: the cursor's row may be deleted, or not be seen any more.
        at = bindparam("cursor_at", type_=row.c[self.shape.sort.name].type)
        return at, bindparam("cursor_pk", type_=BigInteger)

    def _beside_cursor(self, row: FromClause, *, reverse: bool, inclusive: bool) -> ColumnElement[bool]:
        place, cursor = tuple_(self._at(row), row.c.pk), tuple_(*self._cursor(row))
        if self._ascending(reverse=reverse):
            return place >= cursor if inclusive else place > cursor
        return place <= cursor if inclusive else place < cursor

    def _traces(self, row: FromClause) -> list[ColumnElement[Any]]:
        """Return the columns by which the messages behind a row are found when the page is known."""
        return [row.c[trace.column] for trace in self.resource.traces]

    def _first_rows(
        self,
        walked: Sequence[tuple[FromClause, Select[Any]]],
        limit: ColumnElement[int],
        *,
        behind: bool,
        of: CTE | None = None,
    ) -> Select[Any]:
        """Return the first rows of walks that together are a list's.

        Args:
            walked: the rows on each walk, and what they are selected from.
            limit: how many rows.
            behind: the rows on the other side of the cursor, it included, instead of those ahead of it.
            of: the parents, of one of which the rows are.
        """
        reverse = self.shape.backward is not behind
        found = []
        for row, statement in walked:
            rows = statement if of is None else statement.correlate(of)
            if self.shape.cursor:
                rows = rows.where(self._beside_cursor(row, reverse=reverse, inclusive=behind))
            found.append(rows.order_by(*self._order(self._at(row), row.c.pk, reverse=reverse)).limit(limit))
        if len(found) == 1:
            return found[0]
        merged = union_all(*(select(rows.subquery(f"walk_{place}")) for place, rows in enumerate(found)))
        whole = merged.subquery("walked")
        order = self._order(whole.c[self.shape.sort.name], whole.c.pk, reverse=reverse)
        return select(whole).order_by(*order).limit(limit)

    def _walked(
        self,
        walk: Walk,
        row: FromClause,
        *,
        full: bool,
        by: Relationship | None = None,
        beside: FromClause | None = None,
    ) -> Select[Any]:
        """Return the visible rows on a walk.

        Args:
            walk: which.
            row: what they are selected from.
            full: all columns of the answer, or only those of the order.
            by: the relationship whose parent is known, and needs no look-up.
            beside: that parent: something with a `workspace_pk` that the caller is known to see.
        """
        time = self.shape.sort.name
        columns = [row.c.pk, *(shown_columns(self.resource, row, time) if full else [self._at(row).label(time)])]
        source: FromClause = row
        for relationship in self.resource.parents:
            if relationship is by:
                continue
            parent, is_needed = self._looked_up(relationship, row, live=bool(walk.live), beside=beside)
            source = source.join(parent, true(), isouter=not is_needed)
            if full:
                columns.append(parent.c.id.label(f"{relationship.name}_id"))
        columns += self._traces(row) if full else []
        return (
            select(*columns)
            .select_from(source)
            .where(
                *is_walked(row, walk, by_its_index=walk in declared(self.table)),
                *row_filters(self.resource, row, self.shape.conditions),
            )
        )

    def _looked_up(
        self, relationship: Relationship, row: FromClause, *, live: bool, beside: FromClause | None = None
    ) -> tuple[FromClause, bool]:
        """Return the parent of `row`: nothing where the filters, or the caller's access, do not leave it.

        A look-up and not a join (OFFSET 0): the planner cannot know how seldom it says no, and would rather read and
        sort all of a connector's rows than walk them in order until a page is full.

        Args:
            relationship: which parent.
            row: the row.
            live: whether the row is live; a dead one outlives its parents.
            beside: something with a `workspace_pk` that the caller is known to see; None where nothing is known.

        Returns:
            The look-up; whether there is no row without it.
        """
        table = target_table(relationship)
        parent = aliased(table, relationship.name)
        filters = parent_filters(relationship, parent, self.shape.conditions)
        statement = select(parent.c.id).where(parent.c.pk == row.c[relationship.column], *filters)
        if relationship.required and relationship.guards:
            statement = statement.where(
                parent.c.deleted_at.is_(None) if live else outlives(parent, table, row.c.deleted_at)
            )
            # Where any parent opens a row, the one that led to it has.
            workspace = workspace_of(parent, table.name)
            if self.resource.tenancy != "any" and workspace is not None:
                # No tenant moves, so the parents of a row are of one workspace, and the driver's was asked about.
                statement = statement.where(
                    self.visible.workspace(workspace) if beside is None else workspace == beside.c.workspace_pk
                )
        around = [row] if beside is None else [row, beside]
        looked_up = (
            statement.correlate(*around).offset(literal_column("0", Integer)).lateral(f"seen_{relationship.name}")
        )
        return looked_up, relationship.required or bool(filters)
