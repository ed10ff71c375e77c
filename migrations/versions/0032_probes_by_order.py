"""Who else brings a record in is looked up along one index, whatever the statistics say.

Safe while old functions run: `sole_of` answers as before. Where the statistics said that a connector brings one row in,
Postgres read all rows of the connector for each of its records: by (connector, time), which seemed as good as by
(record, connector). Statistics say so behind a sync of 10,000, until ANALYZE has been there. Compared and ordered by
the pair, rows fit the index that begins with it and no other: without sorts there is no second plan (docs/adr/0025).
"""

from alembic import op

from migrations.support import module_of

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

BEFORE, PROBES = module_of("0021_sole_by_probes"), module_of("0024_probes")
SEEN, SIGNATURE = BEFORE.SEEN, BEFORE.SIGNATURE
# What another brings in is found on either side of the connector in the index, however often the connector does.
BY_ORDER = f"""
    RETURNS TABLE (record_pk bigint, latest_pk bigint, is_sole boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_incremental_sort = off AS $$
    DECLARE
      of_connector bigint;
      shared text := '(SELECT true FROM core_api.%1$I AS row'
        ' WHERE row.%2$I %3$s= wanted.pk AND (row.%2$I, row.workspace_connector_pk) %4$s (wanted.pk, $1)'
        '   AND row.direction = ''input'' AND row.deleted_at IS NULL'
        '   AND (SELECT true FROM core_api.workspace_connectors AS parent'
        '         WHERE parent.pk = row.workspace_connector_pk AND parent.deleted_at IS NULL AND {SEEN})'
        ' ORDER BY row.%2$I %5$s, row.workspace_connector_pk %5$s, row.created_at %5$s, row.pk %5$s LIMIT 1)';
      ledger name := record || '_workspace_connectors';
      key name := record || '_pk';
    BEGIN
      SELECT parent.pk INTO of_connector FROM core_api.workspace_connectors AS parent
       WHERE parent.id = connector AND parent.deleted_at IS NULL AND {SEEN};
      RETURN QUERY EXECUTE format(
        'SELECT wanted.pk, latest.pk, coalesce(%3$s, %4$s) IS NULL FROM unnest($2) AS wanted (pk) CROSS JOIN LATERAL ('
        '  SELECT row.pk, row.%2$I AS of_record, row.workspace_connector_pk AS of_connector FROM core_api.%1$I AS row'
        '   WHERE (row.%2$I, row.workspace_connector_pk) <= (wanted.pk, $1)'
        '     AND row.direction = ''input'' AND row.deleted_at IS NULL'
        '   ORDER BY row.%2$I DESC, row.workspace_connector_pk DESC, row.created_at DESC, row.pk DESC LIMIT 1'
        ' ) AS latest WHERE latest.of_record = wanted.pk AND latest.of_connector = $1',
        ledger, key, format(shared, ledger, key, '>', '<', 'DESC'), format(shared, ledger, key, '<', '>', 'ASC'))
        USING of_connector, pks;
    END $$
    """


def upgrade() -> None:
    make(BY_ORDER)


def downgrade() -> None:
    make(BEFORE.BODY.format(seen=SEEN, **BEFORE.BY_PROBES))


def make(body: str) -> None:
    op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{SIGNATURE} {PROBES.probed(body)}")
