"""Which messages have had their effect: what makes a second delivery of one have none."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from wellspring.database.flush import Asked
from wellspring.database.sqlstate import constraint
from wellspring.errors import ServiceUnavailable
from wellspring.repositories.sync.arrays import array

# Two deliveries of a message at the same time: the second one waits here, and violates it when the first commits.
_CLAIMED = "uq_sync_messages_message_id"

_DONE = text("SELECT message_id FROM wellspring.sync_inbox WHERE message_id = ANY (CAST(:ids AS uuid[]))")
# In the order of the ids, so that batches that share messages wait for, not on, each other.
_CLAIM = text(
    "INSERT INTO wellspring.sync_inbox (message_id)"
    " SELECT id FROM unnest(CAST(:ids AS uuid[])) AS claimed (id) ORDER BY id"
)


def done(ids: Iterable[str]) -> Asked:
    """Ask which of these messages have had their effect; answered with their ids."""
    return Asked(_DONE, {"ids": array(ids)})


def claim(ids: Iterable[str]) -> Asked:
    """Write down that these messages, each once, have their effect now; fails where one had it (`claiming`)."""
    return Asked(_CLAIM, {"ids": array(ids)})


@contextmanager
def claiming() -> Iterator[None]:
    """Say what it means when a claim fails in the block.

    Raises:
        ServiceUnavailable: another delivery of one of the messages was quicker; try again in a new transaction, which
            sees it.
    """
    try:
        yield
    except IntegrityError as error:
        if constraint(error) != _CLAIMED:
            raise
        raise ServiceUnavailable("Another delivery of the same messages was quicker.") from error
