"""Runs are found by when they were over, by their producer's clock and by ours, too: an index for each order.

A run is in them from its end on: one that is open costs what it did. Functions of before know nothing of them.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLE = "wellspring.sync_runs"
PARENTS = {"wc_": "workspace_connector_pk, ", "workspace_": "workspace_pk, ", "": ""}
INDEXES = {
    f"idx_sync_runs_{short}{time}": f"({parent}{time}_at, pk) WHERE {time}_at IS NOT NULL"
    for short, parent in PARENTS.items()
    for time in ("occurred", "completed")
}


def upgrade() -> None:
    with outside_transaction():
        for name, covers in INDEXES.items():
            build_index(name, TABLE, covers)


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX wellspring.{name}")
