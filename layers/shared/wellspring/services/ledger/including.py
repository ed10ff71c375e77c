"""Includes of an answer: included rows, to-many linkage, and what is computed about rows.

All of it is asked in the flush that asks for the rows (docs/adr/0041): what finds ids stores them for what comes behind
it. What comes back is looked through for what the shown rows point to: a page reads one row more than it shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from wellspring.access.principal import Principal
from wellspring.database import Transaction
from wellspring.database.flush import Flush, Pending, Query, TextRow
from wellspring.queries import BY_ENROLMENT, Sort, View
from wellspring.repositories import ledger
from wellspring.repositories.answers import sources, states
from wellspring.repositories.answers.sources import SourcesOfRecords
from wellspring.repositories.answers.states import State
from wellspring.repositories.ledger import Row
from wellspring.resources import RECORD_SOURCE, SOURCES, Resource, on_path, resource_of
from wellspring.services.ledger.cursors import signed

type Included = Mapping[str, list[Row]]


@dataclass(frozen=True, slots=True)
class Step:
    """One type that paths lead to; its `sources` are what leads to it, each as type and relationship."""

    type: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class IncludePlan:
    """What a view shows beside rows of a type.

    Attributes:
        steps: the types to include, each behind all that lead to it.
        linked: the to-many relationships whose linkage is shown, but for sources.
        computed: the types of which what is computed about rows is read; `resource` may be one.
        computed_links: those of them whose computed relationships are read, too.
    """

    resource: Resource
    steps: tuple[Step, ...]
    linked: tuple[str, ...]
    shows_sources: bool
    computed: frozenset[str]
    computed_links: frozenset[str]

    @classmethod
    def of(cls, resource: Resource, view: View) -> "IncludePlan":
        """Return what a view shows beside rows of `resource`."""
        return _plan(resource, view.include, frozenset(view.fields.items()))

    @property
    def is_needed(self) -> bool:
        """Whether there is anything."""
        return bool(self.steps or self.linked or self.shows_sources or self.computed)

    def stored_by(self, rows: Sequence[Row]) -> dict[str, list[object]]:
        """Return the ids that rows which are known already store, by their places."""
        stored: dict[str, list[object]] = {}
        if self.linked or self.shows_sources or self.resource.type in self.computed:
            stored[ledger.place(self.resource.type)] = [row["id"] for row in rows]
        for relationship in self.resource.to_one:
            key = f"{relationship.name}_id"
            if any(source == (self.resource.type, relationship.name) for step in self.steps for source in step.sources):
                stored[ledger.place(self.resource.type, relationship.name)] = [row[key] for row in rows]
        return stored

    def ask(self, flush: Flush, principal: Principal, most_rows: int) -> "IncludedRows":
        """Have it asked behind what stores the ids of the rows, of which so many are shown at most."""
        found = IncludedRows(self)
        if self.linked:
            found.linkage = flush.ask(ledger.linkage(self.linked, most_rows))
        if self.resource.type in self.computed:
            own = [ledger.place(self.resource.type)]
            found.computed[self.resource.type] = flush.ask(self._states(principal, self.resource.type, own))
        if self.shows_sources:
            found.sources = flush.ask(sources.sources_of_page(principal, self.resource, most_rows))
        for step in self.steps:
            if step.type == RECORD_SOURCE.type:
                continue
            places = [ledger.place(*source) for source in step.sources]
            found.included[step.type] = flush.ask(ledger.related(principal, resource_of(step.type), places))
            if step.type in self.computed:
                found.computed[step.type] = flush.ask(self._states(principal, step.type, places))
        return found

    def _states(self, principal: Principal, type_: str, places: Sequence[str]) -> Query[dict[UUID, State]]:
        return states.states(principal, places, failures=type_ in self.computed_links)


@dataclass(slots=True)
class IncludedRows:
    """What a view shows beside rows, once the flush was sent: `included` by type, what is `computed` by type and id."""

    plan: IncludePlan
    linkage: Pending[ledger.Linkage] | None = None
    sources: Pending[SourcesOfRecords] | None = None
    included: dict[str, Pending[list[TextRow]]] = field(default_factory=dict)
    computed: dict[str, Pending[dict[UUID, State]]] = field(default_factory=dict)

    def shown(self, transaction: Transaction, rows: Sequence[Row]) -> tuple[list[Row], Included]:
        """Return the rows that are shown with their linkage and what is computed about them, and what they include."""
        resource = self.plan.resource
        shown = self._with_computed(resource.type, self._with_linkage(transaction, self._with_sources(rows)))
        known: dict[str, Sequence[Row]] = {resource.type: shown}
        included: dict[str, list[Row]] = {}
        for step in self.plan.steps:
            if step.type == RECORD_SOURCE.type:
                known[step.type] = included[step.type] = [
                    each for row in shown for each in self._sources_of(row, shown)
                ]
                continue
            # Rows that were just written have ids, those that were read have their texts.
            ids = {str(id_) for source, name in step.sources for row in known[source] for id_ in _linked(row, name)}
            pointed_to = [row for row in self.included[step.type].value if row["id"] in ids]
            known[step.type] = included[step.type] = self._with_computed(step.type, pointed_to)
        return shown, included

    def _with_computed(self, type_: str, rows: Sequence[Row]) -> list[Row]:
        computed = self.computed.get(type_)
        if computed is None:
            return list(rows)
        return [{**row, **computed.value.get(UUID(str(row["id"])), {})} for row in rows]

    def _sources_of(self, row: Row, rows: Sequence[Row]) -> list[Row]:
        """Return the sources of one of the rows that are shown."""
        found = {} if self.sources is None else self.sources.value
        return found.get(UUID(str(row["id"])), [])[: sources.most_sources(len(rows))]

    def _with_sources(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Add the ids of the sources of live rows: of a tombstoned one no GET shows any."""
        if self.sources is None:
            return rows
        shown: list[Row] = []
        for row in rows:
            mine = self._sources_of(row, rows)
            has_more = len(self.sources.value.get(UUID(str(row["id"])), [])) > len(mine)
            told = {"sources_ids": [each["id"] for each in mine], "capped": {SOURCES.name: None} if has_more else {}}
            shown.append({**row, **told} if row["deleted_at"] is None else row)
        return shown

    def _with_linkage(self, transaction: Transaction, rows: Sequence[Row]) -> Sequence[Row]:
        """Add the ids behind the to-many relationships that the view asks for.

        An answer has at most `MOST_LINKED` of each relationship; the rows of a page share them evenly. A row that has
        more than its share has the names of such relationships in `capped`, each with the cursor of what follows in the
        list of what is at its other end, or None where no list is of one row's.
        """
        if self.linkage is None or not rows:
            return rows
        share = ledger.share(len(rows))
        found = self.linkage.value
        return [{**row, **self._share(transaction, found.get(UUID(str(row["id"])), {}), share)} for row in rows]

    def _share(
        self, transaction: Transaction, linked: Mapping[str, list[ledger.Linked]], share: int
    ) -> dict[str, object]:
        resource, said = self.plan.resource, {name: linked.get(name, []) for name in self.plan.linked}
        capped: dict[str, str | None] = {}
        for name, found in said.items():
            relationship = resource.relationship(name)
            if len(found) > share and relationship is not None:
                target = resource_of(relationship.target)
                capped[name] = _cursor_of_list(transaction, resource, target, found[share - 1])
        return {
            **{f"{name}_ids": [each.id for each in found[:share]] for name, found in said.items()},
            "capped": capped,
        }


