"""Tables of the sync queue: each message, what it waits for, and the sums of what all of them have done.

Contract, sections 5 and 7; docs/adr/0021.
"""

from collections.abc import Iterator

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wellspring.models.base import (
    INFRASTRUCTURE,
    count,
    direction_enum,
    id_,
    index,
    instant,
    json,
    now,
    own_table,
    pk,
    public_id,
)
from wellspring.models.list_indexes import ListIndex

# What a list of messages is of, and how the names of indexes call it.
PARENTS = {"wc": "workspace_connector_pk", "workspace": "workspace_pk"}


def _of_messages(name: str, *columns: str, given: str = "") -> Index:
    """Return an index of all messages, or of those of which a column is `given`."""
    return index(f"idx_sync_messages_{name}", *columns, where=f"{given} IS NOT NULL" if given else "")


def _of_parent(parent: str, *columns: str, given: str = "") -> Index:
    """Return an index of the messages of one parent, `columns` behind it."""
    return _of_messages(f"{parent}_{columns[0].removesuffix('_at')}", PARENTS[parent], *columns, given=given)


# Made in the transaction of its effect, or when it is parked. pk is the order of arrival.
sync_messages = own_table(
    "sync_messages",
    Column("pk", BigInteger, Identity(always=False), primary_key=True),
    id_(),
    # The producer's; NULL where none could be read.
    Column("message_id", public_id),
    # The connector or workspace that it names, also where there is none.
    Column("subject_id", public_id),
    *(Column(name, BigInteger) for name in PARENTS.values()),
    *(Column(name, Text) for name in ("group_id", "message_type", "mode", "run")),
    Column("direction", direction_enum),
    # SHA-256 of the body as it was sent, whatever has gone from it since; NULL of what was noted before there was this
    # table.
    Column("digest", LargeBinary),
    *(Column(name, instant) for name in ("occurred_at", "sent_at")),
    now("received_at"),
    # NULL while it is parked.
    Column("processed_at", instant, server_default=text("now()")),
    # By type: named, made, linked, ended; of providers named and matched.
    json("counts"),
    Column("outcome", Text, nullable=False, server_default=text("'applied'")),
    Column("reason", Text),
    json("problems", "[]"),
    Column("problem_count", Integer, nullable=False, server_default=text("0")),
    # While it is parked, or in progress.
    Column("body", Text),
    Column("note", Text),
    # How far it has come, while it is in progress.
    Column("progress", JSONB),
    # Which message has undone it.
    Column("reverted_by_pk", BigInteger),
    # Of whoever names a run of a connector that is there.
    Column("sync_run_pk", BigInteger),
    CheckConstraint("outcome IN ('applied', 'in_progress', 'parked', 'dismissed')", name="outcome"),
    # One id has one effect. What took an id that was another's, or was no message, is known by its digest.
    index(
        "uq_sync_messages_message_id",
        "message_id",
        unique=True,
        where="reason IS NULL OR reason NOT IN ('malformed', 'reused_id')",
    ),
    index("uq_sync_messages_digest", "digest", unique=True, where="reason IN ('malformed', 'reused_id')"),
    # By the producer's id, also of what took one that was another's. A person's is looked up in each workspace that
    # they see, so that nothing depends on whether another has it.
    _of_messages("message_id", "message_id", "workspace_pk", "received_at", "pk"),
    _of_messages("subject", "subject_id", "pk"),
    # A list without an outcome is those of the four outcomes, merged (docs/adr/0022).
    *(_of_parent(parent, "outcome", "received_at", "pk") for parent in PARENTS),
    *(_of_parent(parent, "reason", "outcome", "received_at", "pk", given="reason") for parent in PARENTS),
    *(_of_parent(parent, "occurred_at", "pk", given="occurred_at") for parent in PARENTS),
    *(_of_parent(parent, "processed_at", "pk", given="processed_at") for parent in PARENTS),
    _of_messages("reverted", "reverted_by_pk", "pk", given="reverted_by_pk"),
    *(_of_parent(parent, "run", "outcome", "received_at", "pk", given="run") for parent in PARENTS),
    _of_messages("sync_run_outcome", "sync_run_pk", "outcome", "received_at", "pk", given="sync_run_pk"),
    _of_messages("received", "received_at", "pk"),
    _of_messages("reason", "reason", "outcome", "received_at", "pk", given="reason"),
    index("idx_sync_messages_outcome", "outcome", "received_at", "pk", where="outcome <> 'applied'"),
)

# What each caller may know of messages: to a person a tenant mismatch is an unknown record. A view, made by a revision;
# `kept_reason` is what indexes have, and is never shown.
_OF_CALLER = (
    *("pk", "id", "workspace_connector_pk", "workspace_pk", "message_id", "message_type", "direction", "mode", "run"),
    *("occurred_at", "received_at", "processed_at", "outcome", "reason", "problems", "counts", "body", "sync_run_pk"),
)
sync_messages_of_caller = Table(
    "sync_messages_of_caller",
    MetaData(),
    *(Column(name, sync_messages.c[name].type) for name in _OF_CALLER),
    Column("kept_reason", Text),
    Column("all_problems", JSONB),
    schema=INFRASTRUCTURE,
)

