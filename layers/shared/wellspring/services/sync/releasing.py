"""Releasing parked messages: by themselves when what they miss has come, in order of arrival, and by hand.

A released message takes the way of one that is sent again: what became of it since, and whether it was overtaken, is
asked behind the lock of its connector (contract, section 5; docs/adr/0021).

What looks for them raises `WellspringError` where the database does not let it; what was applied before stays applied.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched, takewhile
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE, Principal
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import Conflict, NotFound
from wellspring.messages import LAST_RECEIVE, Outcome, ReceivedMessage, receive
from wellspring.observability import logger
from wellspring.queries import MOST_RELEASED
from wellspring.repositories import connector_state, parked
from wellspring.repositories.sync import applying as rows_of
from wellspring.repositories.sync import releasing
from wellspring.repositories.sync.releasing import Kept
from wellspring.resources import SYNC_MESSAGE
from wellspring.services.ledger.reading import absent
from wellspring.services.parked import Oldest, Parked, Released
from wellspring.services.sync import applying

# Messages that one statement looks at.
PAGE = 500
# Messages that are held in memory at once: as many as a batch of the queue has, each up to 256 KiB.
TOGETHER = 10
# Messages that a release by hand tries at most; the next one goes on.
BY_HAND = 10_000
# Nobody goes on with a message that has not moved for so long: a chunk takes tenths of a second.
STALLED_SECONDS = 60.0


def release(deadline: Deadline) -> tuple[Counter[str], bool]:
    """Apply the parked messages that miss nothing any more, until there are none or the time is over.

    One that was overtaken meanwhile stays parked with that reason, and is not looked at again. What fails for a reason
    of its own is parked as `unexpected`: it would fail each minute.

    Returns:
        How many were applied, parked again, done by somebody else (`duplicate`), or left as they were (`returned`,
        `held`); and whether it came to the end of what waits, within its time, and left nothing.
    """
    outcomes: Counter[str] = Counter()
    after = 0
    while not deadline.has_passed:
        page = with_retries(partial(releasing.waiting, after=after, most=PAGE), PIPELINE_SCOPE, deadline)
        if not page:
            return outcomes, _left_nothing(outcomes)
        after, _ = page[-1]
        for pks in _in_time([pk for pk, is_ready in page if is_ready], deadline):
            outcomes.update(outcome.status for outcome in _released(pks, deadline)[1])
    return outcomes, False


def any_waits(things: Sequence[tuple[str, str]], deadline: Deadline) -> bool:
    """Say whether a parked message waits for one of these things; the feed's role may ask this."""
    return with_retries(partial(releasing.any_waits, things=things), None, deadline)


def release_for(brought: Sequence[tuple[str, str]], deadline: Deadline) -> Counter[str]:
    """Apply the parked messages that waited for what a batch has brought, and for what they make in turn.

    At most `PAGE` of them, and until the time is over: the others are left to `release`. Return how many became what.
    """
    outcomes: Counter[str] = Counter()
    tried: set[int] = set()
    things = list(brought)
    while things and len(tried) < PAGE and not deadline.has_passed:
        pks = with_retries(partial(releasing.ready, things=things, most=PAGE), PIPELINE_SCOPE, deadline)
        things = []
        for some in batched([pk for pk in pks if pk not in tried], TOGETHER, strict=False):
            tried.update(some)
            received, done = _released(some, deadline)
            outcomes.update(outcome.status for outcome in done)
            things += applying.made_by(received, done)
    return outcomes


