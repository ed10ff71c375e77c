"""Deleting what the service's own tables need not remember any more, a bounded number of rows at a time."""

# Asks for no caller: they are message ids and kept answers, of which nothing is shown.

from datetime import timedelta
from typing import Literal

from sqlalchemy import text

from wellspring.database import Transaction

type Pruned = Literal["sync_messages", "sync_runs", "idempotency_keys", "audit"]

# No role may delete rows; the function may, and knows how old they must be at the least (revision 0007).
_PRUNE = text("SELECT wellspring.prune(:remembered, make_interval(secs => CAST(:seconds AS integer)), :most)")


def delete_oldest(transaction: Transaction, table: Pruned, kept: timedelta, most: int) -> int:
    """Delete the oldest rows of a table; return how many: fewer than `most` where that is all, or others delete too.

    They are `kept` for 45 days at least of messages and runs, 90 of the audit, a day of kept answers.
    """
    values = {"remembered": table, "seconds": int(kept.total_seconds()), "most": most}
    deleted: int = transaction.execute(_PRUNE, values).scalar_one()
    return deleted
