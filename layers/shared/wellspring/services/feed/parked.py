"""Releasing and dismissing parked events by hand (contract, section 6); asked for over HTTP, by services."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from wellspring.access.principal import Principal, scope_of
from wellspring.database import Deadline, Transaction, in_transaction
from wellspring.database.flush import TextRow, ValueRow
from wellspring.errors import Conflict, InternalError
from wellspring.queries import MOST_RELEASED
from wellspring.repositories import ledger
from wellspring.repositories.feed import pending
from wellspring.repositories.feed.applying import NeedsExclusive
from wellspring.repositories.feed.work import Verdict
from wellspring.repositories.ledger import Row
from wellspring.resources import FEED_EVENT
from wellspring.services import audit
from wellspring.services.feed.applying import Locked
from wellspring.services.feed.settling import apply_taken
from wellspring.services.ledger.reading import absent

DONE = frozenset({"applied", "stale"})


@dataclass(frozen=True, slots=True)
class Released:
    """What the release of many came to.

    Attributes:
        matching: how many events were parked so when it began, as far as lists are counted.
        released: how many were applied, or need it no more.
        still_parked: how many were tried and stay parked.
    """

    matching: int
    released: int = 0
    still_parked: int = 0

    @property
    def remaining(self) -> int:
        """How many were not tried."""
        return max(0, self.matching - self.released - self.still_parked)


def release(principal: Principal, id_: UUID | None, deadline: Deadline) -> Row:
    """Try a parked event again, and return it as it is now: applied, or still parked with its reason.

    Args:
        principal: the caller, who may release.
        id_: of the kept event; None where the path held something that is no uuid.
        deadline: no statement runs beyond it.

    Raises:
        NotFound: there is no such event.
        Conflict: it is not parked.
        ServiceUnavailable: the database did not let it.
    """

    def work(transaction: Transaction, /, *, exclusive: frozenset[str]) -> Row:
        held = _parked(transaction, principal, id_)
        taken = pending.take_one(transaction, held["id"])
        if taken is not None and taken.event is not None:
            apply_taken(transaction, [taken], exclusive)
        audit.note(transaction, principal, "release", FEED_EVENT.type, held["id"])
        return _now(transaction, principal, held["id"])

    return _with_locks(work, principal, deadline)


def dismiss(principal: Principal, id_: UUID | None, note: str, deadline: Deadline) -> Row:
    """Close a parked event for good, and return it; it is not tried again, and one like it that is sent anew is done.

    Raises what `release` raises.
    """

    def work(transaction: Transaction) -> Row:
        held = _parked(transaction, principal, id_)
        pending.dismiss(transaction, held["id"], note)
        audit.note(transaction, principal, "dismiss", FEED_EVENT.type, held["id"])
        return _now(transaction, principal, held["id"])

    return in_transaction(work, scope_of(principal), deadline=deadline)


def release_many(principal: Principal, source: str, reason: str, deadline: Deadline, *, is_dry: bool) -> Released:
    """Try the oldest events again that a source sent and that are parked for a reason, at most `MOST_RELEASED`.

    All in one transaction, and one by one where that is refused: an event that fails for a reason of its own holds up
    none of the others.

    Args:
        principal: the caller, who may release.
        source: whose events.
        reason: why they are parked.
        deadline: no statement runs beyond it; what there is no time for remains.
        is_dry: whether they are only counted.

    Raises:
        ServiceUnavailable: the database did not let it; what was released before stays released.
    """
    scope = scope_of(principal)
    count = partial(pending.count_parked, source=source, reason=reason)
    matching = in_transaction(count, scope, deadline=deadline)
    if is_dry or not matching:
        return Released(matching)

    def work(transaction: Transaction, /, *, exclusive: frozenset[str]) -> tuple[list[UUID], int]:
        taken = pending.take_parked(transaction, source, reason, MOST_RELEASED)
        applied = [each for each in taken.values() if each.event is not None]
        verdicts = apply_taken(transaction, applied, exclusive)[0] if applied else []
        audit.note_all(transaction, principal, "release", FEED_EVENT.type, list(taken))
        return list(taken), _done(verdicts)

    try:
        tried, released = _with_locks(work, principal, deadline)
        return Released(matching, released, len(tried) - released)
    except InternalError:
        return _one_by_one(principal, source, reason, deadline, matching)


def _one_by_one(principal: Principal, source: str, reason: str, deadline: Deadline, matching: int) -> Released:
    taken = in_transaction(
        lambda transaction: list(pending.take_parked(transaction, source, reason, MOST_RELEASED)),
        scope_of(principal),
        deadline=deadline,
    )
    released = still_parked = 0
    for id_ in taken:
        if deadline.has_passed:
            break
        try:
            is_released = release(principal, id_, deadline)["outcome"] == "applied"
        except (Conflict, InternalError):
            is_released = False
        released += is_released
        still_parked += not is_released
    return Released(matching, released, still_parked)


def _done(verdicts: list[Verdict]) -> int:
    return sum(verdict.status in DONE for verdict in verdicts)


def _parked(transaction: Transaction, principal: Principal, id_: UUID | None) -> ValueRow:
    """Lock a parked event, and return it. Raises `NotFound` or `Conflict`."""
    row = ledger.locked(transaction, principal, FEED_EVENT, {"id": id_}) if id_ else None
    if row is None:
        raise absent(FEED_EVENT.type, id_)
    if row["outcome"] != "parked":
        raise Conflict(f"The event is not parked: it is {row['outcome']}.")
    return row


def _now(transaction: Transaction, principal: Principal, id_: UUID) -> TextRow:
    row = ledger.one(transaction, principal, FEED_EVENT, {"id": id_})
    if row is None:
        raise absent(FEED_EVENT.type, id_)
    return row


def _with_locks[Result](work: Locked[Result], principal: Principal, deadline: Deadline) -> Result:
    """Run `work` once, and again only where it must lock types exclusively: HTTP's callers retry by themselves."""
    exclusive: frozenset[str] = frozenset()
    while True:
        try:
            return in_transaction(partial(work, exclusive=exclusive), scope_of(principal), deadline=deadline)
        except NeedsExclusive as needed:
            exclusive |= needed.types
