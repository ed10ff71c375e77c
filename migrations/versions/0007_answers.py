"""Answers: what is told from sums and newest rows, what is kept of each answer and of each write, and for how long.

The policy on the sums asks about each of them; a page of activity may add up a quarter of a million. Its view shows a
caller what the policy would (docs/adr/0025). No role may delete; what is old is deleted by a function that refuses to
touch what is not (docs/adr/0014).
"""

from alembic import op

from migrations import support
from migrations.support import CONSUMER, FEEDER, READER, WRITER

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = {
    "cursor_keys": """
      pk integer GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_cursor_keys PRIMARY KEY,
      key bytea NOT NULL, created_at timestamptz(3) NOT NULL DEFAULT now()""",
    "idempotency_keys": """
      caller text, key text, fingerprint bytea NOT NULL, answer text NOT NULL,
      created_at timestamptz(3) NOT NULL DEFAULT now(), CONSTRAINT pk_idempotency_keys PRIMARY KEY (caller, key)""",
    # Who wrote what over HTTP: one row for each write, which nobody can change or delete (contract, section 3).
    "audit": """
      pk bigint GENERATED ALWAYS AS IDENTITY,
      caller text NOT NULL, operation text NOT NULL, resource_type text NOT NULL, resource_id uuid NOT NULL,
      created_at timestamptz(3) NOT NULL DEFAULT now(), CONSTRAINT pk_audit PRIMARY KEY (pk)""",
}
INDEXES = {
    "idempotency_keys": ("created_at",),
    "audit": ("created_at", "caller, created_at", "resource_id, created_at"),
}
GRANTS = (
    f"SELECT ON wellspring.cursor_keys TO {READER}, {WRITER}",
    f"SELECT, INSERT, UPDATE (fingerprint, answer, created_at) ON wellspring.idempotency_keys TO {WRITER}",
    # To append, and nothing else: not even to read. Who releases an event of the feed leaves a row, too.
    f"INSERT (caller, operation, resource_type, resource_id) ON wellspring.audit TO {WRITER}, {CONSUMER}, {FEEDER}",
)
SEEN = support.seen("parent.workspace_pk")
# Each looks at a bounded number of rows, and asks about the caller once for each connector and record: a policy asks
# once for each row, which costs more than all else.
FUNCTIONS = {
    (READER, WRITER): {
        "rows_of_record(record name, records name, record_id uuid, most integer)": f"""
    RETURNS TABLE (workspace_connector_pk bigint, direction core_api.direction_enum, created_at timestamptz,
                   deleted_at timestamptz, sync_message_pk bigint, number bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      of_record bigint;
    BEGIN
      EXECUTE format('SELECT parent.pk FROM core_api.%I AS parent'
        ' WHERE parent.id = $1 AND parent.deleted_at IS NULL AND {SEEN}', records)
        INTO of_record USING record_id;
      RETURN QUERY EXECUTE format(
        'SELECT newest.workspace_connector_pk, newest.direction, newest.created_at::timestamptz,'
        '       newest.deleted_at::timestamptz, newest.sync_message_pk, newest.number'
        '  FROM (SELECT row.*, row_number() OVER (ORDER BY row.created_at DESC, row.pk DESC) AS number'
        '          FROM core_api.%I AS row WHERE row.%I = $1'
        '         ORDER BY row.created_at DESC, row.pk DESC LIMIT $2) AS newest'
        '  JOIN core_api.workspace_connectors AS parent ON parent.pk = newest.workspace_connector_pk'
        ' WHERE {SEEN}'
        '   AND (newest.deleted_at IS NOT NULL OR parent.deleted_at IS NULL)',
        record || '_workspace_connectors', record || '_pk') USING of_record, most;
    END $$""",
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
       WHERE parent.id = connector AND parent.deleted_at IS NULL AND {SEEN};
      RETURN QUERY EXECUTE format(
        'SELECT newest.pk, newest.id, newest.created_at::timestamptz, parent.pk, newest.number'
        '  FROM (SELECT row.pk, row.id, row.created_at, row.%2$I AS record_pk,'
        '               row_number() OVER (ORDER BY row.created_at %4$s, row.pk %4$s) AS number'
        '          FROM core_api.%1$I AS row'
        '         WHERE row.workspace_connector_pk = $1 AND row.deleted_at IS NULL AND row.direction = ''input'' %5$s'
        '         ORDER BY row.created_at %4$s, row.pk %4$s LIMIT $2) AS newest'
        '  LEFT JOIN core_api.%3$I AS parent'
        '    ON parent.pk = newest.record_pk AND parent.deleted_at IS NULL AND {SEEN}',
        record || '_workspace_connectors', record || '_pk', records, way, ahead)
        USING of_connector, most, at, beyond;
    END $$""",
        # What another brings in is found on either side of the connector in the index, however often the connector
        # does. Compared and ordered by the pair, rows fit the index that begins with it and no other: without sorts
        # there is no second plan, whatever the statistics say.
        "sole_of(record name, connector uuid, pks bigint[])": f"""
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
    END $$""",
    },
    (WRITER, CONSUMER): {
        # The age is asked twice: a key that is claimed anew while this waits for it is not old any more. What is
        # parked, or under way, is not forgotten by its age. What a reverted message wrote never comes back, so it must
        # be known that it was reverted for as long as another revert may bring rows back. Of the least ages a stolen
        # writer could make no less.
        "prune(remembered name, older_than interval, most integer)": (
            """RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      age name := CASE remembered
        WHEN 'sync_messages' THEN 'received_at' WHEN 'idempotency_keys' THEN 'created_at'
        WHEN 'audit' THEN 'created_at' END;
      least_age interval := CASE remembered WHEN 'sync_messages' THEN interval '45 days'
        WHEN 'audit' THEN interval '90 days' ELSE interval '1 day' END;
      is_done text := CASE remembered WHEN 'sync_messages' THEN
        ' AND ROW.outcome IN (''applied'', ''dismissed'') AND (ROW.reverted_by_pk IS NULL OR (SELECT true"""
            """ FROM wellspring.sync_messages AS revert WHERE revert.pk = ROW.reverted_by_pk) IS NULL)' ELSE '' END;
      pruned integer;
    BEGIN
      IF remembered = 'sync_inbox' THEN RETURN 0; END IF;
      IF age IS NULL OR older_than IS NULL OR older_than < least_age THEN
        RAISE EXCEPTION 'this is not to be forgotten' USING ERRCODE = 'insufficient_privilege';
      END IF;
      EXECUTE format(
        'DELETE FROM wellspring.%1$I AS old WHERE old.%2$I < now() - $1' || replace(is_done, 'ROW.', 'old.') ||"""
            """ ' AND old.ctid = ANY (ARRAY('
        '  SELECT oldest.ctid FROM wellspring.%1$I AS oldest WHERE oldest.%2$I < now() - $1' ||"""
            """ replace(is_done, 'ROW.', 'oldest.') ||
        '   ORDER BY oldest.%2$I LIMIT $2))', remembered, age)
        USING older_than, most;
      GET DIAGNOSTICS pruned = ROW_COUNT;
      RETURN pruned;
    END $$"""
        ),
    },
    (FEEDER,): {
        # Kept answers are none of the feeder's business; a name in them is. Those that name the person go whole.
        "forget_in_answers(person uuid)": """RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
      WITH forgotten AS (
        DELETE FROM wellspring.idempotency_keys WHERE strpos(lower(answer), person::text) > 0 RETURNING caller
      )
      SELECT count(*) FROM forgotten
    $$""",
        "forget_in_answers(person uuid, written text[], instead text[])": """
    RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
      SELECT wellspring.forget_in_answers(person)::integer
    $$""",
    },
}


