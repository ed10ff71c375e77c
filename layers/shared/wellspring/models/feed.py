"""Tables of the platform's feed: what waits or is parked, what was deleted, what is to be ended, what was loaded.

Contract, section 6; docs/adr/0032.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from wellspring.models.base import INFRASTRUCTURE, count, id_, index, instant, json, now, own_table, pk, public_id


def _texts(*names: str, **options: Any) -> Iterator[Column[str]]:
    yield from (Column(name, Text, **options) for name in names)


_OPEN = "outcome = ANY (ARRAY['waiting'::text, 'parked'::text])"

# An event that waits for what it names, or is parked. One that waited and was applied is deleted; one that was parked
# stays with its outcome, for people to find.
pending_events = own_table(
    "pending_events",
    pk(),
    id_(),
    now("received_at"),
    now("updated_at"),
    *_texts("source", "event_id", "event_type", "type"),
    Column("subject", public_id),
    Column("version", BigInteger),
    # Of the whole event: one that is sent twice is kept once.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("outcome", Text, nullable=False),
    json("problems", "[]"),
    # Missing is the first thing that it names and that is not there: when it has come, the event is tried again. The
    # event is ASCII, so that whatever was sent can be kept; NULL once it is of no more use.
    *_texts("reason", "missing_type", "missing_key", "event", "note"),
    CheckConstraint("outcome IN ('waiting', 'parked', 'applied', 'dismissed')", name="outcome"),
    index("idx_pending_events_missing", "missing_type", "missing_key", "pk", where="missing_key IS NOT NULL"),
    index("idx_pending_events_waiting", "received_at", "pk", where="outcome = 'waiting'"),
    index("idx_pending_events_received", "received_at", "pk"),
    index("idx_pending_events_outcome", "outcome", "received_at", "pk"),
    # The lists of `/v1/feed-events`: each set of filters that is offered has an index in the list's order.
    index("idx_pending_events_subject_received", "subject", "received_at", "pk"),
    index("idx_pending_events_reason", "reason", "outcome", "received_at", "pk", where="reason IS NOT NULL"),
    index("idx_pending_events_source", "source", "outcome", "received_at", "pk"),
    # What is released together.
    index("idx_pending_events_parked", "source", "reason", "received_at", "pk", where="outcome = 'parked'"),
    # What is counted by source and type.
    index("idx_pending_events_open", "source", "type", "outcome", where=_OPEN),
)

# What was deleted before it was ever seen. What was seen carries its version in its own row.
tombstones = own_table(
    "tombstones",
    Column("type", Text, primary_key=True),
    Column("id", public_id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("source_version", BigInteger, nullable=False),
    Column("erased_at", instant),
    now("created_at"),
)

# A workspace that is erased, for good: what is told of it or of anything in it has no effect any more. It is the
# tombstone, and the report of what went (docs/adr/0057).
erasures = own_table(
    "erasures",
    pk(),
    Column("workspace_id", public_id, nullable=False, unique=True),
    # NULL of one that was never seen.
    Column("workspace_pk", BigInteger, unique=True),
    Column("source", Text, nullable=False),
    Column("source_version", BigInteger, nullable=False),
    now("erased_at"),
    # How far a round has come; NULL between two.
    Column("place", JSONB, server_default=text("'{}'")),
    # Which transactions had begun some time after it was erased.
    Column("boundary", BigInteger),
    # How many went, by what they were.
    json("gone"),
    Column("done_at", instant),
    index("idx_erasures_open", "pk", where="done_at IS NULL"),
)

# A record, connector or provider that ended, and whose rows are to end with it (docs/adr/0033).
endings = own_table(
    "endings",
    pk(),
    Column("type", Text, nullable=False),
    Column("of_pk", BigInteger, nullable=False),
    now("ended_at"),
    # The last row of each ledger that was there when the thing was revived: later ones are not to end.
    Column("until", JSONB),
    # When a sweep saw it first, and which transactions had begun some time after that.
    Column("seen_at", instant),
    Column("boundary", BigInteger),
    Column("done_at", instant),
    # Where events go out, what sweeps have ended so far: by connector and type of records.
    json("ended"),
    index("idx_endings_open", "pk", where="done_at IS NULL"),
    index("idx_endings_of", "type", "of_pk", where="done_at IS NULL"),
    index("idx_endings_done", "done_at"),
)

# What each source has told of each type, so that it can compare.
feed_sources = own_table(
    "feed_sources",
    *_texts("source", "type", primary_key=True),
    *map(count, ("events", "applied", "live", "last_version")),
    Column("last_event_at", instant),
    now("last_received_at"),
)

# One version of a file in the bucket, and how far it has come.
loads = own_table(
    "loads",
    pk(),
    *_texts("key", "object_version", nullable=False),
    Column("outcome", Text, nullable=False, server_default=text("'in_progress'")),
    *map(count, ("lines", "place", "applied", "stale", "waiting", "parked", "rejected")),
    # Turns that began at the same line as the one before.
    Column("idle_turns", Integer, nullable=False, server_default=text("0")),
    now("started_at"),
    now("updated_at"),
    Column("finished_at", instant),
    CheckConstraint("outcome IN ('in_progress', 'done', 'failed')", name="outcome"),
    index("idx_loads_file", "key", "object_version", unique=True),
    index("idx_loads_started_at", "started_at"),
)

load_rejects = own_table(
    "load_rejects",
    Column("load_pk", BigInteger, ForeignKey(f"{INFRASTRUCTURE}.loads.pk", ondelete="CASCADE"), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    *_texts("code", "pointer", nullable=False),
)
