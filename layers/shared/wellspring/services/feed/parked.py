"""Releasing and dismissing parked events by hand (contract, section 6)."""

from dataclasses import dataclass
from uuid import UUID

from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import Conflict
from wellspring.repositories import pending_events
from wellspring.repositories.feed_work import Verdict
from wellspring.services.feed.applying import with_locks
from wellspring.services.feed.settling import apply_taken


@dataclass(frozen=True, slots=True)
class Released:
    """What a release came to.

    Attributes:
        is_applied: whether the event had its effect now, or needs none any more.
        reason: why it is still parked.
    """

    is_applied: bool
    reason: str | None


def release(id_: UUID, deadline: Deadline) -> Released:
    """Try a parked event again.

    Args:
        id_: of the kept event.
        deadline: no statement runs beyond it.

    Raises:
        Conflict: there is no such event, or it is not parked.
        WellspringError: the database did not let it.
    """

    def work(transaction: Transaction, /, *, exclusive: frozenset[str]) -> Verdict:
        taken = pending_events.take_one(transaction, id_)
        if taken is None:
            raise Conflict("The event is not parked.")
        if taken.event is None:
            return Verdict("parked", reason=taken.reason)
        verdicts, _ = apply_taken(transaction, [taken], exclusive)
        return verdicts[0]

    verdict = with_locks(work, deadline)
    if verdict.status in {"applied", "stale"}:
        return Released(is_applied=True, reason=None)
    return Released(is_applied=False, reason=verdict.reason or "unknown_reference")


def dismiss(id_: UUID, note: str, deadline: Deadline) -> None:
    """Close a parked event for good; it is not tried again, and one that is sent anew like it is done.

    Raises:
        Conflict: there is no such event, or it is not parked.
        WellspringError: the database did not let it.
    """
    if not with_retries(lambda transaction: pending_events.dismiss(transaction, id_, note), None, deadline):
        raise Conflict("The event is not parked.")
