"""Pages that are read parent by parent: heads, then lateral (docs/adr/0002).

The parents that drive a page (the connectors a caller sees, or the records a filter names) each give their first row by
an index on (parent, time, pk). The page can only hold rows of the parents with the smallest heads, so only those are
read further, at most a page each. The cost depends on the number of parents and the page's size, not on the size of the
tenant or of the table, nor on how deep the page is.

Where no single index holds the list's rows (live and dead ones, both directions), those that together do are each read
as far, and their rows merged (docs/adr/0029).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    not_,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.expression import SelectBase

from wellspring.access.predicates import IDS, asked_about, workspace_of
from wellspring.models import aliased
from wellspring.models.walks import ListIndex, covering_indexes, declared
from wellspring.repositories.ledger import newest_bound
from wellspring.repositories.ledger.building import COUNTED, PageBuilder
from wellspring.repositories.ledger.columns import LAST_CHARACTER, parent_filters, target_table
from wellspring.repositories.ledger.shapes import Shape, parameter_name
from wellspring.resources import Drives, Relationship

# Of how many rows of each head's parent a large page finds out how far it reaches, at least.
SAMPLED = 10
# Which of the parents that a request names leads to its rows: the first of these.
_LEADING: tuple[Drives, ...] = ("named", "always", "named_by_service", "one_by_service")
# How many of the first heads' parents are read for how far another page reaches, and beside how many that pays. Of no
# more parents than the former a large page needs not find it out.
NEAREST, SPARED_FROM = 3, 8

# Of the drivers that have a row ahead of the cursor those with the first such rows, their heads: no others can have
# rows on the page.
HEADS = """
SELECT driver.*, row_number() OVER (ORDER BY {order}) AS place
  FROM driver
 CROSS JOIN LATERAL ({first}) AS head
 ORDER BY {order}
 LIMIT :rows
"""

# A time that no row of the page lies beyond: as far as a page of some of its parents' first rows goes. They are real
# rows of the list: where they fill a page, no row beyond the last of that page is on the real one. Without it a page
# would read as much of most parents. In a query of its own: a coalesce() beside a row's column would keep the index
# from being used.
REACH = """
SELECT coalesce((SELECT sampled.head_at
                   FROM {some} AS driver
                  CROSS JOIN LATERAL ({sampled}) AS sampled
                  ORDER BY {order}
                 OFFSET :rows - 1
                  LIMIT 1), {beyond}) AS at
"""
# A large page asks for some rows of each parent, two pages in all; another for a page of the first few. Each where
# there are so many more parents that this is less than a page of each.
OF_EACH = f"greatest({SAMPLED}, 2 * :rows / greatest((SELECT count(*) FROM head), 1))"
ALL_HEADS = f"(SELECT * FROM head WHERE (SELECT count(*) FROM head) > {NEAREST})"
OF_NEAREST = f"(SELECT * FROM head WHERE (SELECT count(*) FROM head) > {SPARED_FROM} AND place <= {NEAREST})"

# Before the rows of the k-th head stand k - 1 heads at least: so many fewer of them can be on the page.
PAGE = """
SELECT found.*{leading}
  FROM head AS driver
 CROSS JOIN LATERAL ({found}) AS found
 ORDER BY {order}
 LIMIT :rows
