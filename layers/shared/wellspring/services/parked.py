"""Parked work, released and dismissed by hand (contract, sections 5 to 7); asked for over HTTP, by services.

What is parked is a sync message or an event of the feed: a `Parked` says what differs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from wellspring.access.principal import Principal, scope_of
from wellspring.access.rules import may_read
from wellspring.database import Deadline, Transaction, in_transaction
from wellspring.database.flush import Row
from wellspring.errors import Conflict, InternalError, Overtaken, SchemaValidationError
from wellspring.repositories import audit, ledger
from wellspring.resources import Resource
from wellspring.services.ledger.reading import absent

# What is left of the request's time when no more are begun: a transaction of a large message takes seconds.
SPARED_SECONDS = 8.0
OVERTAKEN = "Something of its connector has been applied since it came: send it anew, with a new id."
DONE = frozenset({"applied", "in_progress", "duplicate"})

# Returns how many are parked so, and the ids of the oldest that are tried.
type Oldest = Callable[[Transaction], tuple[int, Sequence[UUID]]]


@dataclass(frozen=True, slots=True)
class Released:
    """What the release of many came to.

    Attributes:
        matching: how many were parked so when it began, as far as lists are counted.
        released: how many were applied, are done already, or begun where they are applied in chunks.
        still_parked: how many were tried and stay parked.
    """

    matching: int
    released: int = 0
    still_parked: int = 0

    @property
    def remaining(self) -> int:
        """How many were not tried."""
        return max(0, self.matching - self.released - self.still_parked)


class Parked(ABC):
    """One kind of parked work.

    Attributes:
        resource: as which it is shown.
        noun: what people call it.
    """

    resource: ClassVar[Resource]
    noun: ClassVar[str]

    def scope(self, principal: Principal) -> str:
        """Return the scope of the transactions."""
        return scope_of(principal)

    def find(self, transaction: Transaction, principal: Principal, id_: UUID) -> Row | None:
        """Return one that the caller sees, parked or not."""
        return ledger.one(principal, self.resource, {"id": id_}).run(transaction)

    @abstractmethod
    def apply(self, transaction: Transaction, held: Row) -> None:
        """Try one again, unless somebody has done it since it was found. Raises `Conflict` where it is hopeless."""

    @abstractmethod
    def park(self, transaction: Transaction, held: Row) -> None:
        """Park it as `unexpected`: it failed for a reason of its own."""

    @abstractmethod
    def close(self, transaction: Transaction, held: Row, note: str) -> bool:
        """Close it for good. Return whether it was parked still."""

    def run[Result](self, work: Callable[[Transaction], Result], principal: Principal, deadline: Deadline) -> Result:
        """Run `work` in a transaction."""
        return in_transaction(work, self.scope(principal), deadline=deadline)


def release(parked: Parked, principal: Principal, id_: UUID | None, deadline: Deadline) -> Row:
    """Try one again, and return it as it is now: applied, or still parked with its reason.

    Its id is None where the path held something that is no uuid.

    Raises:
        NotFound: there is none.
        Conflict: it is not parked, or its body is not kept any more.
        Overtaken: something that came later forbids that it is applied now. It stays parked for that.
        ServiceUnavailable: the database did not let it, or somebody else writes rows of the connector.
    """

    def apply(transaction: Transaction) -> Row:
        held = _held(transaction, parked, principal, id_)
        parked.apply(transaction, held)
        audit.note(transaction, principal, "release", parked.resource.type, held["id"])
        return _now(transaction, parked, principal, held["id"])

    def give_up(transaction: Transaction) -> Row:
        held = _held(transaction, parked, principal, id_)
        parked.park(transaction, held)
        return _now(transaction, parked, principal, held["id"])

    try:
        row = parked.run(apply, principal, deadline)
    except (InternalError, SchemaValidationError):
        # A failure of its own: the reason says so, and it stays parked.
        row = parked.run(give_up, principal, deadline)
    if row["reason"] == "overtaken":
        raise Overtaken(OVERTAKEN)
    return row


def dismiss(parked: Parked, principal: Principal, id_: UUID | None, note: str, deadline: Deadline) -> Row:
    """Close one for good, and return it: it is not tried again, and done where it is sent again.

    Raises:
        NotFound: there is none.
        Conflict: it is not parked.
        ServiceUnavailable: the database did not let it.
    """

    def close(transaction: Transaction) -> Row:
        held = _found(transaction, parked, principal, id_)
        if not parked.close(transaction, held, note):
            raise _not_parked(parked, held["outcome"])
        audit.note(transaction, principal, "dismiss", parked.resource.type, held["id"], why=note)
        return _now(transaction, parked, principal, held["id"])

    return parked.run(close, principal, deadline)


def release_many(parked: Parked, principal: Principal, oldest: Oldest, deadline: Deadline, *, is_dry: bool) -> Released:
    """Try the oldest again, each in its own transaction: one that fails holds up none of the others.

    What there is no time for remains; a dry run only counts them.

    Raises what `oldest` raises, and `ServiceUnavailable`; what was released before stays released.
    """
    matching, ids = in_transaction(oldest, parked.scope(principal), deadline=deadline)
    released = still_parked = 0
    for id_ in () if is_dry else ids:
        if deadline.seconds < SPARED_SECONDS:
            break
        try:
            outcome = str(release(parked, principal, id_, deadline)["outcome"])
        except Conflict:
            outcome = "parked"
        released += outcome in DONE
        still_parked += outcome == "parked"
    return Released(matching, released, still_parked)


def _found(transaction: Transaction, parked: Parked, principal: Principal, id_: UUID | None) -> Row:
    held = parked.find(transaction, principal, id_) if id_ is not None else None
    if held is None:
        raise absent(parked.resource.type, id_)
    return held


def _held(transaction: Transaction, parked: Parked, principal: Principal, id_: UUID | None) -> Row:
    held = _found(transaction, parked, principal, id_)
    if held["outcome"] != "parked":
        raise _not_parked(parked, held["outcome"])
    if held["reason"] == "overtaken":
        raise Overtaken(OVERTAKEN)
    return held


def _not_parked(parked: Parked, outcome: str) -> Conflict:
    return Conflict(f"The {parked.noun} is not parked: it is {outcome}.")


def _now(transaction: Transaction, parked: Parked, principal: Principal, id_: UUID) -> Row:
    row = ledger.one(principal, parked.resource, {"id": id_}).run(transaction)
    if row is None:
        raise absent(parked.resource.type, id_)
    # Its body is for who may read.
    return row if may_read(principal) else {name: value for name, value in row.items() if name != "body"}
