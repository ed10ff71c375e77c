"""Pages that are read parent by parent: heads, then lateral (docs/adr/0002); and those of messages.

The cost depends on the number of parents and the page's size, not on the size of the tenant or of the table, nor on how
deep the page is. Where no single index holds the list's rows, those that together do are merged (docs/adr/0029).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlalchemy import Table

from wellspring.access import many_workspaces
from wellspring.access.predicates import asked_about, workspace_of
from wellspring.models.list_indexes import ListIndex, covering_indexes, declared
from wellspring.repositories.ledger.building import COUNTED, PageBuilder, Shape
from wellspring.repositories.ledger.columns import IS_LIVE, LAST_CHARACTER, row_filters, target_table
from wellspring.repositories.ledger.composing import all_of
from wellspring.resources import MESSAGE_OUTCOMES, Drives, Relationship

# Of how many rows of each head's parent a large page finds out how far it reaches, at least.
SAMPLED = 10
# Which of the parents that a request names leads to its rows: the first of these.
_LEADING: tuple[Drives, ...] = ("named", "always", "named_by_service", "one_by_service")
# Of no more parents a large page needs not find it out.
TOO_FEW = 3

# ---- driver: the parents that can have rows which the caller sees and the filters leave --------------------
DRIVER = """
SELECT {columns} -- what their rows need to know
  FROM {parents}
 WHERE {conditions} -- live, named by the filters, and seen: who sees what is asked of the drivers, and of nothing else
"""
# The drivers that the caller does not see and that have had rows within parents that the caller sees. A workspace that
# has left a group: its enrolment in that group is the group's, too.
WITHDRAWN = """
SELECT {columns}
  FROM {others} AS opening
  JOIN wellspring.workspaces_left(opening.pk) AS left_by (pk) ON true
  JOIN {parents} AS parent ON parent.pk = left_by.pk
 WHERE {opened} AND parent.deleted_at IS NULL AND NOT ({seen})
"""
# The messages that a filter names, where another parent drives; or parents that guard nothing.
NAMED = "SELECT {name}.pk FROM {parents} AS {name} WHERE {conditions}"
AMONG_NAMED = "row.{column} = ANY (ARRAY(SELECT pk FROM named_{name}))"

# ---- head: of the drivers that have a row ahead of the cursor those with the first such rows ---------------
# From the cursor on, its own row included. No others can have rows on the page.
HEADS = """
SELECT driver.*, row_number() OVER (ORDER BY {order}) AS place
  FROM driver
 CROSS JOIN LATERAL ({first}) AS head -- one look-up in the index of each
 ORDER BY {order}
 LIMIT :rows
"""

# ---- reach: a time that no row of the page lies beyond -----------------------------------------------------
# As far as a page of some of its parents' first rows goes: no row beyond the last of them is on the real one. In a
# query of its own: a coalesce() beside a row's column would keep the index from being used.
REACH = """
SELECT coalesce((SELECT sampled.head_at
                   FROM {some} AS driver
                  CROSS JOIN LATERAL ({sampled}) AS sampled
                  ORDER BY {order}
                 OFFSET :rows - 1
                  LIMIT 1), {beyond}) AS at
"""
# A large page asks for some rows of each parent, two pages in all, where there are so many that this is less than a
# page of each.
OF_EACH = f"greatest({SAMPLED}, 2 * :rows / greatest((SELECT count(*) FROM head), 1))"
ALL_HEADS = f"(SELECT * FROM head WHERE (SELECT count(*) FROM head) > {TOO_FEW})"

# ---- page: the rows of those drivers, merged ---------------------------------------------------------------
PAGE = """
SELECT found.*{leading}
  FROM head AS driver
 CROSS JOIN LATERAL ({found}) AS found -- each driver is read along the index, at most MOST_OF_HEAD rows
 ORDER BY {order}
 LIMIT :rows
