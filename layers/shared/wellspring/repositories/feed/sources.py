"""Sums of each source and type of the feed, kept in the transaction of each effect."""

import json
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
    """Add events and their effects to the sums.

    Args:
        transaction: the scope of the effects; nothing that locks comes after this.
        verdicts: what became of each event.
        live: how many more resources of a source and type are live now.
        is_new: whether these came from the source now, and were not counted when they did.
    """
    sums: dict[tuple[str, str], dict[str, Any]] = {}

    def of(source: str, type_: str) -> dict[str, Any]:
        if (source, type_) not in sums:
            named = {"source": source, "type": type_, "last_event_at": None}
            sums[source, type_] = named | dict.fromkeys(("events", "applied", "live", "last_version"), 0)
        return sums[source, type_]

    for event, verdict in verdicts:
        entry = of(event.source, event.type)
        entry["events"] += is_new
        entry["applied"] += verdict.status == "applied"
        entry["last_version"] = max(entry["last_version"], event.version)
        time = in_utc(event.time) if event.time is not None else None
        # One event of a clock in the future would hide all later ones.
        if time is not None and not is_ahead(time) and (entry["last_event_at"] or time) <= time:
            entry["last_event_at"] = time
    for (source, type_), difference in live.items():
        of(source, type_)["live"] += difference
    if sums:
        transaction.execute(_COUNT, {"sums": json.dumps(list(sums.values()), default=str)})