"""
MOST_OF_HEAD = ":rows - driver.place + 1"


class PerParentMerge(PageBuilder):
    """Reads parent by parent, along the indexes on (parent, time, pk).

    Attributes:
        leading: by whose parents.
        within: the named parents within which, where an index has both.
        column: the column of the parents.
        time: the list's order.
        includes_withdrawn: whether rows are shown whose other parent alone opens them. A live one is in a workspace
            that its group opens, too (`access.predicates`), so it is dead.
        indexes: which together hold the rows.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.leading, self.within = self._parents()
        # Rows of a message stand together on its connector, at the time when it was processed.
        self.column = "workspace_connector_pk" if self.leading.is_trace else self.leading.column
        self.time = shape.sort.name
        self.known, parents = self.leading, target_table(self.leading)
        # Only what the caller is known to see: a provider has no workspace, and that of a member may be gone.
        has_tenant = workspace_of(parents, parents.name) is not None and not self.only_finds
        self.tenant = "driver.workspace_pk" if has_tenant else ""
        named = {name for name, _ in shape.conditions}
        any_way = self.resource.tenancy == "any" and shape.person
        self.includes_withdrawn = any_way and shape.deleted != "exclude" and self.leading.name not in named
        self.indexes = list(self._indexes())

    def _parents(self) -> tuple[Relationship, Relationship | None]:
        """Return by whose parents the page is read, and the named parents within which, if an index has both."""
        named = {name for name, _ in self.shape.conditions}
        drivers = [relationship for relationship in self.resource.to_one if relationship.drives]
        # What is named has fewer rows than what always drives, whichever is declared first; that has every order.
        drivers.sort(key=lambda relationship: _LEADING.index(relationship.drives))
        always = next(found for found in drivers if found.drives == "always")
        together = {(index.parent, index.within) for index in declared(self.table)}
        for other in drivers:
            is_led = self.shape.person or always.name in named
            if is_led and other.name in named and (always.column, other.column) in together:
                return always, other
        # Not for a person: it is of all tenants, and theirs would lie behind the rows of others.
        leading = (found for found in drivers if not (self.shape.person and found.drives == "one_by_service"))
        # The record comes first in a declaration, so a filter on it wins: one record has few rows.
        return next((found for found in leading if found.name in named), always), None

    def _indexes(self) -> Iterable[ListIndex]:
        shape, within = self.shape, None if self.within is None else self.within.column
        if self.leading.is_trace and not self.is_sorted:
            # They are sorted anyway: once, whatever halves and directions.
            live = None if len(shape.halves) > 1 else shape.halves[0]
            return [ListIndex(self.column, self.time, live, shape.direction)]
        found = covering_indexes(self.table, self.column, self.time, shape.halves, shape.direction, within)
        if self.includes_withdrawn:
            opening = self._opening.column
            found += covering_indexes(self.table, self.column, self.time, (False,), shape.direction, opening)
        return dict.fromkeys(found)

    @property
    def _opening(self) -> Relationship:
        """The other parent that opens rows."""
        return next(other for other in self.resource.to_one if other.drives and other is not self.leading)

    @property
    def only_finds(self) -> bool:
        """Whether the leading parent finds rows, and does not say whether they are there, nor who sees them."""
        return self.leading.drives == "one_by_service"

    @property
    def is_sorted(self) -> bool:
        """Whether some index has the rows of a parent in the list's order."""
        if self.leading.is_trace:
            return self.time == "created_at"
        there = declared(self.table)
        if self.only_finds:
            return all(index in there for index in self.indexes)
        return any(index.parent == self.column and index.time == self.time for index in there)

    def page(self) -> str:
        """Return the query of the first rows of the drivers whose heads come first."""
        reverse, reach = self.shape.backward, ""
        if newest_bound.serves(self.shape):
            self.parts |= newest_bound.heads(self._head(), is_after=self.shape.cursor, table=self.table.name)
        else:
            order = self._order("head.head_at", "head.head_pk", reverse=reverse)
            self.parts["head"] = HEADS.format(order=order, first=self._head())
        if self.shape.large or newest_bound.serves(self.shape):
            self.parts["reach"] = self._reach()
            reach = "(SELECT reach.at FROM reach)"
        found = self._first_rows(self.indexes, MOST_OF_HEAD, full=True, reach=reach)
        order = self._order(f"found.{self.time}", "found.pk", reverse=reverse)
        leading = "" if self.leading.is_trace else f", driver.id AS {self.leading.name}_id"
        return PAGE.format(leading=leading, found=found, order=order)

    def row_behind(self) -> str:
        """Return the query of the nearest row of each driver at and behind the cursor."""
        nearest = self._first_rows(self.indexes, "1", full=False, behind=True)
        return f"SELECT 1 FROM driver CROSS JOIN LATERAL ({nearest}) AS nearest"

    def any_rows(self) -> str:
        """Return the query of the first rows of each driver."""
        first = self._first_rows(self.indexes, COUNTED, full=False)
        return f"SELECT 1 FROM driver CROSS JOIN LATERAL ({first}) AS found LIMIT {COUNTED}"

    def _begin(self) -> None:
        super()._begin()
        self.parts["driver"] = self.sql.piece(self._driver())
        self._name_messages()

    def _head(self) -> str:
        """Return the query of the first row of `driver`."""
        return self._first_rows(self.indexes, "1", full=False)

    def _reach(self) -> str:
        ascending = self._ascending(reverse=self.shape.backward)
        if self.shape.sort.by_name:
            beyond = f"chr({LAST_CHARACTER})" if ascending else "''"
        else:
            beyond = f"'{'' if ascending else '-'}infinity'::timestamptz"
        some, limit = (ALL_HEADS, OF_EACH) if self.shape.large else (OF_NEAREST, ":rows")
        sampled = self._first_rows(self.indexes, limit, full=False)
        order = self._order("sampled.head_at", "sampled.head_pk", reverse=self.shape.backward)
        return REACH.format(some=some, sampled=sampled, order=order, beyond=beyond)

    def _driver(self) -> SelectBase:
        """Return the query of the parents that can have rows the caller sees and the filters leave.

        Beside its keys each has what its rows need to know: its workspace, the parent within which they are, if it is
        of such, and whether it is live, where dead rows are asked for, which outlive it.
        """
        table = target_table(self.leading)
        parent: FromClause = aliased(table, "parent")
        conditions = parent_filters(self.leading, parent, self.shape.conditions)
        leads = not conditions
        if not leads and self.shape.person:
            parent, conditions = self._asked_about(self.leading), []
        if self.leading.is_trace:
            # Forgotten it may be, but not tombstoned.
            where = [parent.c.workspace_connector_pk, parent.c.processed_at, literal_column("true").label("is_live")]
            return select(parent.c.pk, parent.c.id, parent.c.workspace_pk, *where).where(
                self.visible.through(parent, table.name), *conditions
            )
        guards = self.leading.guards and not self.only_finds
        if (self.shape.deleted == "exclude" and guards) or table.name == "workspaces":
            conditions += [parent.c.deleted_at.is_(None)]
        # A service sees the rows of a group that is gone, and all others.
        if not self.only_finds and (self.shape.person or self.resource.tenancy != "any"):
            conditions.append(self.visible.through(parent, table.name, leads=leads))
        source: FromClause = parent
        within: ColumnElement[Any] | None = None
        if self.within is not None:
            other = self._asked_about(self.within)
            source, within = parent.join(other, true()), other.c.pk
        whole = select(*self._of_driver(parent, within)).select_from(source).where(*conditions)
        return union_all(whole, self._withdrawn()) if self.includes_withdrawn else whole

    def _asked_about(self, relationship: Relationship) -> FromClause:
        """Return the parents that a filter names, and somebody's that is nobody's for each that is not there."""
        table = target_table(relationship)
        ids = bindparam(parameter_name(relationship.name, "in"), type_=IDS)
        wanted = ("deleted_at", "workspace_connector_pk", "processed_at")
        return asked_about(table, ids, *(name for name in wanted if name in table.c))

    def _of_driver(self, parent: FromClause, within: ColumnElement[Any] | None) -> list[ColumnElement[Any]]:
        """Return the columns of a driver: what its rows need to know."""
        columns: list[ColumnElement[Any]] = [parent.c.pk, parent.c.id]
        workspace = workspace_of(parent, target_table(self.leading).name)
        if workspace is not None:
            columns.append(workspace.label("workspace_pk"))
        if self.shape.deleted != "exclude":
            columns.append(parent.c.deleted_at.is_(None).label("is_live"))
        if self.includes_withdrawn or self.within is not None:
            columns.append((cast(null(), BigInteger) if within is None else within).label("within_pk"))
        return columns

    def _withdrawn(self) -> Select[Any]:
        """Return the drivers that the caller does not see and that have had rows within parents that the caller sees.

        A workspace that has left a group: its enrolment in that group is the group's, too.
        """
        opening, table = target_table(self._opening), target_table(self.leading)
        other, parent = opening.alias("opening"), table.alias(f"left_{self.leading.name}")
        named = parent_filters(self._opening, other, self.shape.conditions)
        left = func.wellspring.workspaces_left(other.c.pk).table_valued(column("pk", BigInteger))
        left = left.render_derived(name="left_by")
        return (
            select(*self._of_driver(parent, other.c.pk))
            .select_from(other.join(left, true()).join(parent, parent.c.pk == left.c.pk))
            .where(
                self.visible.through(other, opening.name, leads=not named),
                *named,
                parent.c.deleted_at.is_(None),
                not_(self.visible.through(parent, table.name)),
            )
        )

    def _name_messages(self) -> None:
        """Find the messages that a filter names, where another parent drives."""
        for trace in self.resource.traces:
            message = target_table(trace).alias(trace.name)
            named = parent_filters(trace, message, self.shape.conditions)
            if named and trace is not self.leading:
                seen = self.visible.message(message.c.workspace_pk)
                self.parts[f"named_{trace.name}"] = self.sql.piece(select(message.c.pk).where(*named, seen))

    def _source(self) -> str:
        """Return the rows on an index; or the driver's of the parents that a filter names, where these guard nothing.

        Such are few, and found by their parents (OFFSET 0): a walk would pass all the driver's others. And a message's
        are no more than one transaction wrote: they are found by its time, and then sorted.
        """
        names = {name for name, operator in self.shape.conditions if operator == "in"}
        others = (other for other in self.resource.parents if other is not self.leading)
        named = [other for other in others if other.name in names and not other.guards]
        if not named and (self.is_sorted or not self.leading.is_trace):
            return super()._source()
        where = list(self._of_driver_conditions())
        for relationship in named:
            parent = target_table(relationship).alias(relationship.name)
            pks = select(parent.c.pk).where(*parent_filters(relationship, parent, self.shape.conditions))
            self.parts.setdefault(f"named_{relationship.name}", self.sql.piece(pks))
            where.append(f"row.{relationship.column} = ANY (ARRAY(SELECT pk FROM named_{relationship.name}))")
        return f"(SELECT * FROM {super()._source()} WHERE {' AND '.join(where)} OFFSET 0) AS row"

    def _of_driver_conditions(self) -> Iterator[str]:
        """Yield the conditions that a row belongs to a driver."""
        if not self.leading.is_trace:
            yield f"row.{self.column} = driver.pk"
            return
        yield f"row.{self.column} = driver.workspace_connector_pk"
        yield "row.created_at = driver.processed_at"
        yield f"row.{self.leading.column} = driver.pk"

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        yield from self._of_driver_conditions()
        yield from super()._conditions(index)
        for trace in self.resource.traces:
            if f"named_{trace.name}" in self.parts:
                yield f"row.{trace.column} = ANY (ARRAY(SELECT pk FROM named_{trace.name}))"
        if index.within is not None:
            yield f"row.{index.within} = driver.within_pk"
        elif self.includes_withdrawn:
            yield "driver.within_pk IS NULL"
        if index.live is not False and self.shape.deleted != "exclude" and not self.only_finds:
            yield "driver.is_live" if index.live else "(driver.is_live OR row.deleted_at IS NOT NULL)"
