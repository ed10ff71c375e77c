"""Answers: a view of sums that asks about each connector once, and an index of what brings records in.

The policy on the sums asks about each of them; a page of activity may add up a quarter of a million. The view shows a
caller what the policy would (docs/adr/0025). Safe while old functions run: they do not know it. Indexes are built
without blocking writers, and anew where a build was cut short.
"""

from alembic import op

from migrations.support import outside_transaction

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
LEDGERS = ("account", "company", "people")
INPUT_LIVE = "deleted_at IS NULL AND direction = 'input'"


def upgrade() -> None:
    for table in GUARDED:
        op.execute(
            f"CREATE VIEW wellspring.{table}_of_caller AS SELECT kept.* FROM core_api.workspace_connectors AS parent"
            f" JOIN wellspring.{table} AS kept ON kept.workspace_connector_pk = parent.pk WHERE {SEEN}"
        )
        op.execute(f"GRANT SELECT ON wellspring.{table}_of_caller TO {READERS}")
    with outside_transaction():
        for record in LEDGERS:
            table = f"{record}_workspace_connectors"
            index = f"idx_{table}_record_input_live"
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.{index}")
            op.execute(f"CREATE INDEX CONCURRENTLY {index} ON core_api.{table} ({record}_pk) WHERE {INPUT_LIVE}")


def downgrade() -> None:
    with outside_transaction():
        for record in LEDGERS:
            op.execute(
                f"DROP INDEX CONCURRENTLY IF EXISTS core_api.idx_{record}_workspace_connectors_record_input_live"
            )
    for table in reversed(GUARDED):
        op.execute(f"DROP VIEW wellspring.{table}_of_caller")