def upgrade() -> None:
    for name, body in TABLES.items():
        op.execute(f"CREATE TABLE wellspring.{name} ({body})")
    # 244 bits of the server's strong randomness, without asking for an extension.
    op.execute(
        "INSERT INTO wellspring.cursor_keys (key)"
        " SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
    )
    for table, each in INDEXES.items():
        for columns in each:
            op.execute(f"CREATE INDEX idx_{table}_{columns.replace(', ', '_')} ON wellspring.{table} ({columns})")
    for grant in GRANTS:
        op.execute(f"GRANT {grant}")
    op.execute("ALTER TABLE wellspring.idempotency_keys ENABLE ROW LEVEL SECURITY")
    name = "wellspring.idempotency_keys"
    support.create_policy(name, "the_caller", f"FOR ALL TO {WRITER}", "USING (wellspring.is_caller(caller))")
    support.create_functions(FUNCTIONS)
    op.execute(
        "CREATE VIEW wellspring.connector_activity_of_caller AS SELECT kept.* FROM core_api.workspace_connectors"
        " AS parent JOIN wellspring.connector_activity AS kept ON kept.workspace_connector_pk = parent.pk"
        f" WHERE {SEEN}"
    )
    op.execute(f"GRANT SELECT ON wellspring.connector_activity_of_caller TO {READER}, {WRITER}")


def downgrade() -> None:
    op.execute("DROP VIEW wellspring.connector_activity_of_caller")
    support.drop_functions(FUNCTIONS)
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE wellspring.{name}")
