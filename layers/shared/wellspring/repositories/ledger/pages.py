"""One page of a list, and how many rows the list has: by parents, along an index, or of all visible rows, sorted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from sqlalchemy import CursorResult
from sqlalchemy.dialects.postgresql import ARRAY

from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Row, Statement, text_rows
from wellspring.models import listed_from, table_of
from wellspring.models.messages import connector_state
from wellspring.plan_cache import STATEMENTS_KEPT
from wellspring.queries import MAX_CHOICES, MAX_EXAMINED, MAX_SEARCHED, AnswerQuery, ListQuery, Position
from wellspring.repositories.ledger.building import COUNTED, PageBuilder, Shape, shape_of, values_of
from wellspring.repositories.ledger.columns import is_shown, row_filters
from wellspring.repositories.ledger.composing import kept_statement
from wellspring.repositories.ledger.per_parent import Messages, MessagesOfParents, PerParentMerge
from wellspring.repositories.ledger.rows import visible_rows
from wellspring.resources import Attribute, Resource

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
        """Return a page of the rows from its near end on, one more than it shows where there are more.

        `behind`: rows stand on the near end's other side.
        """
        page, ahead = list(rows[: query.size]), len(rows) > query.size
        if query.backward:
            page.reverse()
            return cls(page, more_before=ahead, more_after=behind)
        return cls(page, more_before=behind, more_after=ahead)

    @classmethod
    def of_rows(cls, rows: Sequence[Row], query: AnswerQuery, *, of_cursor: bool) -> Self:
        """Return a page of the rows of a statement that says in each whether there are rows `behind`.

        A page asked for by cursor always has one row, for that; it is empty where nothing lies ahead.
        """
        behind = of_cursor and bool(rows[0]["behind"])
        return cls.cut([row for row in rows if row["id"] is not None], query, behind=behind)


def page(principal: Principal, query: ListQuery, position: Position | None) -> Query[Slice]:
    """Ask for one page of the rows that `principal` sees, from `position` or an end; it stores ids (`composing`)."""
    of_cursor = position is not None
    shape = shape_of(principal, query, cursor=of_cursor, backward=query.backward)
    values = {"rows": query.size + 1, **values_of(principal, query)}
    if position is not None:
        # The row that it continues from is read, too (`building.BEHIND`).
        values |= {"rows": query.size + 2, "cursor_at": position.at, "cursor_pk": position.pk}
    asked = Statement(page_statement(shape), values)
    return Query(asked, lambda result: Slice.of_rows(text_rows(result), query, of_cursor=of_cursor))


def is_sorted_by_index(principal: Principal, query: ListQuery) -> bool:
    """Say whether the rows of the parents that a query is read by, or all, stand in its order in some index."""
    return builder_of(shape_of(principal, query, cursor=False, backward=False)).is_sorted


class WholeSorted(PageBuilder):
    """Reads all visible rows, and sorts them.

    Connectors also by what is computed about them, an order that no index has: the service asks first how many the
    workspaces that a query names have (docs/adr/0025).
    """

    is_sorted = True

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.source, name = str(self.rows), shape.sort.name
        if name == self.resource.sorted_by:
            self.columns[name], self.shown[name] = connector_state.c[name].type, name
            self.source = WITH_STATE.format(name=name, rows=self.rows)

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
            source=self.source,
            where=(*is_shown(self.columns, self.shape.deleted), *filters, *beside),
            parents=self.shape.conditions,
            outlived=self.shape.deleted != "exclude",
            leads=True,
        )


def builder_of(shape: Shape) -> PageBuilder:
    """Return what composes the statements of a shape."""
    resource = shape.resource
    if resource.tenancy == "message":
        return MessagesOfParents(shape) if shape.is_narrow else Messages(shape)
    is_of_few = resource.tenancy == "itself" and (shape.person or shape.claimed)
    if is_of_few or resource.tenancy == "membership" or shape.sort.name == resource.sorted_by:
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


# ---- counts beside the rows: how many names a search would look at, and values to filter by ----------------------
SEARCHED = """
SELECT count(*)
  FROM (SELECT row.pk FROM {rows} AS row WHERE row.deleted_at IS NULL{within} LIMIT {most}) AS searched
"""
WITHIN = " AND row.workspace_pk = (SELECT pk FROM core_api.workspaces WHERE id = ANY (:workspaces::UUID[]))"
SEEN = "SELECT {columns} FROM {rows} AS row WHERE row.deleted_at IS NULL LIMIT {most}"
VALUES = """
(SELECT array_agg(value)
   FROM (SELECT DISTINCT {value} AS value FROM seen ORDER BY value LIMIT {most}) AS known
  WHERE value IS NOT NULL) AS {name}
"""


# Asks for no caller: parents.visible_workspaces has found the workspaces for them, or for a service.
def searched(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the live rows of the workspace that a query names, or of all; more than `MAX_SEARCHED` are any number."""
    resource = query.resource
    # A person's workspaces are as few as their memberships.
    if resource.tenancy == "itself" and isinstance(principal, Person):
        return 0
    within = "" if resource.relationship("workspace") is None else WITHIN
    counting = SEARCHED.format(rows=listed_from(resource), within=within, most=MAX_SEARCHED + 1)
    found = kept_statement({}, counting, ["count"]).execute(transaction, {"workspaces": list(query.workspaces)})
    return int(found.scalar_one())


# Asks for no caller: a catalogue is everybody's.
def choices(resource: Resource) -> Query[Mapping[str, list[str]]]:
    """Ask which values a catalogue's live rows have, by the filter that finds them, each list in its order.

    A catalogue is small: at most `MAX_EXAMINED` of its rows are looked at, and at most `MAX_CHOICES` values told.
    """
    table, told = table_of(resource.table), resource.choices

    def values(name: str, attribute: Attribute) -> str:
        is_array = isinstance(table.c[attribute.name].type, ARRAY)
        value = f"unnest({attribute.name})" if is_array else attribute.name
        return VALUES.format(value=value, name=name, most=MAX_CHOICES)

    columns = ", ".join(attribute.name for attribute in told.values())
    query = f"SELECT {', '.join(values(name, attribute) for name, attribute in told.items())}"
    asked = kept_statement({"seen": SEEN.format(columns=columns, rows=table, most=MAX_EXAMINED)}, query, told)
    return Query(
        Statement(asked), lambda found: {name: list(kept or ()) for name, kept in found.mappings().one().items()}
    )
