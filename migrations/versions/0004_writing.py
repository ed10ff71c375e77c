"""What the writing operations need: the kept answers, and the right to make groups with their owners."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WRITER = "wellspring_writer"
GROUP_TABLES = ("workspace_groups", "workspace_group_memberships")


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE wellspring.idempotency_keys (
          caller text,
          key text,
          fingerprint bytea NOT NULL,
          answer text NOT NULL,
          created_at timestamptz(3) NOT NULL DEFAULT now(),
          CONSTRAINT pk_idempotency_keys PRIMARY KEY (caller, key)
        )
        """
    )
    op.execute("CREATE INDEX idx_idempotency_keys_created_at ON wellspring.idempotency_keys (created_at)")
    op.execute(
        f"GRANT SELECT, INSERT, UPDATE (fingerprint, answer, created_at) ON wellspring.idempotency_keys TO {WRITER}"
    )
    for table in GROUP_TABLES:
        op.execute(f"GRANT INSERT ON core_api.{table} TO {WRITER}")


def downgrade() -> None:
    for table in GROUP_TABLES:
        op.execute(f"REVOKE INSERT ON core_api.{table} FROM {WRITER}")
    op.execute("DROP TABLE wellspring.idempotency_keys")
