"""One page of a list, and how many rows the list has: by parents, along an index, or of all visible rows, sorted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from sqlalchemy import CursorResult

from wellspring.access.principal import Principal
from wellspring.database import Compiled
from wellspring.database.flush import Query, Statement, text_rows
from wellspring.models.messages import connector_state
from wellspring.plan_cache import STATEMENTS_KEPT
from wellspring.queries import AnswerQuery, ListQuery, Position
from wellspring.repositories.ledger import messages
from wellspring.repositories.ledger.building import COUNTED, PageBuilder
from wellspring.repositories.ledger.columns import is_shown, row_filters
from wellspring.repositories.ledger.per_parent import PerParentMerge
from wellspring.repositories.ledger.rows import visible_rows
from wellspring.repositories.ledger.shapes import Row, Shape, shape_of, values_of

# Before every time that a message may tell: what never happened is older than all.
NEVER = "'0001-01-02 00:00:00+00'::timestamptz"
# Connectors beside what is computed about them, by which they are sorted.
WITH_STATE = f"""
(SELECT listed.*, CASE WHEN state.{{name}} IS NULL THEN {NEVER} ELSE state.{{name}} END AS {{name}}
   FROM {{rows}} AS listed
   LEFT JOIN {connector_state} AS state ON state.workspace_connector_pk = listed.pk)
"""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a sorted list, in its order, and whether visible rows stand before the first and after the last.

    A row has `id`, each attribute, and `<relationship>_id` for each to-one relationship.
    """

    rows: list[Row]
    more_before: bool
    more_after: bool

    @classmethod
    def cut(cls, rows: Sequence[Row], query: AnswerQuery, *, behind: bool) -> Self:
        """Return a page of the rows that were read for it: from its near end on, and one more where there is one more.

        A page before the cursor turns their order around. `behind`: rows stand on the near end's other side.
        """
        page, ahead = list(rows[: query.size]), len(rows) > query.size
        if query.backward:
            page.reverse()
            return cls(page, more_before=ahead, more_after=behind)
        return cls(page, more_before=behind, more_after=ahead)

    @classmethod
    def of_rows(cls, rows: Sequence[Row], query: ListQuery | AnswerQuery, *, of_cursor: bool) -> Self:
        """Return a page of the rows of a statement that says in each whether there are rows `behind`.

        A page asked for by cursor always has one row, for that; it is empty where nothing lies ahead.
        """
        behind = of_cursor and bool(rows[0]["behind"])
        return cls.cut([row for row in rows if row["id"] is not None], query, behind=behind)


def page(principal: Principal, query: ListQuery, position: Position | None) -> Query[Slice]:
    """Ask for one page of the rows that `principal` sees, in one statement; it stores ids (`stored_ids`).

    It continues from `position`, whatever the query's cursor; None is the end of the list.
    """
    of_cursor = position is not None
    shape = shape_of(principal, query, cursor=of_cursor, backward=query.backward)
    values = {"rows": query.size + 1, **values_of(principal, query)}
    if position is not None:
        # The row that it continues from is read, too (`building.BEHIND`).
        values |= {"rows": query.size + 2, "cursor_at": position.at, "cursor_pk": position.pk}
    asked = Statement(page_statement(shape), values)
    return Query(asked, lambda result: Slice.of_rows(text_rows(result), query, of_cursor=of_cursor))


def is_sorted_by_an_index(principal: Principal, query: ListQuery) -> bool:
    """Say whether the rows of the parents that a query is read by, or all, stand in its order in some index."""
    return builder_of(shape_of(principal, query, cursor=False, backward=False)).is_sorted


class WholeSorted(PageBuilder):
    """Reads all visible rows, from the type's rows or what `source` says, and sorts them."""

    is_sorted = True
    source = ""

    def _page(self) -> str:
        return f"{self._rows(*self._beside_cursor())} ORDER BY {self._order(self.at, 'row.pk')} LIMIT :rows"

    def _row_behind(self) -> str:
        return self._rows(*self._beside_cursor(behind=True))

    def _any_rows(self) -> str:
        return f"{self._rows()} LIMIT {COUNTED}"

    def _rows(self, *beside: str) -> str:
        filters = row_filters(self.resource, self.columns, self.shape.conditions)
        return visible_rows(
            self.resource,
            self.visible,
            {"pk": "pk", **self.shown},
            source=self.source or str(self.rows),
            where=(*is_shown(self.columns, self.shape.deleted), *filters, *beside),
            parents=self.shape.conditions,
            outlived=self.shape.deleted != "exclude",
            leads=True,
        )


class SortedByState(WholeSorted):
    """Reads all visible connectors of the workspaces that a query names, and sorts them by what is computed about them.

    No index has that order; the service asks first how many connectors the workspaces have (docs/adr/0025).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        name = shape.sort.name
        self.columns[name], self.shown[name] = connector_state.c[name].type, name
        self.source = WITH_STATE.format(name=name, rows=self.rows)


def builder_of(shape: Shape) -> PageBuilder:
    """Return what composes the statements of a shape."""
    resource = shape.resource
    if resource.tenancy == "message":
        return messages.OfParents(shape) if shape.is_narrow else messages.OfAll(shape)
    if shape.sort.name == resource.sorted_by:
        return SortedByState(shape)
    if resource.tenancy == "membership" or (resource.tenancy == "itself" and (shape.person or shape.claimed)):
        return WholeSorted(shape)
    return PerParentMerge(shape) if resource.driving and shape.is_narrow else PageBuilder(shape)


def count(principal: Principal, query: ListQuery) -> Query[int]:
    """Ask how many rows the whole list has; where there are more than `MAX_TOTAL`, it is any number above it."""
    shape = shape_of(principal, query, cursor=False, backward=False)
    return Query(Statement(_count_statement(shape), values_of(principal, query)), CursorResult.scalar_one)


@lru_cache(maxsize=STATEMENTS_KEPT)
def page_statement(shape: Shape) -> Compiled:
    """Return the statement of a page."""
    return builder_of(shape).statement()


@lru_cache(maxsize=STATEMENTS_KEPT)
def _count_statement(shape: Shape) -> Compiled:
    return builder_of(shape).count()