def release_by_hand(deadline: Deadline, connector_id: UUID | None, reason: str | None, *, is_dry: bool) -> Released:
    """Try parked messages again, whatever they miss, oldest first, until each was tried or the time is over.

    For operators, who reach it past HTTP: no caller is noted but the operator's, by AWS itself. Without a connector it
    is everybody's, without a reason whatever they are parked for but `overtaken`, which nothing mends.

    Raises `NotFound` where there is no such connector.
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
    for some in _in_time(pks, deadline):
        # Those that somebody else has done meanwhile are not parked any more, and are not answered for.
        done = _released(some, deadline)[1]
        outcomes.update(outcome.status for outcome in done)
        outcomes["duplicate"] += len(some) - len(done)
    return Released(matching, outcomes["applied"] + outcomes["duplicate"], outcomes["parked"])


def resume(deadline: Deadline) -> tuple[Counter[str], bool]:
    """Go on with messages that are applied in chunks, and that nobody goes on with: released by hand, or left alone.

    Returns what `release` does.
    """
    work = partial(releasing.stalled, quiet=STALLED_SECONDS, most=TOGETHER)
    stalled = with_retries(work, PIPELINE_SCOPE, deadline)
    done = _apply([message_of(each) for each in stalled], deadline)
    outcomes: Counter[str] = Counter(outcome.status for outcome in done)
    return outcomes, len(stalled) < TOGETHER and _left_nothing(outcomes)


def message_of(kept: Kept) -> ReceivedMessage:
    """Return a kept message as if it came now, for the last time: nobody counts how often it has been tried."""
    return receive(kept.body or "", group=kept.group or "", receives=LAST_RECEIVE, digest=kept.digest)


def _left_nothing(outcomes: Counter[str]) -> bool:
    return not outcomes.keys() & {"returned", "held"}


def _in_time(pks: Sequence[int], deadline: Deadline) -> Iterator[tuple[int, ...]]:
    """Yield pks of as many messages as are held in memory at once, while there is time."""
    return takewhile(lambda _: not deadline.has_passed, batched(pks, TOGETHER, strict=False))


def _released(pks: Sequence[int], deadline: Deadline) -> tuple[list[ReceivedMessage], list[Outcome]]:
    """Apply those of these messages that are parked still; return them, and what became of each."""
    kept = with_retries(partial(releasing.kept, pks=pks), PIPELINE_SCOPE, deadline)
    received = [message_of(each) for each in kept]
    return received, _apply(received, deadline)


def _apply(received: list[ReceivedMessage], deadline: Deadline) -> list[Outcome]:
    outcomes = applying.apply(received, deadline)
    for message, outcome in zip(received, outcomes, strict=True):
        _log(message, outcome)
    return outcomes


def _log(message: ReceivedMessage, outcome: Outcome) -> None:
    fields: dict[str, object] = {
        "message_id": message.message_id,
        "message_group": message.group,
        "outcome": outcome.status,
    }
    if outcome.reason:
        fields |= {"reason": outcome.reason, **outcome.evidence}
    if outcome.status == "parked":
        logger.error("message parked again, it cannot succeed by itself", extra=fields)
    elif outcome.status == "returned":
        logger.warning("message is left parked, to be tried again", extra=fields)
    else:
        logger.info("message released: %s", outcome.status, extra=fields)


@dataclass(frozen=True)
class ParkedMessages(Parked):
    """Parked messages of the sync queue.

    `is_confirmed` where one was asked for by its id: a snapshot that would end too much is carried out then.
    """

    resource = SYNC_MESSAGE
    noun = "message"

    is_confirmed: bool = True

    def scope(self, _: Principal) -> str:
        """Return the queue's: a message names whatever there is."""
        return PIPELINE_SCOPE

    def apply(self, transaction: Transaction, held: Row) -> None:
        """Apply a message that was parked a moment ago. Raises `Conflict` where its body is gone."""
        kept = releasing.take(transaction, held["id"])
        if kept.body is None or kept.group is None:
            raise Conflict("Its body is not kept any more: send it anew, with a new id.")
        _lock(transaction, kept)
        applying.apply_one(transaction, replace(message_of(kept), is_confirmed=self.is_confirmed))

    def park(self, transaction: Transaction, held: Row) -> None:
        """Park it as `unexpected`, behind the lock of its connector."""
        kept = releasing.take(transaction, held["id"])
        _lock(transaction, kept)
        rows_of.park(transaction, message_of(kept), "unexpected")

    def close(self, transaction: Transaction, held: Row, note: str) -> bool:
        """Dismiss it, behind the lock of its connector."""
        _lock(transaction, releasing.take(transaction, held["id"]))
        return releasing.dismiss(transaction, held["id"], note)


def oldest_of(connector_id: UUID | None, reason: str) -> Oldest:
    """Return what finds the oldest messages of a connector that are parked for a reason.

    The connector is None for text that is no uuid. What it returns raises `NotFound` where there is no such connector.
    """

    def oldest(transaction: Transaction) -> tuple[int, Sequence[UUID]]:
        connector_pk = releasing.connector(transaction, connector_id) if connector_id else None
        if connector_pk is None:
            raise absent("workspace_connector", connector_id, pointer="/meta/workspace_connector")
        matching = {"workspace_connector_pk": connector_pk, "reason": reason}
        return parked.oldest(transaction, parked.MESSAGES, matching, MOST_RELEASED)

    return oldest


def _lock(transaction: Transaction, kept: Kept) -> None:
    """Wait for other writers of the message's connector as long as HTTP does; it stays locked."""
    if kept.connector_pk is not None:
        connector_state.lock(transaction, kept.connector_pk)