def _cursor_of_list(transaction: Transaction, resource: Resource, target: Resource, last: ledger.Linked) -> str | None:
    """Return the cursor of one of what a row holds in the list of that; None where there is no such list."""
    if target.enrolled_in == resource.type:
        order = Sort(BY_ENROLMENT, descending=False)
    elif any(back.target == resource.type for back in target.to_one):
        order = Sort(descending=False)
    else:
        return None
    return signed(transaction, target, order, [last.place])[0]


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
    many = tuple(said for said in resource.relationships if said.many and said.name in asked)
    linked = tuple(said.name for said in many if said != SOURCES)
    shown = [(resource, True), *((resource_of(step.type), False) for step in steps)]
    computed = (each.type for each, primary in shown if _shows(each, each.computed, view, primary=primary))
    links = {each.type for each, primary in shown if _shows(each, each.computed_links, view, primary=primary)}
    return IncludePlan(resource, steps, linked, SOURCES in many, frozenset((*computed, *links)), frozenset(links))


def _steps(resource: Resource, paths: tuple[str, ...]) -> tuple[Step, ...]:
    """Return the types that paths go through, each behind all that lead to it; a path includes its stops on the way."""
    found: dict[tuple[str, str, str], None] = {}
    for path in paths:
        for source, relationship in on_path(resource, path):
            found[source.type, relationship.name, relationship.target] = None
    steps: list[Step] = []
    waiting = list(found)
    while waiting:
        targets = {target for _, _, target in waiting}
        type_ = next(target for _, _, target in waiting if not any(s in targets for s, _, t in waiting if t == target))
        sources = tuple((source, name) for source, name, target in waiting if target == type_)
        steps.append(Step(type_, sources))
        waiting = [step for step in waiting if step[2] != type_]
    return tuple(steps)


def _linked(row: Row, name: str) -> Iterable[UUID | str]:
    if f"{name}_ids" in row:
        return list(row[f"{name}_ids"])
    id_ = row[f"{name}_id"]
    return [] if id_ is None else [id_]
