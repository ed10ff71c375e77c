"""A message is found by the id that its producer gave it.

Safe while old functions run: an index more, built without blocking writers.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

NAME, TABLE = "idx_sync_messages_message_id", "wellspring.sync_messages"


def upgrade() -> None:
    with outside_transaction():
        build_index(NAME, TABLE, "(message_id, workspace_pk, received_at, pk)")


def downgrade() -> None:
    with outside_transaction():
        op.execute(f"DROP INDEX CONCURRENTLY wellspring.{NAME}")