# All that a parked message names and that is not there.
waiting_for = own_table(
    "waiting_for",
    Column(
        "message_pk", BigInteger, ForeignKey(f"{INFRASTRUCTURE}.sync_messages.pk", ondelete="CASCADE"), primary_key=True
    ),
    Column("type", Text, primary_key=True),
    Column("id", public_id, primary_key=True),
    index("idx_waiting_for_type_id", "type", "id"),
)


def _runs_of(parent: str) -> Iterator[Index]:
    """Yield the indexes of the runs of one parent, or of all where there is none."""
    columns, short = ([PARENTS[parent]], f"{parent}_") if parent else ([], "")
    found = ListIndex(columns[0] if columns else None, "started_at")
    yield found.index(f"idx_sync_runs_{short}started")
    yield Index(f"idx_sync_runs_{short}state", *columns, "state", "started_at", "pk")
    for time in ("occurred_at", "completed_at"):
        of_time = ListIndex(found.parent, time, timed=True)
        yield of_time.index(f"idx_sync_runs_{short}{time.removesuffix('_at')}")


# What a producer calls one sync of many messages: made by the first of them, under the connector's lock.
sync_runs = own_table(
    "sync_runs",
    pk(),
    id_(),
    *(Column(name, BigInteger, nullable=False) for name in PARENTS.values()),
    Column("run", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    # How many others its `run.completed` names; NULL until that has come.
    Column("messages_expected", Integer),
    # Of the others, without its `run.completed`.
    count("messages_applied"),
    count("messages_parked"),
    # By type: named, made, linked, ended; what its snapshot ended is among these.
    json("counts"),
    # As it is shown; NULL where its `run.completed` has none, or has not come.
    Column("snapshot", JSONB),
    Column("occurred_at", instant),
    now("started_at"),
    Column("completed_at", instant),
    # By record type the last row that was there when its first message came, and when that was (`at`).
    json("noted"),
    # Its latest `run.completed`, and which message has undone it.
    *(Column(name, BigInteger) for name in ("completed_by_pk", "reverted_by_pk")),
    CheckConstraint("state IN ('open', 'incomplete', 'completing', 'complete', 'reverted', 'expired')", name="state"),
    index("uq_sync_runs_workspace_connector_pk_run", "workspace_connector_pk", "run", unique=True),
    *(index for parent in (*PARENTS, "") for index in _runs_of(parent)),
)

# Whoever writes rows of a connector locks its row first, in ascending order.
connector_state = own_table(
    "connector_state",
    Column("workspace_connector_pk", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, instant) for name in ("last_synced_at", "last_changed_at", "last_failed_at")),
    *map(count, ("parked_messages", "live_rows")),
    # What is known of its rhythm: the last 21 syncs, and a number for the run of each, NULL where it has none.
    Column("syncs", ARRAY(instant), nullable=False, server_default=text("'{}'")),
    Column("sync_runs", ARRAY(Integer), nullable=False, server_default=text("'{}'")),
    # When the next one comes as a rule, and when it is late.
    *(Column(name, instant) for name in ("due_at", "expected_by")),
    # Of its last complete run.
    Column("complete_through", instant),
    # By our clock: when the last `records.synced` was applied, and the last message where that is a disconnect.
    *(Column(name, instant) for name in ("applied_at", "disconnected_at")),
    # NULL until something was said of it. What holds, and when that changes by itself, or earlier.
    Column("health_reasons", JSONB),
    Column("health_changes_at", instant),
    index("idx_connector_state_health_changes", "health_changes_at", where="health_changes_at IS NOT NULL"),
)

# One row: what is said of all connectors together (docs/adr/0052).
fleet = own_table(
    "fleet",
    Column("pk", SmallInteger, primary_key=True, autoincrement=False, server_default=text("1")),
    # Most of those that were due have not come: nobody becomes late.
    Column("is_silent", Boolean, nullable=False, server_default=text("false")),
    *(Column(name, instant) for name in ("silent_since", "silent_until")),
    # What was counted, and when: NULL before the first time.
    Column("as_of", instant),
    json("counted"),
    CheckConstraint("pk = 1", name="one"),
)

# The sums: kept by triggers in the transaction of each change, whoever makes it.
connector_rows = own_table(
    "connector_rows",
    Column("workspace_connector_pk", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, primary_key=True),
    Column("direction", direction_enum, primary_key=True),
    count("live"),
)

connector_activity = own_table(
    "connector_activity",
    Column("workspace_connector_pk", BigInteger, primary_key=True, autoincrement=False),
    # A day of UTC.
    Column("date", Date, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("direction", direction_enum, primary_key=True),
    count("linked"),
    count("ended"),
)
