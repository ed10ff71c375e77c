"""What a connector carries out of a record is found by an index, as what it brings in is (docs/adr/0021).

A relink looks for the live rows of a record on one connector. By the index of all rows of the record it reads the whole
history for each. Safe while old functions run: they ask for no index, and it is built without blocking writers, anew
where a build was cut short. A row that brings something in stands in no index more.
"""

from alembic import op

from migrations.support import outside_transaction

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

LEDGERS = ("account", "company", "people")
OUTPUT_LIVE = "deleted_at IS NULL AND direction = 'output'"


def upgrade() -> None:
    with outside_transaction():
        for record in LEDGERS:
            table = f"{record}_workspace_connectors"
            index = f"idx_{table}_record_output_live"
            columns = f"{record}_pk, workspace_connector_pk, created_at, pk"
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.{index}")
            op.execute(f"CREATE INDEX CONCURRENTLY {index} ON core_api.{table} ({columns}) WHERE {OUTPUT_LIVE}")


def downgrade() -> None:
    with outside_transaction():
        for record in LEDGERS:
            op.execute(
                f"DROP INDEX CONCURRENTLY IF EXISTS core_api.idx_{record}_workspace_connectors_record_output_live"
            )
