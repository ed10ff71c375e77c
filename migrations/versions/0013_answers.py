"""Answers: a view of sums that asks about each connector once, and an index of what brings records in.

The policy on the sums asks about each of them; a page of activity may add up a quarter of a million. The view shows a
caller what the policy would (docs/adr/0025). Safe while old functions run: they do not know it. Indexes are built
without blocking writers, and anew where a build was cut short.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

READERS = "wellspring_reader, wellspring_writer"
IS_SERVICE = "(SELECT wellspring.is_service())"
WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"


def seen(row: str) -> str:
    """Return the condition that the caller sees the workspace of a row, which is live then."""
    live = f"(SELECT true FROM core_api.workspaces AS w WHERE w.pk = {row}.workspace_pk AND w.deleted_at IS NULL)"
    return f"({row}.workspace_pk = ANY {WORKSPACES} OR {IS_SERVICE} AND {live})"


# Each looks at a bounded number of rows, and asks about the caller once for each connector and record: a policy asks
# once for each row, which costs more than all else.
FUNCTIONS = {
    "rows_of_record(record name, records name, record_id uuid, most integer)": f"""
    RETURNS TABLE (workspace_connector_pk bigint, direction core_api.direction_enum, created_at timestamptz,
                   deleted_at timestamptz, sync_message_pk bigint, number bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      of_record bigint;
    BEGIN
      EXECUTE format('SELECT parent.pk FROM core_api.%I AS parent'
        ' WHERE parent.id = $1 AND parent.deleted_at IS NULL AND {seen("parent")}', records)
        INTO of_record USING record_id;
      RETURN QUERY EXECUTE format(
        'SELECT newest.workspace_connector_pk, newest.direction, newest.created_at::timestamptz,'
        '       newest.deleted_at::timestamptz, newest.sync_message_pk, newest.number'
        '  FROM (SELECT row.*, row_number() OVER (ORDER BY row.created_at DESC, row.pk DESC) AS number'
        '          FROM core_api.%I AS row WHERE row.%I = $1'
        '         ORDER BY row.created_at DESC, row.pk DESC LIMIT $2) AS newest'
        '  JOIN core_api.workspace_connectors AS parent ON parent.pk = newest.workspace_connector_pk'
        ' WHERE {seen("parent")}'
        '   AND (newest.deleted_at IS NOT NULL OR parent.deleted_at IS NULL)',
        record || '_workspace_connectors', record || '_pk') USING of_record, most;
    END $$
    """,
    "rows_of_connector(record name, records name, connector uuid, most integer, at timestamptz, beyond bigint,"
    " backward boolean)": f"""
    RETURNS TABLE (pk bigint, id uuid, created_at timestamptz, record_pk bigint, number bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      of_connector bigint;
      way text := CASE WHEN backward THEN 'ASC' ELSE 'DESC' END;
      ahead text := CASE WHEN beyond IS NULL THEN ''
        ELSE format('AND (row.created_at, row.pk) %s ($3, $4)', CASE WHEN backward THEN '>' ELSE '<' END) END;
    BEGIN
      SELECT parent.pk INTO of_connector FROM core_api.workspace_connectors AS parent
       WHERE parent.id = connector AND parent.deleted_at IS NULL AND {seen("parent")};
      RETURN QUERY EXECUTE format(
        'SELECT newest.pk, newest.id, newest.created_at::timestamptz, parent.pk, newest.number'
        '  FROM (SELECT row.pk, row.id, row.created_at, row.%2$I AS record_pk,'
        '               row_number() OVER (ORDER BY row.created_at %4$s, row.pk %4$s) AS number'
        '          FROM core_api.%1$I AS row'
        '         WHERE row.workspace_connector_pk = $1 AND row.deleted_at IS NULL AND row.direction = ''input'' %5$s'
        '         ORDER BY row.created_at %4$s, row.pk %4$s LIMIT $2) AS newest'
        '  LEFT JOIN core_api.%3$I AS parent'
        '    ON parent.pk = newest.record_pk AND parent.deleted_at IS NULL AND {seen("parent")}',
        record || '_workspace_connectors', record || '_pk', records, way, ahead)
        USING of_connector, most, at, beyond;
    END $$
    """,
    # What another brings in is found on either side of the connector in the index, however often the connector does.
    "sole_of(record name, connector uuid, pks bigint[])": f"""
    RETURNS TABLE (record_pk bigint, latest_pk bigint, is_sole boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      of_connector bigint;
      shared text := 'EXISTS (SELECT FROM core_api.%1$I AS row'
        '  JOIN core_api.workspace_connectors AS parent'
        '    ON parent.pk = row.workspace_connector_pk AND parent.deleted_at IS NULL AND {seen("parent")}'
        ' WHERE row.%2$I = wanted.pk AND row.workspace_connector_pk %3$s $1'
        '   AND row.direction = ''input'' AND row.deleted_at IS NULL)';
      ledger name := record || '_workspace_connectors';
    BEGIN
      SELECT parent.pk INTO of_connector FROM core_api.workspace_connectors AS parent
       WHERE parent.id = connector AND parent.deleted_at IS NULL AND {seen("parent")};
      RETURN QUERY EXECUTE format(
        'SELECT wanted.pk, latest.pk, NOT (%3$s OR %4$s) FROM unnest($2) AS wanted (pk) CROSS JOIN LATERAL ('
        '  SELECT row.pk FROM core_api.%1$I AS row WHERE row.%2$I = wanted.pk AND row.workspace_connector_pk = $1'
        '     AND row.direction = ''input'' AND row.deleted_at IS NULL'
        '   ORDER BY row.created_at DESC, row.pk DESC LIMIT 1) AS latest',
        ledger, record || '_pk',
        format(shared, ledger, record || '_pk', '<'), format(shared, ledger, record || '_pk', '>'))
        USING of_connector, pks;
    END $$
    """,
}
GUARDED = ("connector_activity",)
LEDGERS = ("account", "company", "people")
INPUT_LIVE = "deleted_at IS NULL AND direction = 'input'"


def upgrade() -> None:
    for table in GUARDED:
        op.execute(
            f"CREATE VIEW wellspring.{table}_of_caller AS SELECT kept.* FROM core_api.workspace_connectors AS parent"
            f" JOIN wellspring.{table} AS kept ON kept.workspace_connector_pk = parent.pk WHERE {seen('parent')}"
        )
        op.execute(f"GRANT SELECT ON wellspring.{table}_of_caller TO {READERS}")
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION wellspring.{signature} {body}")
        name = signature.partition("(")[0]
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{name} TO {READERS}")
    with outside_transaction():
        for record in LEDGERS:
            table = f"{record}_workspace_connectors"
            index = f"idx_{table}_record_input_live"
            columns = f"{record}_pk, workspace_connector_pk, created_at, pk"
            build_index(index, f"core_api.{table}", f"({columns}) WHERE {INPUT_LIVE}")


def downgrade() -> None:
    with outside_transaction():
        for record in LEDGERS:
            op.execute(
                f"DROP INDEX CONCURRENTLY IF EXISTS core_api.idx_{record}_workspace_connectors_record_input_live"
            )
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION wellspring.{signature.partition('(')[0]}")
    for table in reversed(GUARDED):
        op.execute(f"DROP VIEW wellspring.{table}_of_caller")
