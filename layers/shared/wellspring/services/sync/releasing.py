"""Releasing parked messages whose missing things have come: in order of arrival, as if they came now.

A released message takes the way of one that is sent again: what became of it since, and whether it was overtaken, is
asked behind the lock of its connector (contract, section 5; docs/adr/0021).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import batched
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import NotFound
from wellspring.observability import logger
from wellspring.repositories import parked
from wellspring.repositories.sync import releasing
from wellspring.repositories.sync.releasing import Kept
from wellspring.services.parked import Released
from wellspring.services.sync import applying
from wellspring.work import Outcome, ReceivedMessage

# Reads a body: the body, its FIFO group, and the digest of what was sent, where that is known.
type Read = Callable[[str, str, str | None], ReceivedMessage]

# Messages that one statement looks at.
PAGE = 500
# Messages that are held in memory at once: as many as a batch of the queue has, each up to 256 KiB.
TOGETHER = 10
# Messages that a release by hand tries at most; the next one goes on.
BY_HAND = 10_000
# Nobody goes on with a message that has not moved for so long: a chunk takes tenths of a second.
STALLED_SECONDS = 60.0
# Longer than this nobody should be parked without being told of (contract, section 5).
TOO_LONG_SECONDS = 15 * 60.0


def release(deadline: Deadline, read: Read) -> tuple[Counter[str], bool]:
    """Apply the parked messages that miss nothing any more, until there are none or the time is over.

    One that was overtaken meanwhile stays parked with that reason, and is not looked at again. What fails for a reason
    of its own is parked as `unexpected`: it would fail each minute.

    Returns:
        How many were applied, parked again, done by somebody else (`duplicate`), or left as they were (`returned`,
        `held`); and whether it came to the end of what waits, within its time, and left nothing.

    Raises:
        WellspringError: the database did not let it look; what was applied before stays applied.
    """
    outcomes: Counter[str] = Counter()
    after = 0
    while not deadline.has_passed:
        page = with_retries(partial(releasing.waiting, after=after, most=PAGE), PIPELINE_SCOPE, deadline)
        if not page:
            return outcomes, _left_nothing(outcomes)
        after, _ = page[-1]
        for pks in batched([pk for pk, is_ready in page if is_ready], TOGETHER, strict=False):
            outcomes.update(_release(pks, deadline, read))
    return outcomes, False


def any_waits(things: Sequence[tuple[str, str]], deadline: Deadline) -> bool:
    """Say whether a parked message waits for one of these things; the feed's role may ask this.

    Raises:
        WellspringError: the database did not let it look.
    """
    return with_retries(partial(releasing.any_waits, things=things), None, deadline)


def release_for(brought: Sequence[tuple[str, str]], deadline: Deadline, read: Read) -> Counter[str]:
    """Apply the parked messages that waited for what a batch has brought, and for what they make in turn.

    At most `PAGE` of them, and until the time is over: the others are left to `release`. Return how many became what.

    Raises:
        WellspringError: the database did not let it look; what was applied before stays applied.
    """
    outcomes: Counter[str] = Counter()
    tried: set[int] = set()
    things = list(brought)
    while things and len(tried) < PAGE and not deadline.has_passed:
        pks = with_retries(partial(releasing.ready, things=things, most=PAGE), PIPELINE_SCOPE, deadline)
        things = []
        for some in batched([pk for pk in pks if pk not in tried], TOGETHER, strict=False):
            tried.update(some)
            arrivals, done = _released(some, deadline, read)
            outcomes.update(outcome.status for outcome in done)
            things += applying.made_by(arrivals, done)
    return outcomes


def release_by_hand(
    deadline: Deadline, read: Read, connector_id: UUID | None, reason: str | None, *, is_dry: bool
) -> Released:
    """Try parked messages again, whatever they miss, oldest first, until each was tried or the time is over.

    For operators, who reach it past HTTP: no caller is noted but the operator's, by AWS itself.

    Args:
        deadline: when to stop.
        read: as `Read` says.
        connector_id: whose; None for everybody's, those of no connector too.
        reason: why they are parked; None for whatever reason but `overtaken`, which nothing mends.
        is_dry: whether they are only counted.

    Raises:
        NotFound: there is no such connector.
        WellspringError: the database did not let it look; what was applied before stays applied.
    """

    def look(transaction: Transaction) -> tuple[int, list[int]]:
        connector_pk = None
        if connector_id is not None and (connector_pk := releasing.connector(transaction, connector_id)) is None:
            raise NotFound("There is no such workspace connector.")
        return releasing.releasable(transaction, connector_pk, reason, BY_HAND)

    matching, pks = with_retries(look, PIPELINE_SCOPE, deadline)
    if is_dry:
        return Released(matching)
    outcomes: Counter[str] = Counter()
    for some in batched(pks, TOGETHER, strict=False):
        if deadline.has_passed:
            break
        # Those that somebody else has done meanwhile are not parked any more, and are not answered for.
        statuses = _release(some, deadline, read)
        outcomes.update([*statuses, *["duplicate"] * (len(some) - len(statuses))])
    return Released(matching, outcomes["applied"] + outcomes["duplicate"], outcomes["parked"])


def resume(deadline: Deadline, read: Read) -> tuple[Counter[str], bool]:
    """Go on with messages that are applied in chunks, and that nobody goes on with: released by hand, or left alone.

    Returns and raises as `release` does.
    """
    work = partial(releasing.stalled, quiet=STALLED_SECONDS, most=TOGETHER)
    stalled = with_retries(work, PIPELINE_SCOPE, deadline)
    done = _apply([arrival_of(each, read) for each in stalled], deadline)
    outcomes: Counter[str] = Counter(outcome.status for outcome in done)
    return outcomes, len(stalled) < TOGETHER and _left_nothing(outcomes)


def expire(deadline: Deadline) -> int:
    """Drop the bodies of messages that are parked for too long: they cannot be released any more. Return how many."""
    return with_retries(partial(parked.expire, parked=parked.MESSAGES, most=PAGE), PIPELINE_SCOPE, deadline)


def expire_runs(deadline: Deadline) -> int:
    """Write down which runs are not complete for too long: nothing completes them any more. Return how many."""
    return with_retries(partial(releasing.expire_runs, most=PAGE), PIPELINE_SCOPE, deadline)


def parked_too_long(deadline: Deadline) -> int:
    """Return how many messages are parked for more than 15 minutes, up to 10,000."""
    work = partial(releasing.parked_for_long, seconds=TOO_LONG_SECONDS, most=BY_HAND)
    return with_retries(work, PIPELINE_SCOPE, deadline)


def arrival_of(kept: Kept, read: Read) -> ReceivedMessage:
    """Return a kept message as if it came now."""
    return read(kept.body or "", kept.group or "", kept.digest)


def _left_nothing(outcomes: Counter[str]) -> bool:
    return not outcomes.keys() & {"returned", "held"}


def _release(pks: Sequence[int], deadline: Deadline, read: Read) -> list[str]:
    """Apply those of these messages that are parked still; return what became of each."""
    if deadline.has_passed:
        return ["held"] * len(pks)
    return [outcome.status for outcome in _released(pks, deadline, read)[1]]


def _released(pks: Sequence[int], deadline: Deadline, read: Read) -> tuple[list[ReceivedMessage], list[Outcome]]:
    kept = with_retries(partial(releasing.kept, pks=pks), PIPELINE_SCOPE, deadline)
    arrivals = [arrival_of(each, read) for each in kept]
    return arrivals, _apply(arrivals, deadline)


def _apply(arrivals: list[ReceivedMessage], deadline: Deadline) -> list[Outcome]:
    outcomes = applying.apply(arrivals, deadline)
    for arrival, outcome in zip(arrivals, outcomes, strict=True):
        _log(arrival, outcome)
    return outcomes


def _log(arrival: ReceivedMessage, outcome: Outcome) -> None:
    said: dict[str, object] = {
        "message_id": arrival.message_id,
        "message_group": arrival.group,
        "outcome": outcome.status,
    }
    if outcome.reason:
        said |= {"reason": outcome.reason, **outcome.evidence}
    if outcome.status == "parked":
        logger.error("message parked again, it cannot succeed by itself", extra=said)
    elif outcome.status == "returned":
        logger.warning("message is left parked, to be tried again", extra=said)
    else:
        logger.info("message released: %s", outcome.status, extra=said)