"""
# Before the rows of the k-th head stand k - 1 heads at least: so many fewer of them can be on the page.
MOST_OF_HEAD = ":rows - driver.place + 1"
# Whether rows stand on the cursor's other side: the nearest of each driver.
ROW_BEHIND = "SELECT 1 FROM driver CROSS JOIN LATERAL ({nearest}) AS nearest"
ANY_ROWS = f"SELECT 1 FROM driver CROSS JOIN LATERAL ({{first}}) AS found LIMIT {COUNTED}"
# Few, found by their parents (OFFSET 0): a walk would pass all the driver's others, or sort what stands together.
FEW_ROWS = "(SELECT * FROM {source} WHERE {conditions} OFFSET 0) AS row"


class PerParentMerge(PageBuilder):
    """Reads parent by parent, along the indexes on (parent, time, pk).

    Attributes:
        leading: by whose parents.
        within: the named parents within which, where an index has both.
        only_finds: whether the leading parent finds rows, and does not say whether they are there, nor who sees them.
        includes_withdrawn: whether rows are shown whose other parent alone opens them. A live one is in a workspace
            that its group opens, too (`access.predicates`), so it is dead.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.leading, self.within = self._parents()
        self.only_finds = self.leading.drives == "one_by_service"
        # Rows of a message stand together on its connector, at the time when it was processed.
        self.column = "workspace_connector_pk" if self.leading.is_trace else self.leading.column
        self.known, parents = self.leading, target_table(self.leading)
        # Only what the caller is known to see: a provider has no workspace, and that of a member may be gone.
        self.tenant = "driver.workspace_pk" if workspace_of("driver", parents) and not self.only_finds else ""
        any_way = self.resource.tenancy == "any" and shape.person
        self.includes_withdrawn = any_way and shape.deleted != "exclude" and self.leading.name not in self.named

    def _parents(self) -> tuple[Relationship, Relationship | None]:
        """Return by whose parents the page is read, and the named parents within which, if an index has both."""
        # What is named has fewer rows than what always drives, whichever is declared first; that has every order.
        drivers = [each for kind in _LEADING for each in self.resource.to_one if each.drives == kind]
        always = next(found for found in drivers if found.drives == "always")
        together = {(index.parent, index.within) for index in declared(self.table)}
        for other in drivers:
            is_led = self.shape.person or always.name in self.named
            if is_led and other.name in self.named and (always.column, other.column) in together:
                return always, other
        # Not for a person: it is of all tenants, and theirs would lie behind the rows of others.
        leading = (found for found in drivers if not (self.shape.person and found.drives == "one_by_service"))
        # The record is declared first, so a filter on it wins: one record has few rows.
        return next((found for found in leading if found.name in self.named), always), None

    @cached_property
    def indexes(self) -> Sequence[ListIndex]:
        """The indexes that together hold the rows of a parent."""
        halves, within = self.shape.halves, None if self.within is None else self.within.column
        undivided = ListIndex(self.column, self.time, None, self.shape.direction, within)
        if self.leading.is_trace and not self.is_sorted:
            # They are sorted anyway: once, whatever halves and directions.
            return [undivided if len(halves) > 1 else replace(undivided, live=halves[0])]
        found = covering_indexes(self.table, undivided, halves)
        if self.includes_withdrawn:
            found += covering_indexes(self.table, replace(undivided, within=self._opening.column), (False,))
        return list(dict.fromkeys(found))

    @property
    def _opening(self) -> Relationship:
        return next(other for other in self.resource.to_one if other.drives and other is not self.leading)

    @property
    def is_sorted(self) -> bool:
        """Whether some index has the rows of a parent in the list's order."""
        if self.leading.is_trace:
            return self.time == "created_at"
        if self.only_finds:
            return super().is_sorted
        return any(index.parent == self.column and index.time == self.time for index in declared(self.table))

    def _page(self) -> str:
        self._find_parents()
        first, is_plain, reach = self._first_rows("1"), self.shape.is_plain, ""
        if is_plain:
            self.parts |= many_workspaces.likely_heads(first, is_after=self.shape.cursor, table=self.table.name)
        else:
            self.parts["head"] = HEADS.format(order=self._order("head.head_at", "head.head_pk"), first=first)
        if self.shape.large or is_plain:
            self.parts["reach"] = self._reach()
            reach = "(SELECT reach.at FROM reach)"
        return PAGE.format(
            leading="" if self.leading.is_trace else f", driver.id AS {self.leading.name}_id",
            found=self._first_rows(MOST_OF_HEAD, full=True, reach=reach),
            order=self._order(f"found.{self.time}", "found.pk"),
        )

    def _row_behind(self) -> str:
        return ROW_BEHIND.format(nearest=super()._row_behind())

    def _any_rows(self) -> str:
        self._find_parents()
        return ANY_ROWS.format(first=super()._any_rows())

    def _find_parents(self) -> None:
        self.parts["driver"] = self._driver()
        for trace in self.resource.traces:
            if trace.name in self.named and trace is not self.leading:
                self._find_named(trace, self.visible.message(f"{trace.name}.workspace_pk"))

    def _reach(self) -> str:
        beyond = f"'{'' if self.ascending else '-'}infinity'::timestamptz"
        if self.shape.sort.by_name:
            beyond = LAST_CHARACTER if self.ascending else "''"
        some, limit = (ALL_HEADS, OF_EACH) if self.shape.large else (many_workspaces.OF_NEAREST, ":rows")
        order = self._order("sampled.head_at", "sampled.head_pk")
        return REACH.format(some=some, sampled=self._first_rows(limit), order=order, beyond=beyond)

    def _driver(self) -> str:
        table = target_table(self.leading)
        parents, is_named = f"{table} AS parent", self.leading.name in self.named
        conditions = self._filters(self.leading, "parent")
        if is_named and self.shape.person:
            parents, conditions = self._asked_about(self.leading, "parent"), []
        if self.leading.is_trace:
            # Forgotten it may be, but not tombstoned.
            columns = "parent.pk, parent.id, parent.workspace_pk, parent.workspace_connector_pk, parent.processed_at"
            conditions.append(self.visible.through("parent", table))
            return DRIVER.format(columns=f"{columns}, true AS is_live", parents=parents, conditions=all_of(conditions))
        guards = self.leading.guards and not self.only_finds
        if (self.shape.deleted == "exclude" and guards) or table.name == "workspaces":
            conditions.append(IS_LIVE.format(parent="parent"))
        # A service sees the rows of a group that is gone, and all others.
        if not self.only_finds and (self.shape.person or self.resource.tenancy != "any"):
            conditions.append(self.visible.through("parent", table, leads=not is_named))
        within = "NULL::bigint"
        if self.within is not None:
            parents += f" CROSS JOIN {self._asked_about(self.within, 'other')}"
            within = "other.pk"
        columns = self._of_driver(table, within)
        whole = DRIVER.format(columns=columns, parents=parents, conditions=all_of(conditions))
        return f"{whole} UNION ALL {self._withdrawn(table)}" if self.includes_withdrawn else whole

    def _asked_about(self, relationship: Relationship, name: str) -> str:
        """Return the parents that a filter names, and somebody's that is nobody's for each that is not there."""
        table = target_table(relationship)
        wanted = [known for known in ("deleted_at", "workspace_connector_pk", "processed_at") if known in table.c]
        return f"({asked_about(table, f':{relationship.name}_in::UUID[]', *wanted)}) AS {name}"

    def _of_driver(self, table: Table, within: str) -> str:
        """Return a driver's keys, workspace, whether it is live (dead rows outlive it), and the parent within which."""
        columns, workspace = ["parent.pk", "parent.id"], workspace_of("parent", table)
        columns += [f"{workspace} AS workspace_pk"] if workspace else []
        columns += [f"{IS_LIVE.format(parent='parent')} AS is_live"] if self.shape.deleted != "exclude" else []
        columns += [f"{within} AS within_pk"] if self.includes_withdrawn or self.within is not None else []
        return ", ".join(columns)

    def _withdrawn(self, table: Table) -> str:
        others, named = target_table(self._opening), self._filters(self._opening, "opening")
        return WITHDRAWN.format(
            columns=self._of_driver(table, "opening.pk"),
            others=others,
            parents=table,
            opened=all_of((self.visible.through("opening", others, leads=not named), *named)),
            seen=self.visible.through("parent", table),
        )

    def _find_named(self, relationship: Relationship, *conditions: str) -> None:
        name, named = relationship.name, all_of((*self._filters(relationship, relationship.name), *conditions))
        self.parts[f"named_{name}"] = NAMED.format(name=name, parents=target_table(relationship), conditions=named)

    def _source(self) -> str:
        """Return the rows on an index; or the driver's few of a message, or of parents that guard nothing."""
        others = (other for other in self.resource.parents if other is not self.leading and not other.guards)
        named = [other for other in others if other.name in self.named]
        if not named and (self.is_sorted or not self.leading.is_trace):
            return super()._source()
        where = list(self._of_driver_conditions())
        for relationship in named:
            self._find_named(relationship)
            where.append(AMONG_NAMED.format(column=relationship.column, name=relationship.name))
        return FEW_ROWS.format(source=super()._source(), conditions=all_of(where))

    def _of_driver_conditions(self) -> Sequence[str]:
        if not self.leading.is_trace:
            return [f"row.{self.column} = driver.pk"]
        return [
            f"row.{self.column} = driver.workspace_connector_pk",
            "row.created_at = driver.processed_at",
            f"row.{self.leading.column} = driver.pk",
        ]

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        yield from self._of_driver_conditions()
        yield from super()._conditions(index)
        for trace in self.resource.traces:
            if f"named_{trace.name}" in self.parts:
                yield AMONG_NAMED.format(column=trace.column, name=trace.name)
        if index.within is not None:
            yield f"row.{index.within} = driver.within_pk"
        elif self.includes_withdrawn:
            yield "driver.within_pk IS NULL"
        if index.live is not False and self.shape.deleted != "exclude" and not self.only_finds:
            yield "driver.is_live" if index.live else "(driver.is_live OR row.deleted_at IS NOT NULL)"


