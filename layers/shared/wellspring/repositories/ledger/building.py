"""What the statements of all pages have in common: order, cursor, what lies behind it, and the read of an index."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, DateTime, FromClause, TextualSelect, column, table
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import Visible, workspace_of
from wellspring.models import aliased, listed_from, table_of
from wellspring.models.walks import ListIndex, declared
from wellspring.queries import MAX_TOTAL
from wellspring.repositories.ledger.columns import (
    attribute_column,
    is_in,
    outlives,
    parent_filters,
    row_filters,
    shown_columns,
    target_table,
)
from wellspring.repositories.ledger.composing import Composer, all_of
from wellspring.repositories.ledger.shapes import Shape
from wellspring.repositories.ledger.stored_ids import store_ids, stores
from wellspring.resources import Relationship

# How many rows are read to say that there are more than are counted.
COUNTED = str(MAX_TOTAL + 1)


class PageBuilder(ABC):
    """Composes the statement of one shape (docs/adr/0002).

    Attributes:
        parts: the queries that the statement's last one reads from, by their names and in their order.
        known: the relationship whose parent leads to a row, and is not looked up.
        tenant: the workspace of that parent, which the caller is known to see; empty where nothing is known.
    """

    known: Relationship | None = None
    tenant = ""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.resource = shape.resource
        self.table = table_of(shape.resource.table)
        self.rows: FromClause = listed_from(shape.resource)
        direct = shape.resource.tenancy == "direct"
        self.visible = Visible(person=shape.person, claimed=shape.claimed, direct=direct)
        self.parts: dict[str, str] = {}

    @property
    def row(self) -> FromClause:
        """A row of the list."""
        return aliased(self.rows, "row")

    def statement(self) -> TextualSelect:
        """Return the whole statement."""
        self._begin()
        self.parts["page"] = self.page()
        source, columns, names = "shown", ["pk"], ["pk"]
        if self.shape.cursor:
            self.parts["behind"] = f"SELECT EXISTS ({self.row_behind()}) AS behind"
            source, columns, names = "behind LEFT JOIN shown ON true", ["behind", "pk"], ["behind", "pk"]
        at = self.row.c[self.shape.sort.name]
        shown = {known.name: known.type for known in (*self._columns(), at)}
        shown |= {f"{relationship.name}_id": PG_UUID() for relationship in self.resource.to_one}
        # Behind the page: of the rows that are read for it most are not on it.
        traces = (
            f", (SELECT id FROM {target_table(trace)} WHERE pk = page.{trace.column}) AS {trace.name}_id"
            for trace in self._behind
        )
        self.parts["shown"] = f"SELECT *{''.join(traces)} FROM page"
        # As documents are made of them: ids and times in Postgres's words, which nobody has to parse.
        columns += [
            f"{name}::text AS {name}" if isinstance(type_, PG_UUID | DateTime) else name
            for name, type_ in shown.items()
        ]
        where = ""
        if stores(self.resource):
            stored = self.sql.piece(store_ids(self.resource, table("shown", *map(column, shown))))
            where = f"WHERE {stored.replace('shown.', '')}"
        order = self._order(f"shown.{self.shape.sort.name}", "pk", reverse=self.shape.backward)
        query = f"SELECT {', '.join(columns)} FROM {source} {where} ORDER BY {order}"
        return self.sql.statement(self.parts, query, [*names, *shown])

    def count(self) -> TextualSelect:
        """Return the statement that counts the list's rows, as far as they are counted."""
        self._begin()
        query = f"SELECT count(*) FROM ({self.any_rows()}) AS counted"
        return self.sql.statement(self.parts, query, ["count"])

    @abstractmethod
    def any_rows(self) -> str:
        """Return the query of the list's rows, in any order, as many as are counted."""

    @abstractmethod
    def page(self) -> str:
        """Return the query of the page's rows: `pk`, what is shown, the parents' ids, and the columns of messages."""

    @abstractmethod
    def row_behind(self) -> str:
        """Return the query of the rows on the cursor's other side, or as many of them as show that there are any."""

    @property
    def _behind(self) -> Sequence[Relationship]:
        """The relationships whose ids are looked up when the page is known."""
        return self.resource.traces

    def _begin(self) -> None:
        """Begin a statement."""
        self.parts.clear()
        self._reads: dict[tuple[ListIndex, bool], str] = {}
        self.sql = Composer()

    def _columns(self) -> Sequence[ColumnElement[Any]]:
        """Return what is shown of a row, and what it is sorted by."""
        return shown_columns(self.resource, self.row, self.shape.sort.name)

    def _ascending(self, *, reverse: bool) -> bool:
        return self.shape.sort.descending is reverse

    def _order(self, at: str, pk: str, *, reverse: bool) -> str:
        way = "ASC" if self._ascending(reverse=reverse) else "DESC"
        return f"{at} {way}, {pk} {way}"

    @cached_property
    def _at(self) -> str:
        """What the list is sorted by, of `row`."""
        return self.sql.piece(attribute_column(self.row, self.shape.sort.name))

    def _beside_cursor(self, *, reverse: bool, inclusive: bool) -> str:
        operator = (">" if self._ascending(reverse=reverse) else "<") + ("=" if inclusive else "")
        # Values, and nothing that is looked up: the cursor's row may be deleted, or not be seen any more.
        return f"({self._at}, row.pk) {operator} (:cursor_at, :cursor_pk)"

    def _first_rows(
        self, indexes: Sequence[ListIndex], limit: str, *, full: bool, behind: bool = False, reach: str = ""
    ) -> str:
        """Return the query of the first rows on indexes that together hold a list.

        Args:
            indexes: which.
            limit: how many rows.
            full: all columns of the page; or only `head_at` and `head_pk`, a row's place.
            behind: the rows on the other side of the cursor, it included, instead of those ahead of it.
            reach: a time beyond which no row is wanted; empty for none.
        """
        reverse = self.shape.backward is not behind
        order = self._order(self._at, "row.pk", reverse=reverse)
        beside = [self._beside_cursor(reverse=reverse, inclusive=behind)] if self.shape.cursor else []
        if reach:
            beside.append(f"{self._at} {'<=' if self._ascending(reverse=reverse) else '>='} {reach}")
        place = "".join(f" AND {condition}" for condition in beside)
        found = [f"{self._composed(index, full=full)}{place} ORDER BY {order} LIMIT {limit}" for index in indexes]
        if self._is_computed:
            found = [each.replace(self._at, "row.at") for each in found]
        if len(found) == 1:
            return found[0]
        at, pk = (self.shape.sort.name, "pk") if full else ("head_at", "head_pk")
        merged = " UNION ALL ".join(f"({each})" for each in found)
        return f"SELECT * FROM ({merged}) AS merged ORDER BY {self._order(at, pk, reverse=reverse)} LIMIT {limit}"

    def _composed(self, index: ListIndex, *, full: bool) -> str:
        """Return what `_on` does, of which a statement has several."""
        if (index, full) not in self._reads:
            self._reads[index, full] = self._on(index, full=full)
        return self._reads[index, full]

    def _on(self, index: ListIndex, *, full: bool) -> str:
        """Return the query of the visible rows on an index."""
        lookups = list(self._lookups(index, full=full))
        columns = [f"{self._at} AS head_at, row.pk AS head_pk"]
        if full:
            columns = ["row.pk", *(self._column(known) for known in self._columns())]
            columns += [f"{name}.id AS {name}_id" for name, _ in lookups]
            # By which the messages behind a row are found when the page is known.
            columns += [f"row.{trace.column}" for trace in self._behind]
        joins = " ".join(join for _, join in lookups)
        return f"SELECT {', '.join(columns)} FROM {self._source()} {joins} WHERE {all_of(self._conditions(index))}"

    def _column(self, known: ColumnElement[Any]) -> str:
        said = self.sql.piece(known)
        # A label of a column of this name, or of an expression.
        return said if said.endswith(f".{known.name}") else f"{said} AS {known.name}"

    @property
    def _is_computed(self) -> bool:
        """Whether no column has the list's order."""
        return self._at != f"row.{self.shape.sort.name}"

    def _source(self) -> str:
        """Return what rows are read from."""
        if not self._is_computed:
            return f"{self.rows} AS row"
        # The planner puts the expression back where `at` stands, and finds the index on it.
        self.parts.setdefault("listed", f"SELECT *, {self._at.replace('row.', '')} AS at FROM {self.rows}")
        return "listed AS row"

    def _conditions(self, index: ListIndex) -> Iterable[str]:
        """Return the conditions of the rows on an index."""
        row = self.row
        yield from self.sql.conditions(row, is_in(row, index, by_index=index in declared(self.table)))
        yield from self.sql.conditions(row, row_filters(self.resource, row, self.shape.conditions))

    def _lookups(self, index: ListIndex, *, full: bool) -> Iterator[tuple[str, str]]:
        """Yield the joins with a row's parents, each with the relationship's name: none of what nothing needs.

        A look-up and not a join (OFFSET 0): the planner cannot know how seldom it says no, and would rather read and
        sort all of a connector's rows than walk them in order until a page is full.

        Args:
            index: where the row is: a dead one outlives its parents.
            full: whether the ids of all parents are shown.
        """
        for relationship in self.resource.parents:
            if relationship is self.known:
                continue
            name, parents = relationship.name, target_table(relationship)
            parent = aliased(parents, "p")
            filters = parent_filters(relationship, parent, self.shape.conditions)
            where = [f"p.pk = row.{relationship.column}", *self.sql.conditions(parent, filters)]
            if relationship.required and relationship.guards:
                if index.live or not self.resource.has_tombstones:
                    where.append("p.deleted_at IS NULL")
                else:
                    where.append(self.sql.piece(outlives(parent, parents, self.row.c.deleted_at)))
                workspace = workspace_of(parent, parents.name)
                # Where any parent opens a row, the one that led to it has.
                if self.resource.tenancy != "any" and workspace is not None:
                    if self.tenant:
                        # No tenant moves, so the parents of a row are of one workspace, and that one was asked about.
                        where.append(f"{self.sql.piece(workspace)} = {self.tenant}")
                    else:
                        where += self.sql.conditions(parent, [self.visible.workspace(workspace)])
            looked_up = f"LATERAL (SELECT p.id FROM {parents} AS p WHERE {all_of(where)} OFFSET 0) AS {name}"
            if relationship.required or filters:
                yield name, f"CROSS JOIN {looked_up}"
            elif full:
                yield name, f"LEFT JOIN {looked_up} ON true"
