"""Sums of each source and type of the feed, kept in the transaction of each effect."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from wellspring.models import feed
from wellspring.repositories.feed.work import FeedEvent, Verdict
from wellspring.times import in_utc, is_ahead

# The last statement of a transaction: whoever tells of the same type waits here until the commit, and no longer.
_COUNT = text(f"""
INSERT INTO {feed.feed_sources} AS old (source, type, events, applied, live, last_version, last_event_at)
SELECT source, type, events, applied, live, last_version, last_event_at
  FROM jsonb_to_recordset(CAST(:sums AS jsonb))
    AS new (source text, type text, events bigint, applied bigint, live bigint, last_version bigint,
            last_event_at timestamptz)
 ORDER BY source, type
    ON CONFLICT (source, type) DO UPDATE
   SET events = old.events + excluded.events, applied = old.applied + excluded.applied,
       live = old.live + excluded.live, last_version = greatest(old.last_version, excluded.last_version),
       last_event_at = greatest(CASE WHEN old.last_event_at <= now() + interval '1 day' THEN old.last_event_at END,
                                excluded.last_event_at),
       last_received_at = CASE WHEN excluded.events > 0 THEN now() ELSE old.last_received_at END""")


def count(
    transaction: Connection,
    verdicts: Iterable[tuple[FeedEvent, Verdict]],
    live: Mapping[tuple[str, str], int],
    *,
    is_new: bool,
) -> None:
    """Add events and their effects to the sums; nothing that locks comes after this.

    `live` is how many more resources of a source and type are live now; events are new that were not counted before.
    """
    nothing = dict.fromkeys(("events", "applied", "live", "last_version"), 0) | {"last_event_at": None}
    sums: dict[tuple[str, str], dict[str, Any]] = defaultdict(nothing.copy)
    for event, verdict in verdicts:
        entry = sums[event.source, event.type]
        entry["events"] += is_new
        entry["applied"] += verdict.status == "applied"
        entry["last_version"] = max(entry["last_version"], event.version)
        time = in_utc(event.time) if event.time is not None else None
        # One event of a clock in the future would hide all later ones.
        if time is not None and not is_ahead(time) and (entry["last_event_at"] or time) <= time:
            entry["last_event_at"] = time
    for key, difference in live.items():
        sums[key]["live"] += difference
    rows = [{"source": source, "type": type_, **entry} for (source, type_), entry in sums.items()]
    if rows:
        transaction.execute(_COUNT, {"sums": json.dumps(rows, default=str)})