# ---- messages: in the order of their arrival, of whatever outcome (docs/adr/0022) --------------------------
# An index of a parent's messages has those of each outcome together, also within a reason or a run: a list of all of
# them is four walks, merged.
ARRIVAL = "received_at"
MISMATCH, UNKNOWN = "tenant_mismatch", "unknown_record"
# Only these have a reason.
WITH_REASON = ("parked", "dismissed")
# What a person takes for an unknown record may be a tenant mismatch, of which they are not told.
REASON = "row.kept_reason = :reason_eq::VARCHAR"
REASON_OF_PERSON = f"row.kept_reason = nullif(:reason_eq::VARCHAR, '{MISMATCH}')"
REASON_OF_MISMATCH = f"row.kept_reason = CASE WHEN :reason_eq::VARCHAR = '{UNKNOWN}' THEN '{MISMATCH}' END"
# A message is of its connector's workspace: where that is not the one asked for, none of them is looked at.
OF_WORKSPACES = """
SELECT *
  FROM ({driver}) AS connectors
 WHERE workspace_pk = ANY (ARRAY(SELECT workspace.pk FROM {workspaces} AS workspace WHERE {named}))
"""


@dataclass(frozen=True, slots=True)
class MessageIndex(ListIndex):
    """Messages that stand together in an index: of one outcome, empty for the one that is asked for; None for any.

    Or `is_mismatch`: the tenant mismatches among what a person takes for unknown records.
    """

    outcome: str | None = None
    is_mismatch: bool = False


