"""Parked sync messages: a release takes the way of a message that is sent again.

What became of it meanwhile, and whether it was overtaken, is asked behind the lock of its connector (docs/adr/0021).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE, Principal
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.errors import Conflict
from wellspring.queries import MOST_RELEASED
from wellspring.repositories import connector_state, parked
from wellspring.repositories.sync import applying, releasing
from wellspring.resources import SYNC_MESSAGE
from wellspring.services.ledger.reading import absent
from wellspring.services.parked import Oldest, Parked
from wellspring.services.sync.applying import apply_one
from wellspring.services.sync.releasing import Read, arrival_of


@dataclass(frozen=True)
class ParkedMessages(Parked):
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

    def apply(self, transaction: Transaction, held: Row) -> None:
        """Apply a message that was parked a moment ago. Raises `Conflict` where its body is gone."""
        kept = releasing.take(transaction, held["id"])
        if kept.body is None or kept.group is None:
            raise Conflict("Its body is not kept any more: send it anew, with a new id.")
        _lock(transaction, kept)
        apply_one(transaction, replace(arrival_of(kept, self.read), is_confirmed=self.is_confirmed))

    def park(self, transaction: Transaction, held: Row) -> None:
        """Park it as `unexpected`, behind the lock of its connector."""
        kept = releasing.take(transaction, held["id"])
        _lock(transaction, kept)
        applying.park(transaction, arrival_of(kept, self.read), "unexpected")

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


def _lock(transaction: Transaction, kept: releasing.Kept) -> None:
    """Wait for other writers of the message's connector as long as HTTP does; it stays locked."""
    if kept.connector_pk is not None:
        connector_state.lock(transaction, kept.connector_pk)
