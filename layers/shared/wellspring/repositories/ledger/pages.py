"""One page of a list, and how many rows the list has."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from sqlalchemy import CursorResult

from wellspring.access.principal import Principal
from wellspring.database import Compiled
from wellspring.database.flush import Query, Statement, text_rows
from wellspring.plan_cache import STATEMENTS_KEPT
from wellspring.queries import AnswerQuery, ListQuery, Position
from wellspring.repositories.ledger import messages
from wellspring.repositories.ledger.building import PageBuilder
from wellspring.repositories.ledger.per_parent import PerParentMerge
from wellspring.repositories.ledger.shapes import Row, Shape, shape_of, values_of
from wellspring.repositories.ledger.whole import SortedByState, WholeSorted


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
