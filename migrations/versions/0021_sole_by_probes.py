"""Who else brings a record in is looked up record by record, whatever the planner thinks of the tables.

Safe while old functions run: `sole_of` answers as before. Postgres may answer an EXISTS that stands beside an OR from a
hash of all rows that it could be about, and does so where tables are small or records few: it then reads the rows of
every tenant. A scalar subquery is never hashed, and without sequential and bitmap scans the only cheap way to its first
row is the index of what brings a record in (docs/adr/0025).
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

IS_SERVICE = "(SELECT wellspring.is_service())"
WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"
# The caller sees the workspace of `parent`, which is live then.
LIVE = "(SELECT true FROM core_api.workspaces AS w WHERE w.pk = parent.workspace_pk AND w.deleted_at IS NULL)"
SEEN = f"(parent.workspace_pk = ANY {WORKSPACES} OR {IS_SERVICE} AND {LIVE})"
SIGNATURE = "sole_of(record name, connector uuid, pks bigint[])"
# What another brings in is found on either side of the connector in the index, however often the connector does.
BODY = """
    RETURNS TABLE (record_pk bigint, latest_pk bigint, is_sole boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''{options} AS $$
    DECLARE
      of_connector bigint;
      shared text := '{shared}(SELECT true FROM core_api.%1$I AS row'
        '  JOIN core_api.workspace_connectors AS parent'
        '    ON parent.pk = row.workspace_connector_pk AND parent.deleted_at IS NULL AND {seen}'
        ' WHERE row.%2$I = wanted.pk AND row.workspace_connector_pk %3$s $1'
        '   AND row.direction = ''input'' AND row.deleted_at IS NULL{first})';
      ledger name := record || '_workspace_connectors';
    BEGIN
      SELECT parent.pk INTO of_connector FROM core_api.workspace_connectors AS parent
       WHERE parent.id = connector AND parent.deleted_at IS NULL AND {seen};
      RETURN QUERY EXECUTE format(
        'SELECT wanted.pk, latest.pk, {is_sole} FROM unnest($2) AS wanted (pk) CROSS JOIN LATERAL ('
        '  SELECT row.pk FROM core_api.%1$I AS row WHERE row.%2$I = wanted.pk AND row.workspace_connector_pk = $1'
        '     AND row.direction = ''input'' AND row.deleted_at IS NULL'
        '   ORDER BY row.created_at DESC, row.pk DESC LIMIT 1) AS latest',
        ledger, record || '_pk',
        format(shared, ledger, record || '_pk', '<'), format(shared, ledger, record || '_pk', '>'))
        USING of_connector, pks;
    END $$
    """

BY_PROBES = {
    "options": " SET enable_seqscan = off SET enable_bitmapscan = off",
    "shared": "",
    "first": " LIMIT 1",
    "is_sole": "coalesce(%3$s, %4$s) IS NULL",
}


def upgrade() -> None:
    make(**BY_PROBES)


def downgrade() -> None:
    make(options="", shared="EXISTS ", first="", is_sole="NOT (%3$s OR %4$s)")


def make(**differing: str) -> None:
    op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{SIGNATURE} {BODY.format(seen=SEEN, **differing)}")
