"""Parked sync messages: a release takes the way of a message that is sent again.

What became of it meanwhile, and whether it was overtaken, is asked behind the lock of its connector (docs/adr/0021).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE, Principal
from wellspring.database import Transaction
from wellspring.errors import Conflict
from wellspring.queries import MOST_RELEASED
from wellspring.repositories import connector_state, ledger, parked
from wellspring.repositories.sync import applying, releasing
from wellspring.resources import SYNC_MESSAGE
from wellspring.services.ledger.reading import absent
from wellspring.services.parked import Oldest, Parked
from wellspring.services.sync.applying import apply_one
from wellspring.services.sync.releasing import Read, arrival_of


@dataclass(frozen=True)
class ParkedMessages(Parked[releasing.Kept]):
    """Parked messages of the sync queue.

    Attributes:
        read: makes of a kept body what it asks for.
        is_confirmed: whether one was asked for by its id: a snapshot that would end too much is carried out then.
    """

    resource = SYNC_MESSAGE
    noun = "message"

    read: Read
    is_confirmed: bool = True

    def scope(self, _: Principal) -> str:
        """Return the queue's: a message names whatever there is."""
        return PIPELINE_SCOPE

    def find(self, transaction: Transaction, principal: Principal, id_: UUID) -> releasing.Kept | None:
        """Return one that the caller sees, with its body."""
        seen = ledger.one(principal, SYNC_MESSAGE, {"id": id_}).run(transaction)
        return releasing.take(transaction, id_) if seen is not None else None

    def apply(self, transaction: Transaction, held: releasing.Kept) -> None:
        """Apply a message that was parked a moment ago. Raises `Conflict` where its body is gone."""
        if held.body is None or held.group is None:
            raise Conflict("Its body is not kept any more: send it anew, with a new id.")
        _lock(transaction, held)
        apply_one(transaction, replace(arrival_of(held, self.read), is_confirmed=self.is_confirmed))

    def park(self, transaction: Transaction, held: releasing.Kept) -> None:
        """Park it as `unexpected`, behind the lock of its connector."""
        _lock(transaction, held)
        applying.park(transaction, arrival_of(held, self.read), "unexpected")

    def close(self, transaction: Transaction, held: releasing.Kept, note: str) -> bool:
        """Dismiss it, behind the lock of its connector."""
        _lock(transaction, held)
        return releasing.dismiss(transaction, held, note)


def oldest_of(connector_id: UUID | None, reason: str) -> Oldest:
    """Return what finds the oldest messages of a connector that are parked for a reason.

    The connector is None for text that is no uuid. What it returns raises `NotFound` where there is no such connector.
    """

    def oldest(transaction: Transaction) -> tuple[int, Sequence[UUID]]:
        connector_pk = releasing.connector(transaction, connector_id) if connector_id else None
        if connector_pk is None:
            raise absent("workspace_connector", connector_id, pointer="/meta/workspace_connector")
        named = {"workspace_connector_pk": connector_pk, "reason": reason}
        return parked.oldest(transaction, parked.MESSAGES, named, MOST_RELEASED)

    return oldest


def _lock(transaction: Transaction, held: releasing.Kept) -> None:
    """Wait for other writers of the message's connector as long as HTTP does; it stays locked."""
    if held.connector_pk is not None:
        connector_state.lock(transaction, held.connector_pk)