class Messages(PageBuilder):
    """Reads the messages of all workspaces, and of none, for a service: each order that is offered has an index."""

    is_sorted = True

    @cached_property
    def indexes(self) -> Sequence[MessageIndex]:
        """The indexes of the outcomes that may be asked for."""
        outcomes: Sequence[str | None] = (None,)
        if "outcome" in self.named:
            outcomes = ("",)
        elif "reason" in self.named:
            outcomes = WITH_REASON
        elif self.column and self.time == ARRIVAL and "message_id" not in self.named:
            # Of a parent the messages of each outcome stand together.
            outcomes = MESSAGE_OUTCOMES
        kinds = (False, True) if self.shape.person and "reason" in self.named else (False,)
        return [MessageIndex(self.column, self.time, outcome=of, is_mismatch=is_) for of in outcomes for is_ in kinds]

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        if not isinstance(index, MessageIndex):
            raise TypeError(index)
        if "message_id" in self.named:
            # Few, which are sorted.
            yield "row.message_id = :message_id_eq::UUID"
        if index.outcome is not None:
            yield f"row.outcome = '{index.outcome}'" if index.outcome else "row.outcome = :outcome_eq::VARCHAR"
        if "run" in self.named:
            yield "row.run = :run_eq::VARCHAR"
        if "reason" in self.named:
            of_person = REASON_OF_MISMATCH if index.is_mismatch else REASON_OF_PERSON
            yield of_person if self.shape.person else REASON
        ranges = [(name, operator) for name, operator in self.shape.conditions if operator not in {"eq", "in"}]
        yield from row_filters(self.resource, self.columns, ranges)
        if index.time != ARRIVAL:
            # Where there is no such time the index has no such message.
            yield f"row.{index.time} IS NOT NULL"
        if self.column is None:
            yield self.visible.message("row.workspace_pk")
            if "outcome" in self.named:
                # The index has all but these, which are most; a service is refused a list of them (`services.ledger`).
                yield "row.outcome <> 'applied'"

    @property
    def _behind(self) -> Sequence[Relationship]:
        # The parents of a message open and close nothing.
        return [each for each in self.resource.parents if each is not self.known]


class MessagesOfParents(Messages, PerParentMerge):
    """Reads the messages of connectors or workspaces, parent by parent."""

    def _driver(self) -> str:
        workspaces = next(each for each in self.resource.parents if each.target == "workspace")
        named = [] if self.leading is workspaces else self._filters(workspaces, "workspace")
        if not named:
            return super()._driver()
        return OF_WORKSPACES.format(driver=super()._driver(), workspaces=target_table(workspaces), named=all_of(named))

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        yield from self._of_driver_conditions()
        yield from super()._conditions(index)
