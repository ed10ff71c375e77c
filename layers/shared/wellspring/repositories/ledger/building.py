"""Shapes of list statements, and what all have: order, cursor, what lies behind it, and the read of an index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Table

from wellspring.access.predicates import Visibility, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled
from wellspring.models import listed_from, table_of
from wellspring.models.list_indexes import ListIndex, covering_indexes, declared
from wellspring.queries import MAX_TOTAL, Deleted, ListQuery, Operator, Sort
from wellspring.repositories.ledger.columns import (
    as_text,
    attribute_of,
    is_in,
    is_there,
    parameter_name,
    parent_filters,
    row_filters,
    selected,
    shown_in_lists,
    target_table,
)
from wellspring.repositories.ledger.composing import all_of, statement, store_ids
from wellspring.resources import Relationship, Resource

# Every larger page asks first, by all its heads' parents, how far it reaches; of others do those that have a
# bound of the newest rows (docs/adr/0045).
SMALL_PAGE = 50
# How many rows are read to say that there are more than are counted: in any order, for to be sorted all would be read.
COUNTED = str(MAX_TOTAL + 1)

# The first rows of an index ahead of the cursor, or behind it: in its own order they are read until there are enough.
FIRST_ROWS = """
SELECT {columns}
  FROM {rows} {lookups}
 WHERE {conditions} -- a row's parent and half, the filters, the cursor, and how far the page reaches
 {order}
 LIMIT {limit}
"""
# Of indexes that together hold a list each is read as far, and their rows are merged (docs/adr/0029).
MERGED = "SELECT * FROM ({several}) AS merged {order} LIMIT {limit}"
# A row's parent is looked up, not joined (OFFSET 0): the planner cannot know how seldom it says no, and would rather
# read and sort all of a connector's rows than walk them in order until a page is full.
LOOKUP = "CROSS JOIN LATERAL (SELECT p.id FROM {parents} AS p WHERE {conditions} OFFSET 0) AS {name}"
# One that need not be there, and that no filter names.
OPTIONAL_ID = "(SELECT id FROM {parents} WHERE pk = {row}.{column}) AS {name}_id"
# The page as documents are made of it. The messages of a row are found here: of the rows that are read for a page most
# are not on it. WHERE: the ids that its rows point to are stored for what is included with it (docs/adr/0041).
DOCUMENTS = "SELECT {columns} FROM {source} {storing} ORDER BY {order}"
# A page is read from the row on that it continues from: where that is there still, no other is looked for behind it.
AHEAD = " WHERE (page.{at}, page.pk) <> (:cursor_at, :cursor_pk)"
BEHIND = """
SELECT EXISTS (SELECT FROM page WHERE (page.{at}, page.pk) = (:cursor_at, :cursor_pk)) OR EXISTS ({rows}) AS behind
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes one list statement differ from another; the values are bound later.

    Attributes:
        conditions: the filters' fields and operators, in one order whatever the request's.
        direction: the direction that a filter names. It stands in the statement, for an index of one direction.
        claimed: whether the caller claims to work in some workspaces only.
        cursor: whether the page continues from a row; `backward`: whether it ends there.
        large: whether the page is larger than a `SMALL_PAGE`.
    """

    resource: Resource
    person: bool
    conditions: tuple[tuple[str, Operator], ...] = ()
    direction: str | None = None
    deleted: Deleted = "exclude"
    claimed: bool = False
    sort: Sort = field(default_factory=Sort)
    cursor: bool = False
    backward: bool = False
    large: bool = False

    @property
    def halves(self) -> tuple[bool, ...]:
        """Live rows, dead ones, or both: those first."""
        return {"exclude": (True,), "only": (False,), "include": (True, False)}[self.deleted]

    @property
    def is_plain(self) -> bool:
        """Whether it is a person's plain page of provenance (`many_workspaces`), planned once (`ledger.hot`)."""
        return self.resource.policy == "provenance" and self == Shape(self.resource, person=True, cursor=self.cursor)

    @property
    def is_narrow(self) -> bool:
        """Whether it is of few parents: a person's, or those that the request names."""
        return self.person or self.claimed or any(name in self.resource.driving for name, _ in self.conditions)


def shape_of(principal: Principal, query: ListQuery, *, cursor: bool, backward: bool) -> Shape:
    """Return the shape of a caller's query."""
    # Where the workspace is one of the row's own parents, claiming it is filtering by it.
    own = bool(query.workspaces) and query.resource.relationship("workspace") is not None
    directions = {attribute.name for attribute in query.resource.attributes if attribute.kind == "direction"}
    conditions = {(found.name, found.operator) for found in query.filters if found.name not in directions}
    return Shape(
        resource=query.resource,
        person=isinstance(principal, Person),
        conditions=tuple(sorted(conditions | {("workspace", "in")} if own else conditions)),
        direction=next((str(found.value) for found in query.filters if found.name in directions), None),
        deleted=query.deleted,
        claimed=bool(query.workspaces) and not own,
        sort=query.sort,
        cursor=cursor,
        backward=backward,
        large=query.size > SMALL_PAGE,
    )


