"""Applying events of the feed: a thousand in a transaction, and one by one where that is refused.

Each event stands for itself. One that can never succeed is parked in the transaction of its neighbours; one that names
what is not there waits until that has come, and is parked when it has not come for a day. The erasure of a person is a
transaction of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from wellspring.database import Transaction
from wellspring.database.retry import Deadline, in_rounds, with_retries
from wellspring.errors import ServiceUnavailable, WellspringError
from wellspring.observability import describe, logger
from wellspring.repositories.feed import applying, erasures, pending, sources
from wellspring.repositories.feed.applying import NeedsExclusive
from wellspring.repositories.feed.pending import Pending, Thing
from wellspring.repositories.feed.work import MALFORMED, UNEXPECTED, FeedEvent, Malformed, Told, Verdict, parked

# Events that one transaction applies: a quarter of a second of work.
CHUNK = 1000
OUT_OF_TIME = Verdict("returned", reason="OUT_OF_TIME")
# How long an event may wait for what it names (contract, section 6).
WAITS = timedelta(hours=24)
# How long it is remembered what became of events and files.
HISTORY_DAYS = 90
# Missing things that one transaction looks for.
THINGS = 2000

# What else is written in the transaction, knowing what became of the events.
type AfterApply = Callable[[Transaction, Sequence[Verdict]], None]
# Events that were taken, and how far was looked for them.
type Found = tuple[Sequence[Pending], Thing | None]


def apply(told: Sequence[Told], deadline: Deadline, *, is_last_try: bool = False) -> list[Verdict]:
    """Apply events, and return what became of each.

    What the database refuses, and what there is no time for, is returned. Raises nothing: what was committed must not
    come back because of what was not. At the last try, an event that meets a failure nobody foresaw is parked.
    """
    chunks = (told[begin : begin + CHUNK] for begin in range(0, len(told), CHUNK))
    return [verdict for chunk in chunks for verdict in apply_chunk(chunk, deadline, is_last_try=is_last_try)]


def apply_chunk(told: Sequence[Told], deadline: Deadline, *, is_last_try: bool = False) -> list[Verdict]:
    """Do as `apply` does, in one transaction where that is not refused."""
    if deadline.has_passed:
        return [OUT_OF_TIME] * len(told)
    try:
        return apply_at_once(told, deadline)
    except ServiceUnavailable as error:
        return [Verdict("returned", reason=error.code, evidence=dict(error.evidence))] * len(told)
    except Exception as error:  # noqa: BLE001  (whatever it is, it may concern one event only)
        if half := len(told) // 2:
            halves = told[:half], told[half:]
            return [verdict for some in halves for verdict in apply_chunk(some, deadline, is_last_try=is_last_try)]
        return [_failed(told[0], error, deadline, is_last_try=is_last_try)]


def apply_at_once(told: Sequence[Told], deadline: Deadline, after_apply: AfterApply | None = None) -> list[Verdict]:
    """Apply events, all or none of them but for erasures, which come first and each by itself.

    Raises what `with_retries` raises.
    """
    erased = {
        number: _alone(event, deadline)
        for number, event in enumerate(told)
        if isinstance(event, FeedEvent) and event.action == "erase"
    }

    def work(exclusive: frozenset[str], transaction: Transaction) -> list[Verdict]:
        verdicts = _apply(transaction, told, erased, exclusive)
        if after_apply is not None:
            after_apply(transaction, verdicts)
        return verdicts

    return with_locks(work, deadline)


def with_locks[Result](work: Callable[[frozenset[str], Transaction], Result], deadline: Deadline) -> Result:
    """Run `work` with the types that it must lock exclusively; none at first, which nearly always will do.

    Raises what `with_retries` raises.
    """
    exclusive: frozenset[str] = frozenset()
    while True:
        try:
            return with_retries(partial(work, exclusive), None, deadline)
        except NeedsExclusive as needed:
            exclusive |= needed.types


def _alone(event: FeedEvent, deadline: Deadline) -> Verdict:
    def work(transaction: Transaction) -> Verdict:
        verdict, live = erasures.erase(transaction, event)
        if verdict.status == "parked":
            pending.keep(transaction, [(event, verdict)])
        sources.count(transaction, [(event, verdict)], live, is_new=True)
        return verdict

    return with_retries(work, None, deadline)


def _apply(
    transaction: Transaction, told: Sequence[Told], erased: dict[int, Verdict], exclusive: frozenset[str]
) -> list[Verdict]:
    events = {n: event for n, event in enumerate(told) if isinstance(event, FeedEvent) and n not in erased}
    applying.lock(transaction, events.values(), _types(told), exclusive)
    change = applying.apply_events(transaction, events, exclusive)
    verdicts = [
        parked(MALFORMED, *event.problems) if isinstance(event, Malformed) else erased.get(n) or change.verdicts[n]
        for n, event in enumerate(told)
    ]
    kept = [n for n, verdict in enumerate(verdicts) if verdict.status in {"waiting", "parked"} and n not in erased]
    pending.keep(transaction, ((told[n], verdicts[n]) for n in kept))
    sources.count(transaction, ((event, verdicts[n]) for n, event in events.items()), change.live, is_new=True)
    return verdicts


def _types(told: Sequence[Told]) -> set[str]:
    """Return the types to lock: what is no event may name people, and says nothing of those who were erased."""
    return {event.type if isinstance(event, FeedEvent) else "people" for event in told}


def _failed(event: Told, error: Exception, deadline: Deadline, *, is_last_try: bool) -> Verdict:
    """Return the verdict on an event that met `error` with nothing else in its transaction."""
    evidence = describe(error.__cause__ or error)
    if isinstance(error, WellspringError):
        evidence |= error.evidence
    returned = Verdict("returned", reason=UNEXPECTED, evidence=evidence)
    if not is_last_try:
        return returned

    def keep(transaction: Transaction) -> None:
        applying.lock_types(transaction, _types([event]))
        pending.keep(transaction, [(event, parked(UNEXPECTED))])

    try:
        with_retries(keep, None, deadline)
    except WellspringError:
        return returned
    return Verdict("parked", reason=UNEXPECTED, evidence=evidence)


# ---- settling what waits -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Settled:
    """How many events had an effect or need none any more, how many were parked, and whether that is all for now."""

    applied: int
    expired: int
    is_all: bool


def settle(deadline: Deadline) -> Settled:
    """Apply what waited for something that is there by now, chains included, and park what has waited for too long.

    Also forgets what is too old to matter. Each step is a transaction of bounded size; what there is no time for is
    left to the next run. Raises `WellspringError`; what was done before stays done.
    """
    applied = 0
    after: Thing | None = ("", "")
    moved = False
    while after is not None:
        if deadline.has_passed:
            return Settled(applied, 0, is_all=False)
        step = _step(partial(_look, after=after), deadline)
        applied += step.done
        moved = moved or step.taken > 0
        if not step.taken:
            after = step.reached
            if after is None and moved:
                # What was applied may be what others wait for.
                after, moved = ("", ""), False
    if not deadline.has_passed:
        with_retries(lambda transaction: pending.forget(transaction, HISTORY_DAYS, CHUNK), None, deadline)
    expired, is_all = in_rounds(partial(pending.expire, waited=WAITS, most=CHUNK), CHUNK, None, deadline)
    return Settled(applied, expired, is_all)


def _look(transaction: Transaction, most: int, after: Thing) -> Found:
    there, reached = pending.come(transaction, after, THINGS)
    return (pending.take(transaction, there, most) if there else []), reached


def settle_for(brought: Sequence[Thing], deadline: Deadline) -> list[Thing]:
    """Apply what waited for these resources, by type and id, and for what is applied by that.

    Returns all that is there now: `brought`, and what was applied; what there is no time for is left to `settle`.
    Raises what that raises.
    """

    def take(transaction: Transaction, most: int) -> Found:
        return pending.take(transaction, things[:THINGS], most), None

    there, things = list(brought), list(brought)
    while things and not deadline.has_passed:
        step = _step(take, deadline)
        if step.taken < CHUNK:
            del things[:THINGS]
        things += step.brought
        there += step.brought
    return there


def apply_taken(
    transaction: Transaction, taken: Sequence[Pending], exclusive: frozenset[str] = frozenset()
) -> tuple[list[Verdict], list[Thing]]:
    """Apply events that are locked, and write down what became of them. Raises `NeedsExclusive`.

    Returns a verdict for each, and the types and ids of the resources that are there now.
    """
    events = {number: one.event for number, one in enumerate(taken) if one.event is not None}
    changes = {number: event for number, event in events.items() if event.action != "erase"}
    applying.lock(transaction, changes.values(), {event.type for event in changes.values()}, exclusive)
    change = applying.apply_events(transaction, changes, exclusive)
    verdicts = [change.verdicts.get(number, parked(MALFORMED)) for number in range(len(taken))]
    for number in sorted(events.keys() - changes):
        verdicts[number], gone = erasures.erase(transaction, events[number])
        change.live.update(gone)
    pending.settle(transaction, zip(taken, verdicts, strict=True))
    counted = [(event, verdicts[number]) for number, event in events.items()]
    sources.count(transaction, counted, change.live, is_new=False)
    brought = [(e.type, e.subject) for n, e in changes.items() if verdicts[n].status == "applied"]
    return verdicts, brought


@dataclass(frozen=True, slots=True)
class _Step:
    done: int
    taken: int
    brought: Sequence[Thing]
    reached: Thing | None


def _step(find: Callable[[Transaction, int], Found], deadline: Deadline) -> _Step:
    """Apply the events that `find` takes, so many at most; where that fails the first alone, or else park it."""

    def work(most: int, exclusive: frozenset[str], transaction: Transaction) -> _Step:
        taken, reached = find(transaction, most)
        verdicts, brought = apply_taken(transaction, taken, exclusive) if taken else ([], [])
        return _Step(sum(verdict.is_done for verdict in verdicts), len(taken), brought, reached)

    def park(transaction: Transaction) -> _Step:
        taken, reached = find(transaction, 1)
        pending.settle(transaction, [(one, parked(UNEXPECTED)) for one in taken])
        return _Step(0, len(taken), (), reached)

    for most in (CHUNK, 1):
        try:
            return with_locks(partial(work, most), deadline)
        except ServiceUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, it may concern one event only)
            logger.error("settling failed", extra={"events": most} | describe(error.__cause__ or error))
    return with_retries(park, None, deadline)
