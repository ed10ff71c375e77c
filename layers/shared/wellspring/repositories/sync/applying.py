"""A unit of messages goes in, rows and an outcome for each come out: resolve in one flush, write in another.

A message that cannot succeed is left out: nothing is rolled back for it, and the others need no second try
(docs/adr/0020). The endings of a unit go before what it links, so in a unit no message ends what an earlier one links:
`fits` says where the next unit begins.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from wellspring.database import Transaction
from wellspring.database.flush import Answer, Asked, together
from wellspring.repositories.sync import inbox
from wellspring.repositories.sync.ending import Ending, end
from wellspring.repositories.sync.linking import Linking, link
from wellspring.repositories.sync.matching import Matching, match
from wellspring.repositories.sync.resolving import PROVIDER, Resolved, resolve
from wellspring.repositories.sync.tables import RECORDS
from wellspring.work import HELD, PROBLEMS_TOLD, Change, Invalidated, Matched, Outcome, Synced


@dataclass(slots=True)
class Unit:
    """Messages that can be applied at once.

    Attributes:
        ids: their ids.
        linked: the (connector, type, record) that they link.
    """

    ids: set[str] = field(default_factory=set)
    linked: set[tuple[str, str, str]] = field(default_factory=set)

    def takes(self, item: Change) -> bool:
        """Say whether `item` may be applied together with those before it; if so it is one of them from now on."""
        if item.id in self.ids:
            return False
        if not isinstance(item, Matched):
            named = {(item.workspace_connector_id, type_, id_) for type_, ids in item.records.items() for id_ in ids}
            if _ends(item) and not self.linked.isdisjoint(named):
                return False
            if isinstance(item, Synced):
                self.linked |= named
        self.ids.add(item.id)
        return True


def apply_unit(transaction: Transaction, unit: Sequence[Change]) -> list[Outcome]:
    """Apply the messages of a unit; return an outcome for each.

    A message already in the inbox has no effect and no problems, whatever has become of its records since.

    Raises:
        ServiceUnavailable: another delivery of one of them was quicker; try again in a new transaction, which sees it.
        DBAPIError: SQLAlchemy's.
    """
    resolved = resolve(transaction, unit)
    outcomes = _without_effect(unit, resolved)
    chosen = [number for number, outcome in enumerate(outcomes) if outcome is None]
    if chosen:
        asked = effects(unit, resolved, chosen)
        with inbox.claiming():
            results = together(transaction, [each for _, each in asked])
        applied = _applied(unit, chosen, [name for name, _ in asked], results)
        outcomes = [outcome or applied[number] for number, outcome in enumerate(outcomes)]
    return [outcome for outcome in outcomes if outcome is not None]


def _without_effect(unit: Sequence[Change], resolved: Sequence[Resolved]) -> list[Outcome | None]:
    """Return the outcome of each message that is not to be applied: done before, failed, or behind a failure."""
    outcomes: list[Outcome | None] = []
    failed: set[str] = set()
    for item, found in zip(unit, resolved, strict=True):
        if item.group in failed:
            outcomes.append(HELD)
        elif found.is_done:
            outcomes.append(Outcome(status="duplicate"))
        elif found.problems:
            failed.add(item.group)
            told = found.problems[:PROBLEMS_TOLD]
            outcomes.append(Outcome(status="failed", problems=told, problem_count=len(found.problems)))
        else:
            outcomes.append(None)
    return outcomes


def _applied(
    unit: Sequence[Change], chosen: Sequence[int], names: Sequence[str], results: Sequence[Answer]
) -> dict[int, Outcome]:
    """Return the outcomes of the messages that had an effect, from what each statement says of it."""
    ended: Counter[int] = Counter()
    matched: Counter[int] = Counter()
    for name, result in zip(names, results, strict=True):
        if name in {"end", "match"}:
            changed = ended if name == "end" else matched
            for number, rows in result:
                changed[number] += rows
    return {
        number: Outcome(
            status="applied",
            linked=unit[number].record_count if isinstance(unit[number], Synced) else 0,
            ended=ended[number],
            matched=matched[number],
        )
        for number in chosen
    }


def effects(unit: Sequence[Change], resolved: Sequence[Resolved], chosen: Sequence[int]) -> list[tuple[str, Asked]]:
    """Return what is to be written for the chosen messages of a unit, in this order: one statement for each thing.

    The inbox comes first: where another delivery was quicker, nothing else runs.
    """
    asked = [("claim", inbox.claim(unit[number].id for number in chosen))]
    for type_ in RECORDS:
        endings: list[Ending] = []
        linkings: list[Linking] = []
        for number in chosen:
            item, found = unit[number], resolved[number]
            if isinstance(item, Matched) or type_ not in item.records or found.parent_pk is None:
                continue
            if _ends(item):
                endings.append(Ending(number, found.parent_pk, item.direction, found.pks[type_]))
            if isinstance(item, Synced):
                linkings.append(Linking(found.parent_pk, item.direction, found.pks[type_]))
        if endings:
            asked.append(("end", end(type_, endings)))
        if linkings:
            asked.append(("link", link(type_, linkings)))
    matchings = [
        Matching(number, found.parent_pk, found.pks[PROVIDER])
        for number in chosen
        if isinstance(unit[number], Matched) and (found := resolved[number]).parent_pk is not None
    ]
    if matchings:
        asked.append(("match", match(matchings)))
    return asked


def _ends(item: Change) -> bool:
    return isinstance(item, Invalidated) or (isinstance(item, Synced) and item.relink)
