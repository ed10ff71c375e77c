"""Releasing and dismissing parked messages by hand (contract, sections 5 and 7); asked for over HTTP, by services.

A message that is released takes the way of one that is sent again, in the transaction that notes who did it: what
became of it meanwhile, and whether it was overtaken, is asked behind the lock of its connector (docs/adr/0021).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE, Principal
from wellspring.access.rules import may_read
from wellspring.database import Deadline, Transaction, in_transaction
from wellspring.errors import Conflict, InternalError, Overtaken
from wellspring.queries import MOST_RELEASED
from wellspring.repositories import connector_state, ledger
from wellspring.repositories.ledger import Row
from wellspring.repositories.sync import applying, releasing
from wellspring.repositories.sync.releasing import Parked
from wellspring.resources import SYNC_MESSAGE
from wellspring.services import audit
from wellspring.services.ledger.reading import absent
from wellspring.services.sync.applying import apply_one
from wellspring.work import Arrival, Outcome

# Reads a body: the body, its FIFO group, and the digest of what was sent, where that is known.
type Read = Callable[[str, str, str | None], Arrival]

# What is left of the request's time when no more are begun: a transaction of a large message takes seconds.
SPARED_SECONDS = 8.0
DONE = frozenset({"applied", "in_progress", "duplicate"})
OVERTAKEN = "Something of its connector has been applied since it came: send it anew, with a new id."


@dataclass(frozen=True, slots=True)
class Released:
    """What the release of many came to.

    Attributes:
        matching: how many messages were parked so when it began.
        released: how many were applied, or begun where they are applied in chunks.
        still_parked: how many were tried and stay parked.
    """

    matching: int
    released: int = 0
    still_parked: int = 0

    @property
    def remaining(self) -> int:
        """How many were not tried."""
        return max(0, self.matching - self.released - self.still_parked)


def release(
    principal: Principal, id_: UUID | None, deadline: Deadline, read: Read, *, is_confirmed: bool = True
) -> Row:
    """Try a parked message again, and return it as it is now: applied, or still parked with its reason.

    Args:
        principal: the caller, who may release.
        id_: of the message; None where the path held something that is no uuid.
        deadline: no statement runs beyond it.
        read: makes of a kept body what it asks for.
        is_confirmed: whether it was asked for by its id: a snapshot that would end too much is carried out then.

    Raises:
        NotFound: there is no such message.
        Conflict: it is not parked, or its body is not kept any more.
        Overtaken: something that came later forbids that it is applied now. It stays parked for that.
        ServiceUnavailable: the database did not let it, or somebody else writes rows of the connector.
    """

    def work(transaction: Transaction) -> tuple[Outcome, Row]:
        held = _parked(transaction, principal, id_)
        outcome = _try(transaction, principal, held, read, is_confirmed=is_confirmed)
        return outcome, _now(transaction, principal, held.id)

    def give_up(transaction: Transaction) -> tuple[Outcome, Row]:
        held = _parked(transaction, principal, id_)
        _lock(transaction, held)
        outcome = applying.park(transaction, read(held.body or "", held.group or "", held.digest), "unexpected")
        return outcome, _now(transaction, principal, held.id)

    try:
        outcome, row = in_transaction(work, PIPELINE_SCOPE, deadline=deadline)
    except InternalError:
        # A failure of its own: the reason says so, and it stays parked.
        outcome, row = in_transaction(give_up, PIPELINE_SCOPE, deadline=deadline)
    if outcome.reason == "overtaken":
        raise Overtaken(OVERTAKEN)
    if outcome.status == "duplicate" and row["outcome"] != "parked":
        raise Conflict(f"The message is not parked: it is {row['outcome']}.")
    return row


def dismiss(principal: Principal, id_: UUID | None, note: str, deadline: Deadline) -> Row:
    """Close a parked message for good, and return it: it is not tried again, and done where it is sent again.

    Raises:
        NotFound: there is no such message.
        Conflict: it is not parked.
        ServiceUnavailable: the database did not let it.
    """

    def work(transaction: Transaction) -> Row:
        held = _found(transaction, principal, id_)
        _lock(transaction, held)
        if not releasing.dismiss(transaction, held, note):
            raise Conflict(f"The message is not parked: it is {held.outcome}.")
        audit.note(transaction, principal, "dismiss", SYNC_MESSAGE.type, held.id)
        return _now(transaction, principal, held.id)

    return in_transaction(work, PIPELINE_SCOPE, deadline=deadline)


def release_many(
    principal: Principal, connector_id: UUID | None, reason: str, deadline: Deadline, read: Read, *, is_dry: bool
) -> Released:
    """Try the oldest messages of a connector again that are parked for a reason, at most `MOST_RELEASED`.

    Each in its own transaction: one that fails for a reason of its own holds up none of the others.

    Args:
        principal: the caller, who may release.
        connector_id: whose messages; None for text that is no uuid.
        reason: why they are parked.
        deadline: what there is no time for remains.
        read: makes of a kept body what it asks for.
        is_dry: whether they are only counted.

    Raises:
        NotFound: there is no such connector.
        ServiceUnavailable: the database did not let it; what was released before stays released.
    """

    def look(transaction: Transaction) -> tuple[int, Sequence[UUID]]:
        connector_pk = releasing.connector(transaction, connector_id) if connector_id else None
        if connector_pk is None:
            raise absent("workspace_connector", connector_id, pointer="/meta/workspace_connector")
        return releasing.parked_for(transaction, connector_pk, reason, MOST_RELEASED)

    matching, ids = in_transaction(look, PIPELINE_SCOPE, deadline=deadline)
    released = still_parked = 0
    for id_ in () if is_dry else ids:
        if deadline.seconds < SPARED_SECONDS:
            break
        status = _alone(principal, id_, deadline, read)
        released += status in DONE
        still_parked += status == "parked"
    return Released(matching, released, still_parked)


def _alone(principal: Principal, id_: UUID, deadline: Deadline, read: Read) -> str:
    try:
        return str(release(principal, id_, deadline, read, is_confirmed=False)["outcome"])
    except Conflict:
        return "parked"


def _try(transaction: Transaction, principal: Principal, held: Parked, read: Read, *, is_confirmed: bool) -> Outcome:
    """Apply a message that was parked a moment ago, and note who did it."""
    _lock(transaction, held)
    arrival = read(held.body or "", held.group or "", held.digest)
    outcome = apply_one(transaction, replace(arrival, is_confirmed=is_confirmed))
    audit.note(transaction, principal, "release", SYNC_MESSAGE.type, held.id)
    return outcome


def _lock(transaction: Transaction, held: Parked) -> None:
    """Wait for other writers of the message's connector as long as HTTP does; it stays locked."""
    if held.connector_pk is not None:
        connector_state.lock(transaction, held.connector_pk)