def values_of(principal: Principal, query: ListQuery) -> dict[str, object]:
    """Return what a statement of a query's shape needs bound, and more."""
    bound = {
        parameter_name(found.name, found.operator): list(found.value) if isinstance(found.value, tuple) else found.value
        for found in query.filters
    }
    claimed = {parameter_name("workspace", "in"): list(query.workspaces)} if query.workspaces else {}
    return parameters(principal, query.workspaces) | bound | claimed


class PageBuilder:
    """Composes the statement of one shape: here along indexes of all rows, where those that nobody sees are passed.

    Never for a person where rows have tenants: how far theirs lie behind others' is for the others to say.

    Attributes:
        ascending: whether the page is read so, from its near end on.
        parts: the queries that the statement's last one reads from, by their names and in their order.
        shown: what is shown of a row, and what it is sorted by, with the columns behind.
        known: the relationship whose parent leads to a row, and is not looked up; and `column`, of these parents.
        tenant: the workspace of that parent, which the caller is known to see; empty where nothing is known.
        time: what the list is sorted by; and `at`, of `row`.
    """

    known: Relationship | None = None
    column: str | None = None
    tenant = ""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.resource, self.ascending = shape, shape.resource, shape.sort.descending is shape.backward
        self.table, self.rows = table_of(shape.resource.table), listed_from(shape.resource)
        direct = shape.resource.tenancy == "direct"
        self.visible = Visibility(person=shape.person, claimed=shape.claimed, direct=direct)
        self.named = {name for name, _ in shape.conditions}
        self.columns = {column.name: column.type for column in self.rows.c}
        self.parts: dict[str, str] = {}
        self.time = shape.sort.name
        self.at = attribute_of(self.time)
        sorted_by = {} if self.resource.attribute(self.time) else {self.time: self.time}
        self.shown = shown_in_lists(self.resource) | sorted_by

    def statement(self) -> Compiled:
        """Return the whole statement of a page."""
        self.parts["page"] = self._page()
        known, source, ahead = ["pk"], "shown", ""
        if self.shape.cursor:
            self.parts["behind"] = BEHIND.format(at=self.time, rows=self._row_behind())
            known, source, ahead = ["behind", "pk"], "behind LEFT JOIN shown ON true", AHEAD.format(at=self.time)
        columns = ", ".join(("*", *(_optional_id("page", trace) for trace in self._behind)))
        self.parts["shown"] = f"SELECT {columns} FROM page{ahead}"
        document = as_text(self.resource, self.shown, self.columns)
        query = DOCUMENTS.format(
            columns=", ".join((*known, *document.values())),
            source=source,
            storing=store_ids(self.resource, "shown"),
            order=self._order(f"shown.{self.time}", "pk"),
        )
        return statement({**self.visible.queries, **self.parts}, query, [*known, *document])

    def count(self) -> Compiled:
        """Return the statement that counts the list's rows, as far as they are counted."""
        query = f"SELECT count(*) FROM ({self._any_rows()}) AS counted"
        return statement({**self.visible.queries, **self.parts}, query, ["count"])

    @property
    def is_sorted(self) -> bool:
        """Whether indexes have the rows in the list's order; or they are few, and sorted."""
        # Of a filter that has no such index the service refuses to list all rows (`services.ledger`).
        return declared(self.table).keys() >= {*self.indexes}

    @cached_property
    def indexes(self) -> Sequence[ListIndex]:
        """The indexes that together hold the list's rows."""
        return covering_indexes(self.table, ListIndex(None, self.time, None, self.shape.direction), self.shape.halves)

    @property
    def _behind(self) -> Sequence[Relationship]:
        """The relationships whose ids are looked up when the page is known."""
        return self.resource.traces

    def _page(self) -> str:
        """Return the query of the page's rows: `pk`, what is shown, the parents' ids, and the columns of messages."""
        return self._first_rows(":rows", full=True)

    def _row_behind(self) -> str:
        """Return the query of the rows on the cursor's other side, or as many of them as show that there are any."""
        return self._first_rows("1", behind=True)

    def _any_rows(self) -> str:
        """Return the query of the list's rows, in any order, as many as are counted."""
        return self._first_rows(COUNTED)

    def _order(self, at: str, pk: str, *, behind: bool = False) -> str:
        way = "DESC" if self.ascending is behind else "ASC"
        return f"{at} {way}, {pk} {way}"

    def _beside_cursor(self, *, behind: bool = False) -> list[str]:
        """Return the condition that a row is the cursor's or ahead of it, or `behind` it; none without a cursor."""
        if not self.shape.cursor:
            return []
        operator = ("<" if self.ascending is behind else ">") + ("" if behind else "=")
        # Values, and nothing that is looked up: the cursor's row may be deleted, or not be seen any more.
        return [f"({self.at}, row.pk) {operator} (:cursor_at, :cursor_pk)"]

    def _first_rows(self, limit: str, *, full: bool = False, behind: bool = False, reach: str = "") -> str:
        """Return the query of the list's first rows on its indexes.

        Of a `full` one these are all columns of the page, else `head_at` and `head_pk` alone, a row's place. `behind`:
        those on the other side of the cursor instead of its own and those ahead of it. No row is wanted beyond `reach`.
        """
        beside = self._beside_cursor(behind=behind)
        if reach:
            beside.append(f"{self.at} {'<=' if self.ascending else '>='} {reach}")
        found, is_sorted = [], limit != COUNTED
        for index in self.indexes:
            lookups = list(self._lookups(index, full=full))
            columns = [f"{self.at} AS head_at", "row.pk AS head_pk"]
            if full:
                # By the last of them the messages behind a row are found.
                ids = (id_ for id_, _ in lookups)
                columns = ["row.pk", *selected(self.shown), *ids, *(f"row.{of.column}" for of in self._behind)]
            each = FIRST_ROWS.format(
                columns=", ".join(columns),
                rows=self._source(),
                lookups=" ".join(join for _, join in lookups),
                conditions=all_of((*self._conditions(index), *beside)),
                order=f"ORDER BY {self._order(self.at, 'row.pk', behind=behind)}" if is_sorted else "",
                limit=limit,
            )
            found.append(each.replace(self.at, "row.at") if "listed" in self.parts else each)
        if len(found) == 1:
            return found[0]
        at, pk = (self.time, "pk") if full else ("head_at", "head_pk")
        several, order = " UNION ALL ".join(f"({each})" for each in found), self._order(at, pk, behind=behind)
        return MERGED.format(several=several, order=f"ORDER BY {order}" if is_sorted else "", limit=limit)

    def _source(self) -> str:
        if self.at == f"row.{self.time}":
            return f"{self.rows} AS row"
        # No column has the list's order. The planner puts the expression back where `at` stands, and finds its index.
        self.parts["listed"] = f"SELECT *, {attribute_of(self.time, '')} AS at FROM {self.rows}"
        return "listed AS row"

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        yield from is_in(self.columns, index, by_index=index in declared(self.table))
        yield from row_filters(self.resource, self.columns, self.shape.conditions)

    def _filters(self, relationship: Relationship, parent: str) -> list[str]:
        return parent_filters(relationship, parent, self.shape.conditions)

    def _lookups(self, index: ListIndex, *, full: bool) -> Iterator[tuple[str, str]]:
        """Yield the ids of a row's parents that something needs, with `full` all; each with its join, if it has one."""
        for relationship in self.resource.parents:
            if relationship is self.known or relationship in self._behind:
                continue
            table = target_table(relationship)
            filters = self._filters(relationship, "p")
            guards = self._guards(index, table) if relationship.required and relationship.guards else []
            if relationship.required or filters:
                conditions = all_of((f"p.pk = row.{relationship.column}", *filters, *guards))
                join = LOOKUP.format(parents=table, conditions=conditions, name=relationship.name)
                yield f"{relationship.name}.id AS {relationship.name}_id", join
            elif full:
                yield _optional_id("row", relationship), ""

    def _guards(self, index: ListIndex, table: Table) -> Iterator[str]:
        """Yield the conditions on a parent without whom a row is not there, and whose workspace it is of."""
        # Of a dead row only its workspaces are asked for.
        if index.live is not False or table.name == "workspaces":
            yield is_there("p", table, outlived=not index.live and self.resource.has_tombstones)
        workspace = workspace_of("p", table)
        # Where any parent opens a row, the one that led to it has.
        if workspace and self.resource.tenancy != "any":
            # No tenant moves, so the parents of a row are of one workspace, and that one was asked about. + 0: no index
            # has it. Before there are statistics one of all names of the tenant looks as cheap as the key.
            yield f"{workspace} + 0 = {self.tenant}" if self.tenant else self.visible.workspace(workspace)


def _optional_id(row: str, relationship: Relationship) -> str:
    parents = target_table(relationship)
    return OPTIONAL_ID.format(row=row, parents=parents, column=relationship.column, name=relationship.name)
