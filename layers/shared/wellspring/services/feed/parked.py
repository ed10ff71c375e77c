"""Parked events of the feed: a release applies them as they would be applied now."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from wellspring.access.principal import Principal
from wellspring.database import Deadline, Transaction
from wellspring.database.flush import Row
from wellspring.queries import MOST_RELEASED
from wellspring.repositories import ledger, parked
from wellspring.repositories.feed import pending, work
from wellspring.repositories.feed.applying import NeedsExclusive
from wellspring.repositories.feed.work import UNEXPECTED
from wellspring.resources import FEED_EVENT
from wellspring.services.feed.applying import apply_taken
from wellspring.services.parked import Oldest, Parked


class ParkedEvents(Parked):
    """Parked events of the feed; made for one request, as it learns which types are locked exclusively."""

    resource = FEED_EVENT
    noun = "event"

    def __init__(self) -> None:
        self._exclusive: frozenset[str] = frozenset()

    def find(self, transaction: Transaction, principal: Principal, id_: UUID) -> Row | None:
        """Lock one that the caller sees, and return it."""
        return ledger.locked(principal, FEED_EVENT, {"id": id_}).run(transaction)

    def apply(self, transaction: Transaction, held: Row) -> None:
        """Apply it; what was sent and is no event stays parked."""
        taken = pending.take_one(transaction, held["id"])
        if taken is not None and taken.event is not None:
            apply_taken(transaction, [taken], self._exclusive)

    def park(self, transaction: Transaction, held: Row) -> None:
        """Park it as `unexpected`."""
        taken = pending.take_one(transaction, held["id"])
        if taken is not None:
            pending.settle(transaction, [(taken, work.parked(UNEXPECTED))])

    def close(self, transaction: Transaction, held: Row, note: str) -> bool:
        """Dismiss it; one like it that is sent anew is done."""
        return parked.dismiss(transaction, parked.EVENTS, held["id"], note) is not None

    def run[Result](self, work: Callable[[Transaction], Result], principal: Principal, deadline: Deadline) -> Result:
        """Run `work` once, and again only where it must lock types exclusively: HTTP's callers retry by themselves."""
        while True:
            try:
                return super().run(work, principal, deadline)
            except NeedsExclusive as needed:
                self._exclusive |= needed.types


def oldest_of(source: str, reason: str) -> Oldest:
    """Return what finds the oldest events that a source sent and that are parked for a reason."""
    matching = {"source": source, "reason": reason}
    return partial(parked.oldest, parked=parked.EVENTS, matching=matching, most=MOST_RELEASED)