def _is_releasable(held: Parked) -> bool:
    return held.outcome == "parked" and held.body is not None and held.group is not None


def _parked(transaction: Transaction, principal: Principal, id_: UUID | None) -> Parked:
    """Return a parked message that can be tried again. Raises `NotFound`, `Conflict` or `Overtaken`."""
    held = _found(transaction, principal, id_)
    if held.outcome != "parked":
        raise Conflict(f"The message is not parked: it is {held.outcome}.")
    if held.reason == "overtaken":
        raise Overtaken(OVERTAKEN)
    if not _is_releasable(held):
        raise Conflict("Its body is not kept any more: send it anew, with a new id.")
    return held


def _found(transaction: Transaction, principal: Principal, id_: UUID | None) -> Parked:
    """Return a message that the caller sees. Raises `NotFound`."""
    seen = ledger.one(transaction, principal, SYNC_MESSAGE, {"id": id_}) if id_ is not None else None
    if seen is None:
        raise absent(SYNC_MESSAGE.type, id_)
    return releasing.take(transaction, [UUID(str(seen["id"]))])[0]


def _now(transaction: Transaction, principal: Principal, id_: UUID) -> Row:
    row = ledger.one(transaction, principal, SYNC_MESSAGE, {"id": id_})
    if row is None:
        raise absent(SYNC_MESSAGE.type, id_)
    # Its body is for who may read.
    return row if may_read(principal) else {name: value for name, value in row.items() if name != "body"}
