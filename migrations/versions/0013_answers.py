"""What is answered from sums is read through a view that asks about each connector once.

The policy on the sums asks about each of them; a page of activity may add up a quarter of a million. The view shows a
caller what the policy would (docs/adr/0025). Safe while old functions run: they do not know it.
"""

from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

READERS = "wellspring_reader, wellspring_writer"
IS_SERVICE = "(SELECT wellspring.is_service())"
WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"
LIVE = "(SELECT true FROM core_api.workspaces AS w WHERE w.pk = parent.workspace_pk AND w.deleted_at IS NULL)"
SEEN = f"parent.workspace_pk = ANY {WORKSPACES} OR {IS_SERVICE} AND {LIVE}"
GUARDED = ("connector_activity",)


def upgrade() -> None:
    for table in GUARDED:
        op.execute(
            f"CREATE VIEW wellspring.{table}_of_caller AS SELECT kept.* FROM core_api.workspace_connectors AS parent"
            f" JOIN wellspring.{table} AS kept ON kept.workspace_connector_pk = parent.pk WHERE {SEEN}"
        )
        op.execute(f"GRANT SELECT ON wellspring.{table}_of_caller TO {READERS}")


def downgrade() -> None:
    for table in reversed(GUARDED):
        op.execute(f"DROP VIEW wellspring.{table}_of_caller")
