"""Forgetting what the feed need not remember: a bounded number of rows at a time."""

from sqlalchemy import Connection, text

from wellspring.models import feed

# A file's rejects go with it.
_FORGET = (
    # What was sent is of no use any more, and may hold a name; that something is parked stays to be seen.
    f"""
UPDATE {feed.pending_events}
   SET event = NULL, reason = 'expired', missing_type = NULL, missing_key = NULL, updated_at = now()
 WHERE pk = ANY (ARRAY(
         SELECT old.pk FROM {feed.pending_events} AS old
          WHERE old.outcome = 'parked' AND old.received_at < now() - interval '45 days' AND old.event IS NOT NULL
          ORDER BY old.received_at, old.pk LIMIT :most FOR UPDATE SKIP LOCKED))""",
    f"""
DELETE FROM {feed.pending_events}
 WHERE pk = ANY (ARRAY(
         SELECT old.pk FROM {feed.pending_events} AS old
          WHERE old.received_at < now() - make_interval(days => :days) AND old.outcome <> 'waiting'
          ORDER BY old.received_at, old.pk LIMIT :most FOR UPDATE SKIP LOCKED))""",
    f"""
DELETE FROM {feed.endings}
 WHERE pk = ANY (ARRAY(
         SELECT old.pk FROM {feed.endings} AS old WHERE old.done_at < now() - interval '7 days'
          ORDER BY old.done_at LIMIT :most FOR UPDATE SKIP LOCKED))""",
    f"""
DELETE FROM {feed.loads}
 WHERE pk = ANY (ARRAY(
         SELECT old.pk FROM {feed.loads} AS old WHERE old.started_at < now() - make_interval(days => :days)
          ORDER BY old.started_at LIMIT 10 FOR UPDATE SKIP LOCKED))""",
)


def forget(transaction: Connection, days: int, most: int) -> int:
    """Delete what is too old, the oldest first, `most` rows of each kind; return how many were deleted or emptied.

    What became of events and files is remembered for so many days; what they carried goes after 45.
    """
    values = {"days": days, "most": most}
    return sum(transaction.execute(text(statement), values).rowcount for statement in _FORGET)
