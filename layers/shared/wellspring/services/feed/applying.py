"""Applying events of the feed: a thousand in a transaction, and one by one where that is refused.

Each event stands for itself. One that can never succeed is parked in the transaction of its neighbours; one that names
what is not there waits. The erasure of a person is a transaction of its own.
"""

from collections.abc import Callable, Sequence
from functools import partial

from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import ServiceUnavailable, WellspringError
from wellspring.observability import describe
from wellspring.repositories.feed import applying, erasures, pending, sources
from wellspring.repositories.feed.applying import NeedsExclusive
from wellspring.repositories.feed.work import MALFORMED, UNEXPECTED, FeedEvent, Malformed, Told, Verdict, parked

# Events that one transaction applies: a quarter of a second of work.
CHUNK = 1000
OUT_OF_TIME = Verdict("returned", reason="OUT_OF_TIME")

# What else is written in the transaction, knowing what became of the events.
type AfterApply = Callable[[Transaction, Sequence[Verdict]], None]


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
