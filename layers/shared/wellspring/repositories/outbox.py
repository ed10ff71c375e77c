"""The outbox: events on their way to the bus, taken in portions that nobody holds a lock of while they are sent.

Who takes events has them for so long; whoever dies with them leaves them to the next one. What writes them is in the
database (revision 0012): triggers, in the transaction of each effect (docs/adr/0055).
"""

# Asks for no caller: it works for the publisher, which sends what happened of every tenant, and shows nothing.

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from wellspring.database import Transaction
from wellspring.models.infrastructure import outbox
from wellspring.repositories.sync.arrays import array

# For so long nobody else takes what was taken.
TAKEN_SECONDS = 60
# What the bus did not take is tried again after two seconds, four, eight, and so on.
LONGEST_PAUSE_SECONDS = 300


# Those that wait for the longest, by the index of what is due.
_TAKE = text(f"""
WITH due AS MATERIALIZED (
  SELECT sequence FROM {outbox}
   WHERE published_at IS NULL AND next_attempt_at <= now()
   ORDER BY next_attempt_at
   LIMIT :most
     FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE {outbox} AS event
     SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => {TAKEN_SECONDS})
   WHERE event.sequence = ANY (ARRAY(SELECT sequence FROM due))
  RETURNING id, sequence, type, partition_key, workspace_id, subject, occurred_at, data
)
SELECT * FROM taken ORDER BY sequence""")

_NOTE = text(f"""
UPDATE {outbox}
   SET published_at = CASE WHEN sequence = ANY (CAST(:published AS bigint[])) THEN now() ELSE published_at END,
       next_attempt_at = now() + CASE WHEN sequence = ANY (CAST(:refused AS bigint[]))
                                      THEN least({LONGEST_PAUSE_SECONDS}, 2 ^ least(attempts, 16)) * interval '1 s'
                                      ELSE interval '0' END,
       attempts = attempts - CASE WHEN sequence = ANY (CAST(:untried AS bigint[])) THEN 1 ELSE 0 END
 WHERE sequence = ANY (CAST(:published AS bigint[]) || CAST(:refused AS bigint[]) || CAST(:untried AS bigint[]))""")

_AGE = text(f"""
SELECT coalesce(extract(epoch FROM now() - (
         SELECT occurred_at FROM {outbox} WHERE published_at IS NULL ORDER BY sequence LIMIT 1)), 0)""")
_PRUNE = text("SELECT pruned, dropped FROM wellspring.prune_outbox(:most)")


def take(transaction: Transaction, most: int) -> list[Mapping[str, Any]]:
    """Take events that are due, at most so many, in the order of their sequence."""
    return [dict(row) for row in transaction.execute(_TAKE, {"most": most}).mappings()]


def note(transaction: Transaction, published: Sequence[int], refused: Sequence[int], untried: Sequence[int]) -> None:
    """Write down what became of events that were taken, by their sequence.

    Refused ones are tried again after a pause, twice as long each time; untried ones are as if they were not taken.
    """
    values = {"published": array(published), "refused": array(refused), "untried": array(untried)}
    transaction.execute(_NOTE, values)


def oldest_age(transaction: Transaction) -> float:
    """Return how many seconds ago the first happened that is not published; 0 where all are."""
    return max(0.0, float(transaction.execute(_AGE).scalar_one()))


def prune(transaction: Transaction, most: int) -> tuple[int, int]:
    """Forget the oldest events, at most so many, older than seven days; return how many, and how many unpublished."""
    forgotten, dropped = transaction.execute(_PRUNE, {"most": most}).one()
    return forgotten, dropped
