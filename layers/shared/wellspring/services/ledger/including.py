"""Includes of an answer: included rows, to-many linkage, and what is computed about rows.

All of it is asked in the flush that asks for the rows (docs/adr/0041). What comes back is looked through for what the
shown rows point to: a page reads one row more than it shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from wellspring.access.principal import Principal
from wellspring.database import Transaction
from wellspring.database.flush import Flush, Pending, Row, TextRow
from wellspring.queries import BY_ENROLMENT, Position, Sort, View
from wellspring.repositories import ledger
from wellspring.repositories.answers import sources, states
from wellspring.repositories.answers.sources import SourcesOfRecords
from wellspring.repositories.groups import Linkage, linkage, share
from wellspring.resources import RECORD_SOURCE, SOURCES, Resource, on_path, resource_of
from wellspring.services.ledger.cursors import signed

type Included = Mapping[str, list[Row]]
# Types that paths lead to, each behind all that lead to it: these as type and relationship.
type Steps = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class IncludePlan:
    """What a view shows beside rows of a type.

    Attributes:
        linked: the to-many relationships whose linkage is shown, but for sources.
        computed: the types of which what is computed about rows is read; `resource` may be one.
        computed_links: those of them whose computed relationships are read, too.
    """

    resource: Resource
    steps: Steps
    linked: tuple[str, ...]
    shows_sources: bool
    computed: frozenset[str]
    computed_links: frozenset[str]

    @classmethod
    def of(cls, resource: Resource, view: View) -> "IncludePlan":
        """Return what a view shows beside rows of `resource`."""
        return _plan(resource, view.include, frozenset(view.fields.items()))

    def stored_by(self, rows: Sequence[Row]) -> dict[str, list[object]]:
        """Return the ids that rows which are known already store, by their places."""
        stored: dict[str, list[object]] = {}
        if self.linked or self.shows_sources or self.resource.type in self.computed:
            stored[ledger.place(self.resource.type)] = [row["id"] for row in rows]
        followed = {way for ways in self.steps.values() for way in ways}
        for name in (relationship.name for relationship in self.resource.to_one):
            if (self.resource.type, name) in followed:
                stored[ledger.place(self.resource.type, name)] = [row[f"{name}_id"] for row in rows]
        return stored

    def ask(self, flush: Flush, principal: Principal, most_rows: int) -> "IncludedRows":
        """Have it asked behind what stores the ids of the rows, of which so many are shown at most."""
        found = IncludedRows(self)
        if self.linked:
            found.linkage = flush.ask(linkage(self.linked, most_rows))

        def ask_for_computed(type_: str, places: Sequence[str]) -> None:
            if type_ in self.computed:
                asked = states.states(principal, places, failures=type_ in self.computed_links)
                found.computed[type_] = flush.ask(asked)

        ask_for_computed(self.resource.type, [ledger.place(self.resource.type)])
        if self.shows_sources:
            found.sources = flush.ask(sources.sources_of_page(principal, self.resource, most_rows))
        for type_, ways in self.steps.items():
            if type_ != RECORD_SOURCE.type:
                places = [ledger.place(*way) for way in ways]
                found.included[type_] = flush.ask(ledger.related(principal, resource_of(type_), places))
                ask_for_computed(type_, places)
        return found


@dataclass(slots=True)
class IncludedRows:
    """What a view shows beside rows, once the flush was sent: `included` by type, what is `computed` by type and id."""

    plan: IncludePlan
    linkage: Pending[Linkage] | None = None
    sources: Pending[SourcesOfRecords] | None = None
    included: dict[str, Pending[list[TextRow]]] = field(default_factory=dict)
    computed: dict[str, Pending[dict[UUID, Row]]] = field(default_factory=dict)

    def shown(self, transaction: Transaction, rows: Sequence[Row]) -> tuple[list[Row], Included]:
        """Return the rows that are shown with their linkage and what is computed about them, and what they include."""
        resource = self.plan.resource
        linked = self.linkage is not None or self.sources is not None
        whole = [self._with_linkage(transaction, row, len(rows)) for row in rows] if linked else rows
        shown = self._with_computed(resource.type, whole)
        known: dict[str, Sequence[Row]] = {resource.type: shown}
        included: dict[str, list[Row]] = {}
        for type_, ways in self.plan.steps.items():
            if type_ == RECORD_SOURCE.type:
                found = [each for row in shown for each in self._sources_of(row)[: sources.most_sources(len(rows))]]
            else:
                # Rows that were just written have ids, those that were read have their texts.
                leading = [
                    (row, str(id_)) for source, name in ways for row in known[source] for id_ in _linked(row, name)
                ]
                ids, told = {id_ for _, id_ in leading}, {id_ for row, id_ in leading if row.get("deleted_at") is None}
                # The row behind a page stores its ids, too: a live one tells nothing of the group of a dead one.
                pointed_to = [
                    row
                    for row in self.included[type_].value
                    if row["id"] in told or (row["id"] in ids and row.get("is_retrievable", True))
                ]
                found = self._with_computed(type_, pointed_to)
            known[type_] = included[type_] = found
        return shown, included

    def _with_computed(self, type_: str, rows: Sequence[Row]) -> list[Row]:
        computed = self.computed.get(type_)
        if computed is None:
            return list(rows)
        return [{**row, **computed.value.get(UUID(str(row["id"])), {})} for row in rows]

    def _sources_of(self, row: Row) -> list[Row]:
        return [] if self.sources is None else self.sources.value.get(UUID(str(row["id"])), [])

    def _with_linkage(self, transaction: Transaction, row: Row, rows: int) -> Row:
        """Add the ids behind the to-many relationships that the view asks for, to one of so many rows.

        The rows share what an answer has of each relationship. A row that has more than its share has the names of such
        relationships in `capped`, each with the cursor of what follows in the list of what is at its other end, or None
        where no list is of one row's.
        """
        ids: dict[str, object] = {}
        capped: dict[str, str | None] = {}
        if self.sources is not None:
            # Of a tombstoned record no GET shows any.
            if row["deleted_at"] is not None:
                return row
            found, most = self._sources_of(row), sources.most_sources(rows)
            ids[f"{SOURCES.name}_ids"] = [each["id"] for each in found[:most]]
            capped |= {SOURCES.name: None} if len(found) > most else {}
        linked = {} if self.linkage is None else self.linkage.value.get(UUID(str(row["id"])), {})
        for name in self.plan.linked:
            held, most = linked.get(name, []), share(rows)
            ids[f"{name}_ids"] = [id_ for id_, _ in held[:most]]
            if len(held) > most:
                capped[name] = _cursor_of_list(transaction, self.plan.resource, name, held[most - 1][1])
        return {**row, **ids, "capped": capped}


def _cursor_of_list(transaction: Transaction, resource: Resource, name: str, last: Position) -> str | None:
    """Return the cursor of a place in the list of what a relationship holds; None where there is no such list."""
    target = next(resource_of(held.target) for held in resource.relationships if held.name == name)
    if target.enrolled_in == resource.type:
        order = Sort(BY_ENROLMENT, descending=False)
    elif any(back.target == resource.type for back in target.to_one):
        order = Sort(descending=False)
    else:
        return None
    return signed(transaction, target, order, [last])[0]


def _shows(resource: Resource, names: Sequence[str], view: View, *, primary: bool) -> bool:
    """Say whether a view shows some of these fields, which are computed about rows of a type.

    What is included with the `primary` rows shows them only where they are named.
    """
    named = view.fields.get(resource.type)
    # What is included is linked to, also where that is not shown.
    if not names or (primary and any(name in (view.include or ()) for name in names)):
        return bool(names)
    return primary if named is None else not named.isdisjoint(names)


@lru_cache(maxsize=128)
def _plan(
    resource: Resource, include: tuple[str, ...] | None, fields: frozenset[tuple[str, frozenset[str]]]
) -> IncludePlan:
    view = View(include, dict(fields))
    steps = _steps(resource, view.include or ())
    asked = {path.partition(".")[0] for path in view.include or ()} | view.fields.get(resource.type, frozenset())
    to_many = (relationship for relationship in resource.relationships if relationship.many)
    many = tuple(relationship for relationship in to_many if relationship.name in asked)
    linked = tuple(relationship.name for relationship in many if relationship != SOURCES)
    shown = [(resource, True), *((resource_of(type_), False) for type_ in steps)]
    computed = (each.type for each, primary in shown if _shows(each, each.computed, view, primary=primary))
    links = {each.type for each, primary in shown if _shows(each, each.computed_links, view, primary=primary)}
    return IncludePlan(resource, steps, linked, SOURCES in many, frozenset((*computed, *links)), frozenset(links))


def _steps(resource: Resource, paths: tuple[str, ...]) -> Steps:
    """Return the types that paths go through; a path includes its stops on the way."""
    ways = ((source, found) for path in paths for source, found in on_path(resource, path))
    waiting = list(dict.fromkeys((source.type, found.name, found.target) for source, found in ways))
    steps: dict[str, Sequence[tuple[str, str]]] = {}
    while waiting:
        targets = {target for _, _, target in waiting}
        type_ = next(target for _, _, target in waiting if not any(s in targets for s, _, t in waiting if t == target))
        steps[type_] = [(source, name) for source, name, target in waiting if target == type_]
        waiting = [step for step in waiting if step[2] != type_]
    return steps


def _linked(row: Row, name: str) -> Iterable[UUID | str]:
    ids: Iterable[UUID | None] = row[f"{name}_ids"] if f"{name}_ids" in row else [row[f"{name}_id"]]
    return [id_ for id_ in ids if id_ is not None]
