"""Sums of each source and type of the feed, kept in the transaction of each effect, and the feed's status."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from wellspring.models import feed
from wellspring.queries import MAX_TOTAL
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


# ---- status ------------------------------------------------------------------------------------------------
# Rows of each list that an answer has, of erasures and files the latest: a source is a system of the platform, and
# tells of a few types.
MOST = 500
REPORTED = LOADS = 10
# The number of events of each outcome, as far as lists are counted; `of` narrows it.
_OPEN = ", ".join(
    f"(SELECT count(*) FROM (SELECT FROM {feed.pending_events} AS found"
    f" WHERE found.outcome = '{outcome}'{{of}} LIMIT {MAX_TOTAL}) AS counted) AS {outcome}"
    for outcome in ("waiting", "parked")
)

_SOURCES = text(f"""
SELECT told.source, told.type, told.events, told.applied, told.live,
       {_OPEN.format(of=" AND found.source = told.source AND found.type = told.type")},
       told.last_version AS last_sequence, told.last_event_at, told.last_received_at
  FROM (SELECT * FROM {feed.feed_sources} ORDER BY source, type LIMIT {MOST}) AS told
 ORDER BY told.source, told.type""")

_WHOLE = text(f"""
SELECT {_OPEN.format(of="")},
       greatest(0, extract(epoch FROM now() - (SELECT min(found.received_at) FROM {feed.pending_events} AS found
                                                WHERE found.outcome = 'waiting')))::bigint AS lag_seconds""")

_LOADS = text(f"""
SELECT key AS name, outcome, lines, started_at, finished_at
  FROM {feed.loads} ORDER BY started_at DESC, pk DESC LIMIT {LOADS}""")

_ERASURES = text(f"""
SELECT workspace_id AS workspace, source, erased_at, done_at, gone
  FROM {feed.erasures} ORDER BY erased_at DESC, pk DESC LIMIT {REPORTED}""")


# Asks for no caller: it tells sums of the feed's sources, which access.rules shows to services alone.
def status(transaction: Connection) -> Mapping[str, Any]:
    """Return the attributes of `feed_status`, four statements whatever there is."""
    lists = {"loads": _LOADS, "erasures": _ERASURES, "sources": _SOURCES}
    rows = {name: [dict(row) for row in transaction.execute(asked).mappings()] for name, asked in lists.items()}
    for row in rows["erasures"]:
        row["gone"] = [{"type": name, "number": number} for name, number in sorted(row["gone"].items())]
    return {**transaction.execute(_WHOLE).mappings().one(), **rows}
