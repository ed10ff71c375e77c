"""Messages of all workspaces are found by reason, and those of a run by workspace.

Safe while old functions run: they need neither index. Both are built without blocking writers, and anew where a build
was cut short.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0131"
down_revision = "0031"
branch_labels = None
depends_on = None

INDEXES = {
    "reason": "(reason, outcome, received_at, pk) WHERE reason IS NOT NULL",
    "workspace_run": "(workspace_pk, run, outcome, received_at, pk) WHERE run IS NOT NULL",
}


def upgrade() -> None:
    with outside_transaction():
        for name, columns in INDEXES.items():
            build_index(f"idx_sync_messages_{name}", "wellspring.sync_messages", columns)


def downgrade() -> None:
    with outside_transaction():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS wellspring.idx_sync_messages_{name}")
