"""What a service asks of all workspaces is found: whose a connector is, what somebody is a member of, names.

Safe while old functions run: they do not need the indexes. They are built without blocking writers, and anew where a
build was cut short.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

LIVE, DEAD = "deleted_at IS NULL", "deleted_at IS NOT NULL"
INDEXES = (
    ("workspace_connectors", "connector_created_live", "(connector_pk, created_at, pk)", LIVE),
    ("workspace_memberships", "people_created_live", "(people_pk, created_at, pk)", LIVE),
    ("workspace_memberships", "people_created_dead", "(people_pk, created_at, pk)", DEAD),
    ("workspace_group_memberships", "people_created_live", "(people_pk, created_at, pk)", LIVE),
    ("workspace_group_memberships", "people_created_dead", "(people_pk, created_at, pk)", DEAD),
    ("workspace_group_workspaces", "created_by_created_live", "(created_by_pk, created_at, pk)", LIVE),
    *((table, "name_live", "(folded_name, pk)", LIVE) for table in ("companies", "peoples", "accounts")),
)


def upgrade() -> None:
    with outside_transaction():
        for table, short, columns, half in INDEXES:
            build_index(f"idx_{table}_{short}", f"core_api.{table}", f"{columns} WHERE {half}")


def downgrade() -> None:
    with outside_transaction():
        for table, short, _, _ in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.idx_{table}_{short}")
