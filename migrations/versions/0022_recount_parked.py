"""The recount compares each connector's count of parked messages, too.

Safe while old functions run: nothing but the recount calls it, and it is replaced in one transaction.
"""

from alembic import op

from migrations.support import CONSUMER

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SIGNATURE = "(from_pk bigint, to_pk bigint, mend boolean)"
TYPES = "(bigint, bigint, boolean)"

# Each half is of one moment; what is missing is added, so that changes of the meantime are not lost.
RECOUNT = f"""
CREATE FUNCTION wellspring.recount{SIGNATURE}
RETURNS TABLE (name text, connector_pk bigint, date date, type text, direction core_api.direction_enum,
               counted bigint, kept bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT * FROM wellspring.recount_rows(from_pk, to_pk, mend);
  RETURN QUERY
  WITH difference AS MATERIALIZED (
    SELECT workspace_connector_pk, sum(counted)::bigint AS counted, sum(kept)::bigint AS kept
      FROM (SELECT workspace_connector_pk, count(*) AS counted, 0 AS kept
              FROM wellspring.sync_messages
             WHERE outcome = 'parked' AND workspace_connector_pk >= from_pk AND workspace_connector_pk < to_pk
             GROUP BY workspace_connector_pk
             UNION ALL
            SELECT workspace_connector_pk, 0, parked_messages
              FROM wellspring.connector_state
             WHERE workspace_connector_pk >= from_pk AND workspace_connector_pk < to_pk) AS both_sides
     GROUP BY workspace_connector_pk
    HAVING sum(counted) <> sum(kept)
  ),
  mended AS (
    INSERT INTO wellspring.connector_state AS old (workspace_connector_pk, parked_messages)
    SELECT workspace_connector_pk, counted - kept FROM difference WHERE mend ORDER BY workspace_connector_pk
        ON CONFLICT (workspace_connector_pk) DO UPDATE
           SET parked_messages = old.parked_messages + excluded.parked_messages
  )
  SELECT 'parked_messages', workspace_connector_pk, NULL::date, NULL::text, NULL::core_api.direction_enum, counted, kept
    FROM difference;
END $$
"""


def upgrade() -> None:
    op.execute(f"ALTER FUNCTION wellspring.recount{TYPES} RENAME TO recount_rows")
    op.execute(f"REVOKE ALL ON FUNCTION wellspring.recount_rows{TYPES} FROM {CONSUMER}")
    op.execute(RECOUNT)
    op.execute(f"REVOKE ALL ON FUNCTION wellspring.recount{TYPES} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.recount{TYPES} TO {CONSUMER}")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION wellspring.recount{TYPES}")
    op.execute(f"ALTER FUNCTION wellspring.recount_rows{TYPES} RENAME TO recount")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.recount{TYPES} TO {CONSUMER}")
