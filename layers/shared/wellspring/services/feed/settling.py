"""Settling what waits: events are applied when what they name has come, and parked when it has not come for a day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from wellspring.database import Transaction
from wellspring.database.retry import Deadline, in_rounds, with_retries
from wellspring.errors import ServiceUnavailable
from wellspring.observability import describe, logger
from wellspring.repositories.feed import applying, erasures, pending, sources
from wellspring.repositories.feed.pending import Pending
from wellspring.repositories.feed.work import MALFORMED, UNEXPECTED, Verdict, parked
from wellspring.services.feed.applying import CHUNK, with_locks

# How long an event may wait for what it names (contract, section 6).
WAITS = timedelta(hours=24)
# How long it is remembered what became of events and files.
HISTORY_DAYS = 90
# Missing things that one transaction looks for.
THINGS = 2000


@dataclass(frozen=True, slots=True)
class Settled:
    """How many events had an effect or need none any more, how many were parked, and whether that is all for now."""

    applied: int
    expired: int
    is_all: bool


def settle(deadline: Deadline) -> Settled:
    """Apply what waited for something that is there by now, chains included, and park what has waited for too long.

    Also forgets what is too old to matter. Each step is a transaction of bounded size; what there is no time for is
    left to the next run.

    Raises:
        WellspringError: the database did not let it; what was done before stays done.
    """
    applied = 0
    after: tuple[str, str] | None = ("", "")
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


def _look(
    transaction: Transaction, most: int, after: tuple[str, str]
) -> tuple[Sequence[Pending], tuple[str, str] | None]:
    there, reached = pending.come(transaction, after, THINGS)
    return (pending.take(transaction, there, most) if there else []), reached


def _take(transaction: Transaction, most: int, things: Sequence[tuple[str, str]]) -> tuple[Sequence[Pending], None]:
    return pending.take(transaction, things, most), None


def settle_for(brought: Sequence[tuple[str, str]], deadline: Deadline) -> list[tuple[str, str]]:
    """Apply what waited for these resources, by type and id, and for what is applied by that.

    Returns all that is there now: `brought`, and what was applied; what there is no time for is left to `settle`.
    Raises what that raises.
    """
    there, things = list(brought), list(brought)
    while things and not deadline.has_passed:
        step = _step(partial(_take, things=things[:THINGS]), deadline)
        if step.taken < CHUNK:
            del things[:THINGS]
        things += step.brought
        there += step.brought
    return there


def apply_taken(
    transaction: Transaction, taken: Sequence[Pending], exclusive: frozenset[str] = frozenset()
) -> tuple[list[Verdict], list[tuple[str, str]]]:
    """Apply events that are locked, and write down what became of them. Raises `NeedsExclusive`.

    Returns a verdict for each, and the types and ids of the resources that are there now.
    """
    events = {number: one.event for number, one in enumerate(taken) if one.event is not None}
    changes = {number: event for number, event in events.items() if event.action != "erase"}
    applying.lock(transaction, changes.values(), {event.type for event in changes.values()}, exclusive)
    change = applying.apply_events(transaction, changes, exclusive)
    verdicts = [change.verdicts.get(number, _UNREADABLE) for number in range(len(taken))]
    for number in sorted(events.keys() - changes):
        verdicts[number], gone = erasures.erase(transaction, events[number])
        change.live.update(gone)
    pending.settle(transaction, zip(taken, verdicts, strict=True))
    counted = [(event, verdicts[number]) for number, event in events.items()]
    sources.count(transaction, counted, change.live, is_new=False)
    brought = [(e.type, e.subject) for n, e in changes.items() if verdicts[n].status == "applied"]
    return verdicts, brought


_UNREADABLE = parked(MALFORMED)


@dataclass(frozen=True, slots=True)
class _Step:
    done: int
    taken: int
    brought: Sequence[tuple[str, str]]
    reached: tuple[str, str] | None


# Takes so many events at most, and says how far it has looked.
type _Find = Callable[[Transaction, int], tuple[Sequence[Pending], tuple[str, str] | None]]


def _step(find: _Find, deadline: Deadline) -> _Step:
    """Apply the events that `find` takes; where that fails, the first of them alone; and where that fails, park it."""

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
