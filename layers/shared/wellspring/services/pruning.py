"""Pruning: retention of the service's own tables, for as long as there is time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from wellspring.database.retry import Deadline, with_retries
from wellspring.repositories import pruning
from wellspring.repositories.pruning import Pruned
from wellspring.services import idempotency

# Longer than a message that was applied can come again: 4 days in the queue, 14 among the dead letters, 4 days in the
# queue again, and once more 14 and 4 (docs/adr/0014). Revision 0007 lets nobody forget one sooner.
LEAST_KEPT = timedelta(days=45)
# Revision 0007 lets nobody forget sooner who wrote what, whoever has stolen the credentials of a function.
LEAST_AUDITED = timedelta(days=90)
# Rows that one transaction deletes: some tenths of a second.
CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted.

    Attributes:
        rows: how many rows of each table.
        is_all: whether nothing is left that is too old.
    """

    rows: Mapping[Pruned, int]
    is_all: bool


def prune(deadline: Deadline, history: timedelta, audited: timedelta) -> Forgotten:
    """Delete what is too old, each chunk in a transaction of its own, until nothing is left or the time is over.

    Args:
        deadline: when to stop.
        history: how old messages become, for people (contract, section 5); `LEAST_KEPT` at the least.
        audited: how old a row of who wrote what becomes (contract, section 3); `LEAST_AUDITED` at the least.

    Raises:
        WellspringError: the database did not let it; what was deleted before stays deleted.
    """
    ages: Mapping[Pruned, timedelta] = {
        "sync_messages": max(history, LEAST_KEPT),
        # Behind the messages: a run goes with its last one.
        "sync_runs": max(history, LEAST_KEPT),
        "idempotency_keys": idempotency.KEPT,
        "audit": max(audited, LEAST_AUDITED),
    }
    rows: dict[Pruned, int] = dict.fromkeys(ages, 0)
    for table, kept in ages.items():
        while True:
            if deadline.has_passed:
                return Forgotten(rows, is_all=False)
            deleted = _delete_chunk(table, kept, deadline)
            rows[table] += deleted
            if deleted < CHUNK:
                break
    return Forgotten(rows, is_all=True)


def _delete_chunk(table: Pruned, kept: timedelta, deadline: Deadline) -> int:
    return with_retries(lambda transaction: pruning.delete_oldest(transaction, table, kept, CHUNK), None, deadline)
