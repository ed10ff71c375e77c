"""Mend stored times that nobody can show, and list messages of all workspaces by their reason.

An `occurred_at` beside the years 1 to 9999, or in the future, is parked from now on. `mend_times` mends what was stored
before: connector by connector, under their locks, when an operator asks for it (docs/operations.md). The few rows of
the feed's sources are mended here. Safe while old functions run: they ask for neither, and the index is built without
blocking writers.
"""

from alembic import op

from migrations.support import CONSUMER, build_index, outside_transaction

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

EARLIEST = "timestamptz '0001-01-01 00:00:00+00'"
# As `wellspring.times` has it.
LATEST = "now() + interval '1 day'"
SIGNATURE = "(bigint, bigint)"
OF_THESE = """
       (found.workspace_connector_pk >= from_pk AND found.workspace_connector_pk < to_pk
        OR from_pk IS NULL AND found.workspace_connector_pk IS NULL)"""

# What happened later than it came did so when it came, at the latest. Of no connector: from_pk is NULL.
MEND_TIMES = f"""
CREATE FUNCTION wellspring.mend_times(from_pk bigint, to_pk bigint)
RETURNS TABLE (messages bigint, connectors bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  wrong bigint[] := ARRAY(
    SELECT found.pk FROM wellspring.sync_messages AS found
     WHERE {OF_THESE} AND (found.occurred_at < {EARLIEST} OR found.occurred_at > {LATEST}));
  stale bigint[] := ARRAY(
    SELECT found.workspace_connector_pk FROM wellspring.connector_state AS found
     WHERE {OF_THESE} AND (found.last_synced_at < {EARLIEST} OR found.last_synced_at > {LATEST}));
BEGIN
  PERFORM wellspring.lock_connectors(stale, NULL);
  UPDATE wellspring.sync_messages AS message
     SET occurred_at = CASE WHEN occurred_at < {EARLIEST} THEN {EARLIEST} ELSE received_at END
   WHERE pk = ANY (wrong);
  GET DIAGNOSTICS messages = ROW_COUNT;
  UPDATE wellspring.connector_state AS state
     SET last_synced_at = coalesce(
           (SELECT max(message.occurred_at) FROM wellspring.sync_messages AS message
             WHERE message.workspace_connector_pk = state.workspace_connector_pk
               AND message.message_type = 'records.synced' AND message.outcome = 'applied'),
           state.last_changed_at)
   WHERE state.workspace_connector_pk = ANY (stale);
  GET DIAGNOSTICS connectors = ROW_COUNT;
  RETURN NEXT;
END $$
"""


def upgrade() -> None:
    op.execute(MEND_TIMES)
    op.execute(f"REVOKE ALL ON FUNCTION wellspring.mend_times{SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.mend_times{SIGNATURE} TO {CONSUMER}")
    op.execute(
        "UPDATE wellspring.feed_sources SET last_event_at ="
        f" CASE WHEN last_event_at < {EARLIEST} THEN {EARLIEST} ELSE last_received_at END"
        f" WHERE last_event_at < {EARLIEST} OR last_event_at > {LATEST}"
    )
    with outside_transaction():
        build_index(
            "idx_sync_messages_reason",
            "wellspring.sync_messages",
            "(reason, outcome, received_at, pk) WHERE reason IS NOT NULL",
        )


def downgrade() -> None:
    op.execute("DROP INDEX wellspring.idx_sync_messages_reason")
    op.execute(f"DROP FUNCTION wellspring.mend_times{SIGNATURE}")
