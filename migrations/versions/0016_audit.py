"""Who wrote what over HTTP: one row for each write, which nobody can change or delete (contract, section 3).

Safe while old functions run: they write no such row.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WRITERS = "wellspring_writer, wellspring_consumer"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE wellspring.audit (
          pk bigint GENERATED ALWAYS AS IDENTITY,
          caller text NOT NULL,
          operation text NOT NULL,
          resource_type text NOT NULL,
          resource_id uuid NOT NULL,
          created_at timestamptz(3) NOT NULL DEFAULT now(),
          CONSTRAINT pk_audit PRIMARY KEY (pk)
        )
        """
    )
    op.execute("CREATE INDEX idx_audit_created_at ON wellspring.audit (created_at)")
    op.execute("CREATE INDEX idx_audit_caller_created_at ON wellspring.audit (caller, created_at)")
    op.execute("CREATE INDEX idx_audit_resource_id_created_at ON wellspring.audit (resource_id, created_at)")
    # To append, and nothing else: not even to read.
    op.execute(f"GRANT INSERT (caller, operation, resource_type, resource_id) ON wellspring.audit TO {WRITERS}")


def downgrade() -> None:
    op.execute("DROP TABLE wellspring.audit")
