"""Messages of a run are found by workspace.

Safe while old functions run: they do not need the index. It is built without blocking writers, and anew where a build
was cut short.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

NAME, TABLE = "idx_sync_messages_workspace_run", "wellspring.sync_messages"


def upgrade() -> None:
    with outside_transaction():
        build_index(NAME, TABLE, "(workspace_pk, run, outcome, received_at, pk) WHERE run IS NOT NULL")


def downgrade() -> None:
    with outside_transaction():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS wellspring.{NAME}")
