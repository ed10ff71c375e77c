"""Groups can be kept: renamed, deleted, and their members listed, changed and removed.

Safe while old functions run: they change no group and no membership, and what they could do they still can. A
workspace's keeper ends an enrolment without being in the group, so who sees the workspace may change a row into a dead
one, and into no other. Indexes are built without blocking writers, and anew where a build was cut short.
"""

from alembic import op

from migrations.support import FEEDER, READER, WRITER, build_index, outside_transaction
from wellspring.models.walks import name_of, walks

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLE = "workspace_group_memberships"
IS_SERVICE = "(SELECT wellspring.is_service())"
WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"
GROUPS = "((SELECT wellspring.groups_of_caller())::bigint[])"
POLICY = "workspace_group_workspaces_of_the_withdrawer ON core_api.workspace_group_workspaces"
CHANGED = {"workspace_groups": "name, updated_at, deleted_at", TABLE: "role, updated_at, deleted_at"}
AUDITED = "(caller, operation, resource_type, resource_id)"


def upgrade() -> None:
    for table, columns in CHANGED.items():
        op.execute(f"GRANT UPDATE ({columns}) ON core_api.{table} TO {WRITER}")
    op.execute(
        f"CREATE POLICY {POLICY} FOR UPDATE TO {WRITER}"
        f" USING (workspace_pk = ANY {WORKSPACES}) WITH CHECK (deleted_at IS NOT NULL)"
    )
    op.execute(
        f"CREATE VIEW wellspring.{TABLE}_of_caller AS SELECT row.* FROM core_api.{TABLE} AS row"
        f" WHERE row.workspace_group_pk = ANY {GROUPS} OR {IS_SERVICE}"
    )
    op.execute(f"GRANT SELECT ON wellspring.{TABLE}_of_caller TO {READER}, {WRITER}")
    # To lock a row, one must be allowed to change it.
    op.execute(f"GRANT UPDATE ({CHANGED[TABLE]}) ON wellspring.{TABLE}_of_caller TO {WRITER}")
    # Who releases an event of the feed leaves a row, too.
    op.execute(f"GRANT INSERT {AUDITED} ON wellspring.audit TO {FEEDER}")
    with outside_transaction():
        for parent, short in (("workspace_group_pk", "group"), (None, "")):
            for walk in walks(parent, directed=False):
                name = name_of(TABLE, short, walk)
                build_index(name, f"core_api.{TABLE}", f"({', '.join(walk.columns)}) WHERE {walk.where}")


def downgrade() -> None:
    with outside_transaction():
        for parent, short in (("workspace_group_pk", "group"), (None, "")):
            for walk in walks(parent, directed=False):
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.{name_of(TABLE, short, walk)}")
    op.execute(f"REVOKE INSERT {AUDITED} ON wellspring.audit FROM {FEEDER}")
    op.execute(f"DROP VIEW wellspring.{TABLE}_of_caller")
    op.execute(f"DROP POLICY {POLICY}")
    for table, columns in CHANGED.items():
        op.execute(f"REVOKE UPDATE ({columns}) ON core_api.{table} FROM {WRITER}")
