"""Tables of the service itself, in a schema of their own: nothing of them is part of the contract's data model."""

from sqlalchemy import BigInteger, Column, Identity, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from wellspring.models.base import id_, index, instant, now, own_table, pk, public_id

# The newest key signs page cursors, all of them verify: adding a row rotates the key.
cursor_keys = own_table(
    "cursor_keys",
    Column("pk", Integer, Identity(always=True), primary_key=True),
    Column("key", LargeBinary, nullable=False),
    now("created_at"),
)

# Who wrote what over HTTP, of which workspace, written in the transaction of the write; and what operators looked at
# beyond their own workspaces, of the read. A list is of no resource, and names workspaces or none.
audit = own_table(
    "audit",
    pk(),
    Column("caller", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", public_id),
    now("created_at"),
    # NULL of what is of no workspace: groups, what nobody could read, and a list that names none.
    Column("workspace_pk", BigInteger),
    id_(),
    # Of a dismissal.
    Column("note", Text),
    index("idx_audit_created", "created_at", "pk"),
    index("idx_audit_caller", "caller", "created_at", "pk"),
    index("idx_audit_resource", "resource_id", "created_at", "pk"),
    index("idx_audit_workspace", "workspace_pk", "created_at", "pk"),
    index("idx_audit_workspace_caller", "workspace_pk", "caller", "created_at", "pk"),
)

# The first answer to each request that came with an Idempotency-Key; written in the transaction of its effect.
idempotency_keys = own_table(
    "idempotency_keys",
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", instant, nullable=False, server_default=text("now()"), index=True),
)

# What happened, on its way to the bus: written by triggers in the transaction of the effect (docs/adr/0055), and read
# by the publisher alone. `sequence` is drawn behind the lock of its partition.
outbox = own_table(
    "outbox",
    Column("sequence", BigInteger, Identity(always=True), primary_key=True),
    # The same at each attempt.
    Column("id", public_id, nullable=False, server_default=text("uuidv7()")),
    Column("type", Text, nullable=False),
    Column("partition_key", public_id, nullable=False),
    Column("workspace_id", public_id),
    Column("subject", public_id, nullable=False),
    Column("occurred_at", instant, nullable=False, server_default=text("clock_timestamp()")),
    Column("data", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # While somebody publishes it, when that is given up.
    now("next_attempt_at"),
    Column("published_at", instant),
    index("idx_outbox_due", "next_attempt_at", where="published_at IS NULL"),
    index("idx_outbox_unpublished", "sequence", where="published_at IS NULL"),
)
