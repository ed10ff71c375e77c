"""An index for what a connector carries out of a record, and sums that are added up by moment first (docs/adr/0021).

A relink looks for the live rows of a record on one connector. By the index of all rows of the record it reads the whole
history for each. What it brings in has such an index (revision 0013); a row of it stands in no index more. It is built
without blocking writers, and anew where a build was cut short.

The rows of a statement mostly have one time: their days are computed once, not once for each row. Safe while old
functions run: they ask for no index, and the sums are what they were.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

LEDGERS = ("account", "company", "people")
OUTPUT_LIVE = "deleted_at IS NULL AND direction = 'output'"

# What a change of rows does to the sums: the state of the connector first, which is the row that writers lock.
ADD_UP = """
WITH changed AS MATERIALIZED (
  {changed}
), live AS (
  SELECT workspace_connector_pk, direction, sum(change) FILTER (WHERE ended_on IS NULL) AS change
    FROM changed
   GROUP BY workspace_connector_pk, direction
), state AS (
  INSERT INTO wellspring.connector_state AS sums (workspace_connector_pk, last_changed_at, live_rows)
  SELECT workspace_connector_pk, now(), sum(coalesce(change, 0))
    FROM live
   GROUP BY workspace_connector_pk
   ORDER BY workspace_connector_pk
      ON CONFLICT (workspace_connector_pk) DO UPDATE
         SET last_changed_at = greatest(sums.last_changed_at, excluded.last_changed_at),
             live_rows = sums.live_rows + excluded.live_rows
), held AS (
  INSERT INTO wellspring.connector_rows AS sums (workspace_connector_pk, type, direction, live)
  SELECT workspace_connector_pk, TG_ARGV[0], direction, change
    FROM live
   WHERE change <> 0
   ORDER BY workspace_connector_pk, direction
      ON CONFLICT (workspace_connector_pk, type, direction) DO UPDATE SET live = sums.live + excluded.live
)
INSERT INTO wellspring.connector_activity AS sums (workspace_connector_pk, date, type, direction, linked, ended)
SELECT workspace_connector_pk, day.date, TG_ARGV[0], direction, sum(change * day.linked), sum(change * day.ended)
  FROM changed
 CROSS JOIN LATERAL (VALUES (linked_on, 1, 0), (ended_on, 0, 1)) AS day (date, linked, ended)
 WHERE day.date IS NOT NULL
 GROUP BY workspace_connector_pk, day.date, direction
HAVING sum(change * day.linked) <> 0 OR sum(change * day.ended) <> 0
 ORDER BY workspace_connector_pk, day.date, direction
    ON CONFLICT (workspace_connector_pk, date, type, direction) DO UPDATE
       SET linked = sums.linked + excluded.linked, ended = sums.ended + excluded.ended;
"""
BY_ROW = """
  SELECT workspace_connector_pk, direction, (created_at AT TIME ZONE 'UTC')::date AS linked_on,
         (deleted_at AT TIME ZONE 'UTC')::date AS ended_on, change
    FROM ({rows}) AS changed_rows
"""
BY_MOMENT = """
  SELECT workspace_connector_pk, direction, (created_at AT TIME ZONE 'UTC')::date AS linked_on,
         (deleted_at AT TIME ZONE 'UTC')::date AS ended_on, change
    FROM (SELECT workspace_connector_pk, direction, created_at, deleted_at, sum(change)::integer AS change
            FROM ({rows}) AS changed_rows
           GROUP BY workspace_connector_pk, direction, created_at, deleted_at) AS moments
"""
OF = "SELECT workspace_connector_pk, direction, created_at, deleted_at, {sign} AS change FROM {rows}"
NEW, OLD = OF.format(sign=1, rows="new_rows"), OF.format(sign=-1, rows="old_rows")
CHANGES = {"insert": NEW, "update": f"{NEW} UNION ALL {OLD}", "delete": OLD}


def add_up(changed: str) -> None:
    """Replace the functions of the triggers that keep the sums."""
    for change, rows in CHANGES.items():
        body = ADD_UP.format(changed=changed.format(rows=rows).strip())
        op.execute(
            f"CREATE OR REPLACE FUNCTION wellspring.add_up_{change}() RETURNS trigger LANGUAGE plpgsql"
            f" SECURITY DEFINER SET search_path = '' AS $$ BEGIN {body} RETURN NULL; END $$"
        )


def upgrade() -> None:
    add_up(BY_MOMENT)
    with outside_transaction():
        for record in LEDGERS:
            table = f"{record}_workspace_connectors"
            index = f"idx_{table}_record_output_live"
            columns = f"{record}_pk, workspace_connector_pk, created_at, pk"
            build_index(index, f"core_api.{table}", f"({columns}) WHERE {OUTPUT_LIVE}")


def downgrade() -> None:
    add_up(BY_ROW)
    with outside_transaction():
        for record in LEDGERS:
            op.execute(
                f"DROP INDEX CONCURRENTLY IF EXISTS core_api.idx_{record}_workspace_connectors_record_output_live"
            )
