"""The feed is shown over HTTP: indexes for the lists of its events, and what it has told is for services alone.

Safe while old functions run: they list none of it, and the feeder, which writes it, sees all as before. Indexes are
built without blocking writers, and anew where a build was cut short.
"""

from alembic import op

from migrations.support import FEEDER, READER, build_index, outside_transaction

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INDEXES = {
    "idx_pending_events_subject_received": "(subject, received_at, pk)",
    "idx_pending_events_reason": "(reason, outcome, received_at, pk) WHERE reason IS NOT NULL",
    "idx_pending_events_source": "(source, outcome, received_at, pk)",
    "idx_pending_events_parked": "(source, reason, received_at, pk) WHERE outcome = 'parked'",
    "idx_pending_events_open": "(source, type, outcome) WHERE outcome IN ('waiting', 'parked')",
}
REPLACED = {"idx_pending_events_subject": "(subject)"}
# `pending_events` is guarded since revision 0007.
GUARDED = ("feed_sources", "loads")


def build(indexes: dict[str, str], gone: dict[str, str]) -> None:
    """Build indexes of the events without blocking writers, and drop others."""
    with outside_transaction():
        for name, columns in indexes.items():
            build_index(name, "wellspring.pending_events", columns)
        for name in gone:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS wellspring.{name}")


def upgrade() -> None:
    for table in GUARDED:
        op.execute(f"ALTER TABLE wellspring.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_of_services ON wellspring.{table}"
            f" FOR SELECT TO {READER} USING ((SELECT wellspring.is_service()))"
        )
        op.execute(f"CREATE POLICY {table}_of_the_feed ON wellspring.{table} TO {FEEDER} USING (true)")
    build(INDEXES, REPLACED)


def downgrade() -> None:
    for table in GUARDED:
        op.execute(f"DROP POLICY {table}_of_services ON wellspring.{table}")
        op.execute(f"DROP POLICY {table}_of_the_feed ON wellspring.{table}")
        op.execute(f"ALTER TABLE wellspring.{table} DISABLE ROW LEVEL SECURITY")
    build(REPLACED, INDEXES)
