"""A unit of messages goes in, rows and an outcome for each come out: look up in one flush, write in another.

A message that cannot succeed is parked: nothing is rolled back for it, and the others need no second try
(docs/adr/0020, 0021). The endings of a unit go before what it links, so in a unit no message ends what an earlier one
links: `Unit` says where the next unit begins.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wellspring.database import Transaction
from wellspring.database.flush import execute_pipelined
from wellspring.errors import ServiceUnavailable
from wellspring.messages import (
    Change,
    OfRecords,
    Outcome,
    Problem,
    ProvidersMatched,
    ReceivedMessage,
    RecordsSynced,
    RecordType,
    RunCompleted,
)
from wellspring.repositories.sync import making, messages
from wellspring.repositories.sync.completing import interrupt
from wellspring.repositories.sync.effects import Effect, effects, ends
from wellspring.repositories.sync.judging import judge, parked, parking
from wellspring.repositories.sync.making import Named
from wellspring.repositories.sync.messages import Entry, Known
from wellspring.repositories.sync.resolving import PROVIDER, Resolved, claimants, parent, questions, resolved


@dataclass(slots=True)
class Unit:
    """Messages that can be applied at once.

    Attributes:
        names: their ids and digests.
        linked: the ids of records that they link, by connector and type.
        made: the connector of each record that they may make, by type and id.
    """

    names: set[str] = field(default_factory=set)
    linked: defaultdict[tuple[str, RecordType], set[str]] = field(default_factory=lambda: defaultdict(set))
    made: defaultdict[RecordType, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def takes(self, message: ReceivedMessage) -> bool:
        """Say whether a message may be applied together with those before it; if so it is one of them from now on."""
        names, item = {message.digest, message.message_id or message.digest}, message.work
        if not self.names.isdisjoint(names) or (isinstance(item, OfRecords) and self._comes_behind(item)):
            return False
        if isinstance(item, RecordsSynced):
            connector = item.workspace_connector_id
            for type_, ids in item.records.items():
                self.linked[connector, type_].update(ids)
            for type_, values in item.attributes.items():
                self.made[type_] |= dict.fromkeys(values, connector)
        self.names |= names
        return True

    def _comes_behind(self, item: OfRecords) -> bool:
        """Say whether a message ends what an earlier one links, or names what that may make and it does not itself."""
        connector = item.workspace_connector_id
        for type_, ids in item.records.items():
            if ends(item) and not self.linked[connector, type_].isdisjoint(ids):
                return True
            made = self.made[type_]
            makes = item.attributes.get(type_, {}) if isinstance(item, RecordsSynced) else {}
            if any(made[id_] != connector or id_ not in makes for id_ in made.keys() & ids):
                return True
        return False


def apply_unit(transaction: Transaction, unit: Sequence[ReceivedMessage]) -> list[Outcome]:
    """Apply the messages of a unit; return an outcome for each.

    A message that is done has no effect and no problems, whatever has become of its records since. One that can never
    succeed by itself is parked.

    Raises what `messages.note` and `_make` do.
    """
    changes = {number: message.work for number, message in enumerate(unit) if isinstance(message.work, Change)}
    asked = questions(list(changes.values()))
    claims = {number: message.claim for number, message in enumerate(unit) if message.work is None}
    written_down, rest = messages.look_up(transaction, unit, *asked.values(), *claimants(claims))
    known = _overtaken_here(unit, written_down)
    claimed = {number: parents for rows in rest[len(asked) :] for number, *parents in rows}
    found = dict(zip(changes, resolved(list(changes.values()), dict(zip(asked, rest, strict=False))), strict=True))
    outcomes: dict[int, Outcome] = {}
    entries: list[Entry] = []
    applied: dict[int, Effect] = {}
    makeable = _makeable(transaction, changes, found)
    for number, (message, was) in enumerate(zip(unit, known, strict=True)):
        there = found.get(number)
        makes = makeable.get(number, frozenset())
        if there is not None and makes:
            left = tuple(problem for problem in there.problems if (problem.type, problem.id) not in makes)
            there = replace(there, problems=left)
        verdict = judge(message, was, there.problems if there else ())
        if isinstance(verdict, Outcome):
            outcomes[number] = verdict
            if verdict.status == "parked":
                of = (there.parent_pk, there.workspace_pk) if there else claimed.get(number)
                entries.append(parked(message, was, verdict, of))
        elif there is not None:
            applied[number] = Effect(was.pk, changes[number], there, makes)
    made = _make(transaction, applied)
    entries += [_entry(unit[number], known[number], effect, made[effect.pk]) for number, effect in applied.items()]
    if entries:
        done = effects(list(applied.values()))
        results = messages.note(transaction, entries, *(statement for _, statement in done))
        # How many rows each message ended, and how many choices it made.
        changed: dict[str, Counter[int]] = {"end": Counter(), "match": Counter()}
        for (name, _), rows in zip(done, results, strict=True):
            for pk, number in rows if name in changed else ():
                changed[name][pk] += number
        for number, effect in applied.items():
            outcomes[number] = Outcome(
                status="applied",
                linked=effect.item.record_count if isinstance(effect.item, RecordsSynced) else 0,
                ended=changed["end"][effect.pk],
                matched=changed["match"][effect.pk],
                made=made[effect.pk].total(),
                is_awaited=known[number].run_state == "incomplete",
            )
    return [outcomes[number] for number in range(len(unit))]


def _overtaken_here(unit: Sequence[ReceivedMessage], known: Sequence[Known]) -> list[Known]:
    """Return what is known of messages, each as if those before it in the unit were written down already.

    One that was parked and is sent again behind what overtakes it is overtaken, as it is where each comes alone
    (`messages.known` asks it of what is written down).
    """
    seen: list[Known] = []
    # Of each connector or workspace: the highest pk of what only adds, and of what does not.
    newest: dict[tuple[str, bool], int] = {}
    for message, was in zip(unit, known, strict=True):
        subject = message.subject_id
        if subject is None:
            seen.append(was)
            continue
        others = [newest.get((subject, False), 0), 0 if message.only_adds else newest.get((subject, True), 0)]
        is_overtaken = was.is_overtaken or (was.outcome == "parked" and max(others) > was.pk)
        seen.append(replace(was, is_overtaken=is_overtaken))
        if was.outcome != "dismissed":
            place = (subject, message.only_adds)
            newest[place] = max(newest.get(place, 0), was.pk)
    return seen


def _makeable(
    transaction: Transaction, changes: Mapping[int, Change], found: dict[int, Resolved]
) -> dict[int, frozenset[Named]]:
    """Return, of each message, the records that it misses and brings what they are made of, and that never were.

    What was made by another transaction since the messages' records were looked up is looked up again, in `found`.
    """
    missing: dict[int, set[Named]] = {}
    for number, item in changes.items():
        if isinstance(item, RecordsSynced) and item.attributes and found[number].parent_pk is not None:
            missing[number] = {
                (problem.type, problem.id)
                for problem in found[number].problems
                if problem.code == "unknown_record" and item.can_make(problem.type, problem.id)
            }
    named = set().union(*missing.values())
    if not named:
        return {}
    never = making.creatable_records(transaction, named)
    # One that is there now, or gone: another message may have made it since it was looked up. Nobody can any more.
    late = [number for number, records in missing.items() if not records <= never]
    if late:
        items = [changes[number] for number in late]
        again = questions(items)
        answers = execute_pipelined(transaction, list(again.values()))
        found |= zip(late, resolved(items, dict(zip(again, answers, strict=True))), strict=True)
    return {number: frozenset(records & never) for number, records in missing.items()}


def _make(transaction: Transaction, applied: dict[int, Effect]) -> dict[int, Counter[str]]:
    """Make the records that messages bring along, and look again for what they name.

    Return how many records of each type each message has made, by its pk. Raises `ServiceUnavailable` where somebody in
    another workspace made one of them meanwhile: try again, to see it.
    """
    counts: dict[int, Counter[str]] = {effect.pk: Counter() for effect in applied.values()}
    bringing = {number: effect for number, effect in applied.items() if effect.makes}
    if not bringing:
        return counts
    # Of several that bring a record, the first one makes it.
    makers = {named: effect for effect in reversed(bringing.values()) for named in effect.makes}
    rows: dict[RecordType, list[dict[str, object]]] = {}
    # All in one order, so that two who make the same ones do not wait for each other.
    for type_, id_ in sorted(makers):
        item, found = makers[type_, id_].item, makers[type_, id_].found
        values = item.attributes[type_][id_] if isinstance(item, RecordsSynced) else {}
        rows.setdefault(type_, []).append({"id": id_, "workspace_pk": found.workspace_pk, **values})
    items = [effect.item for effect in bringing.values()]
    again = questions(items)
    made = making.make(rows)
    answers = execute_pipelined(transaction, [*made, *again.values()])
    for type_, ids in zip(rows, answers, strict=False):
        for row in ids:
            counts[makers[type_, str(row.id)].pk][type_] += 1
    there = resolved(items, dict(zip(again, answers[len(made) :], strict=True)))
    for (number, effect), seen in zip(bringing.items(), there, strict=True):
        if seen.problems:
            raise ServiceUnavailable("Another connector made the same records meanwhile.")
        applied[number] = replace(effect, found=seen)
    return counts


def park(transaction: Transaction, message: ReceivedMessage, reason: str) -> Outcome:
    """Park a message whose failure is its own, for another reason than what it names.

    Raises as `apply_unit` does.
    """
    of = [parent(message.work)] if message.work else claimants({0: message.claim})
    (was,), parents = messages.look_up(transaction, [message], *of)
    if was.outcome in {"applied", "dismissed"}:
        return Outcome(status="duplicate")
    outcome = parking(Problem(reason, "message", message.message_id or ""))
    # What is malformed says which of the claims it is of, too.
    found = next((row[-2:] for rows in parents for row in rows), None)
    interrupted = [interrupt(message.work, was.pk)] if isinstance(message.work, RunCompleted) else []
    messages.note(transaction, [parked(message, was, outcome, found)], *interrupted)
    return outcome


def _entry(message: ReceivedMessage, was: Known, effect: Effect, made: Mapping[str, int]) -> Entry:
    item = effect.item
    if isinstance(item, ProvidersMatched):
        counts = {PROVIDER: {"named": item.record_count, "matched": 0}}
    else:
        links = isinstance(item, RecordsSynced)
        counts = {
            type_: {"named": len(ids), "made": made.get(type_, 0), "linked": len(ids) if links else 0, "ended": 0}
            for type_, ids in item.records.items()
        }
    return Entry(
        message=message,
        was=was,
        outcome="applied",
        connector_pk=None if isinstance(item, ProvidersMatched) else effect.found.parent_pk,
        workspace_pk=effect.found.workspace_pk,
        counts=counts,
    )
