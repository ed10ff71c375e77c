"""Which messages have had their effect: what makes a second delivery of one have none."""

from collections.abc import Iterable

from sqlalchemy import text

from wellspring.database.flush import Asked
from wellspring.models.infrastructure import sync_inbox
from wellspring.repositories.sync.arrays import array

# Two deliveries of a message at the same time: the second one waits here, and violates it when the first commits.
CLAIMED = "pk_sync_inbox"

_DONE = text(f"SELECT message_id FROM {sync_inbox} WHERE message_id = ANY (CAST(:ids AS uuid[]))")
# In the order of the ids, so that batches that share messages wait for, not on, each other.
_CLAIM = text(
    f"INSERT INTO {sync_inbox} (message_id) SELECT id FROM unnest(CAST(:ids AS uuid[])) AS claimed (id) ORDER BY id"
)


def done(ids: Iterable[str]) -> Asked:
    """Ask which of these messages have had their effect; answered with their ids."""
    return Asked(_DONE, {"ids": array(ids)})


def claim(ids: Iterable[str]) -> Asked:
    """Write down that these messages, each once, have their effect now; violates `CLAIMED` where one had it."""
    return Asked(_CLAIM, {"ids": array(ids)})
