"""An enrolment is unique while it is live, so that a workspace can leave a group and come back.

The unconditional unique of the revision before made the second enrolment of a pair fail for ever. The new index
is there before the old constraint goes, and is built without blocking writers.
"""

from alembic import op

from migrations.support import outside_transaction

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD = "workspace_group_workspaces_workspace_group_pk_wor_3c190_unique"
NEW = "workspace_group_workspaces_group_workspace_active_unique"


def upgrade() -> None:
    with outside_transaction():
        # A build that was cut short leaves an invalid index of that name behind.
        op.execute(f"DROP INDEX IF EXISTS core_api.{NEW}")
        op.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY {NEW} ON core_api.workspace_group_workspaces"
            " (workspace_group_pk, workspace_pk) WHERE deleted_at IS NULL"
        )
    op.execute(f"ALTER TABLE core_api.workspace_group_workspaces DROP CONSTRAINT {OLD}")


def downgrade() -> None:
    # Fails where a pair was enrolled twice over time: that history cannot be kept under the old rule.
    op.execute(
        f"ALTER TABLE core_api.workspace_group_workspaces ADD CONSTRAINT {OLD}"
        " UNIQUE (workspace_group_pk, workspace_pk)"
    )
    op.execute(f"DROP INDEX core_api.{NEW}")
