"""Status of the platform's feed: what each source has told, what waits, what is parked, and the latest files."""

# Asks for no caller: it tells sums of the feed's sources, which access.rules shows to services alone.

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from wellspring.models import feed
from wellspring.queries import MAX_TOTAL

# Rows of each list that an answer has, of erasures and files the latest: a source is a system of the platform, and
# tells of a few types.
MOST = 500
REPORTED = LOADS = 10


def _counted(outcome: str, of: str = "") -> str:
    """Return the number of events of an outcome, as far as lists are counted; `of` narrows it."""
    return (
        f"(SELECT count(*) FROM (SELECT FROM {feed.pending_events} AS found"
        f" WHERE found.outcome = '{outcome}'{of} LIMIT {MAX_TOTAL}) AS counted)"
    )


_OF_SOURCE = " AND found.source = told.source AND found.type = told.type"

_SOURCES = text(f"""
SELECT told.source, told.type, told.events, told.applied, told.live,
       {_counted("waiting", _OF_SOURCE)} AS waiting, {_counted("parked", _OF_SOURCE)} AS parked,
       told.last_version AS last_sequence, told.last_event_at, told.last_received_at
  FROM (SELECT * FROM {feed.feed_sources} ORDER BY source, type LIMIT {MOST}) AS told
 ORDER BY told.source, told.type""")

_WHOLE = text(f"""
SELECT {_counted("waiting")} AS waiting, {_counted("parked")} AS parked,
       greatest(0, extract(epoch FROM now() - (SELECT min(found.received_at) FROM {feed.pending_events} AS found
                                                WHERE found.outcome = 'waiting')))::bigint AS lag_seconds""")

_LOADS = text(f"""
SELECT key AS name, outcome, lines, started_at, finished_at
  FROM {feed.loads} ORDER BY started_at DESC, pk DESC LIMIT {LOADS}""")

_ERASURES = text(f"""
SELECT workspace_id AS workspace, source, erased_at, done_at, gone
  FROM {feed.erasures} ORDER BY erased_at DESC, pk DESC LIMIT {REPORTED}""")


def status(transaction: Connection) -> Mapping[str, Any]:
    """Return the attributes of `feed_status`, four statements whatever there is.

    Events are counted up to `MAX_TOTAL` of each outcome, source and type.
    """
    erasures = [
        {**row, "gone": [{"type": name, "number": number} for name, number in sorted(row["gone"].items())]}
        for row in transaction.execute(_ERASURES).mappings()
    ]
    return {
        **transaction.execute(_WHOLE).mappings().one(),
        "loads": [dict(row) for row in transaction.execute(_LOADS).mappings()],
        "erasures": erasures,
        "sources": [dict(row) for row in transaction.execute(_SOURCES).mappings()],
    }
