"""Tables of the service itself, in a schema of their own: nothing of them is part of the contract's data model."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Text, Uuid, text

from wellspring.models.base import INFRASTRUCTURE, instant, metadata

# The newest key signs page cursors, all of them verify: adding a row rotates the key.
cursor_keys = Table(
    "cursor_keys",
    metadata,
    Column("pk", Integer, Identity(always=True), primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("created_at", instant, nullable=False, server_default=text("now()")),
    schema=INFRASTRUCTURE,
)

# Who wrote what over HTTP, written in the transaction of the write; and what operators looked at beyond their own
# workspaces, of the read. A list is of no resource, and names workspaces or none.
audit = Table(
    "audit",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("caller", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Uuid),
    Column("created_at", instant, nullable=False, server_default=text("now()"), index=True),
    Column("workspace_id", Uuid),
    Index(None, "caller", "created_at"),
    Index(None, "resource_id", "created_at"),
    Index(None, "workspace_id", "created_at"),
    schema=INFRASTRUCTURE,
)

# The first answer to each request that came with an Idempotency-Key; written in the transaction of its effect.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", instant, nullable=False, server_default=text("now()"), index=True),
    schema=INFRASTRUCTURE,
)
