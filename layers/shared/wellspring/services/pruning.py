"""Pruning: retention of the service's own tables, for as long as there is time."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from wellspring.database.retry import Deadline, in_rounds
from wellspring.repositories import infrastructure
from wellspring.repositories.infrastructure import Pruned
from wellspring.services import idempotency

# Longer than a message that was applied can come again: 4 days in the queue, 14 among the dead letters, 4 days in the
# queue again, and once more 14 and 4 (docs/adr/0014). Revision 0007 lets nobody forget one sooner.
LEAST_KEPT = timedelta(days=45)
# Revision 0007 lets nobody forget sooner who wrote what, whoever has stolen the credentials of a function.
LEAST_AUDITED = timedelta(days=90)
# Rows that one transaction deletes: some tenths of a second.
CHUNK = 10_000


def prune(deadline: Deadline, history: timedelta, audited: timedelta) -> tuple[Mapping[Pruned, int], bool]:
    """Delete what is too old, each chunk in a transaction of its own, until nothing is left or the time is over.

    Messages become as old as `history` says, `LEAST_KEPT` at the least (contract, section 5), rows of who wrote what as
    old as `audited` and `LEAST_AUDITED` (section 3). Returns how many rows went of each table, and whether that is all.

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
    done = {
        table: in_rounds(
            partial(infrastructure.delete_oldest, table=table, kept=kept, most=CHUNK), CHUNK, None, deadline
        )
        for table, kept in ages.items()
    }
    return {table: rows for table, (rows, _) in done.items()}, all(is_all for _, is_all in done.values())
