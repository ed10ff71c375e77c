"""A run is a row: what came of it, whether it is whole, and what its snapshot may end (docs/adr/0051).

What messages say of runs is carried over. Such a run has no noted rows, so that a snapshot of it would end nothing.
Reverted runs are a state from now on. A consumer of before, which writes messages without their run's row, must be
done: it asks for `reverted_runs`, which goes.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

READER, WRITER, CONSUMER = "wellspring_reader", "wellspring_writer", "wellspring_consumer"
EXPORTER = "wellspring_exporter"

TABLE = """
CREATE TABLE wellspring.sync_runs (
  pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_sync_runs PRIMARY KEY,
  id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT uq_sync_runs_id UNIQUE,
  workspace_connector_pk bigint NOT NULL,
  workspace_pk bigint NOT NULL,
  run text NOT NULL,
  state text NOT NULL DEFAULT 'open'
    CONSTRAINT ck_sync_runs_state
    CHECK (state IN ('open', 'incomplete', 'completing', 'complete', 'reverted', 'expired')),
  messages_expected integer,
  messages_applied bigint NOT NULL DEFAULT 0,
  messages_parked bigint NOT NULL DEFAULT 0,
  counts jsonb NOT NULL DEFAULT '{}',
  snapshot jsonb,
  occurred_at timestamptz(3),
  started_at timestamptz(3) NOT NULL DEFAULT now(),
  completed_at timestamptz(3),
  noted jsonb NOT NULL DEFAULT '{}',
  completed_by_pk bigint,
  reverted_by_pk bigint
)
"""
PARENTS = {"wc": "workspace_connector_pk, ", "workspace": "workspace_pk, ", "": ""}
INDEXES = {
    "uq_sync_runs_workspace_connector_pk_run": "sync_runs (workspace_connector_pk, run)",
    **{
        f"idx_sync_runs_{'_'.join(filter(None, (short, name)))}": f"sync_runs ({parent}{columns}, pk)"
        for short, parent in PARENTS.items()
        for name, columns in (("started", "started_at"), ("state", "state, started_at"))
    },
    "idx_sync_messages_sync_run_outcome": (
        "sync_messages (sync_run_pk, outcome, received_at, pk) WHERE sync_run_pk IS NOT NULL"
    ),
}

# Numbers by record type and name, of both.
ADD_COUNTS = """
CREATE FUNCTION wellspring.add_counts(known jsonb, more jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = '' AS $$
  SELECT coalesce(jsonb_object_agg(of_type.type, of_type.counts), '{}')
    FROM (SELECT summed.type, jsonb_object_agg(summed.name, summed.number) AS counts
            FROM (SELECT said.key AS type, count.key AS name, sum(count.value::bigint)::bigint AS number
                    FROM (VALUES (known), (more)) AS given (counts)
                   CROSS JOIN LATERAL jsonb_each(given.counts) AS said
                   CROSS JOIN LATERAL jsonb_each_text(said.value) AS count
                   GROUP BY said.key, count.key) AS summed
           GROUP BY summed.type) AS of_type
$$
"""

# As revision 0004 has it for messages.
IS_SERVICE = "(SELECT wellspring.is_service())"
OF_CALLER = (
    f"({IS_SERVICE} OR coalesce(workspace_pk = ANY ((SELECT wellspring.workspaces_of_caller())::bigint[]),"
    " wellspring.sees_workspace(workspace_pk)))"
)
POLICIES = {
    "of_the_caller": f"FOR SELECT TO {READER}, {WRITER} USING ({OF_CALLER})",
    "of_the_pipeline": f"TO {CONSUMER} USING ({IS_SERVICE})",
    "of_the_export": f"FOR SELECT TO {EXPORTER} USING (workspace_pk = (SELECT wellspring.exported()))",
}

# Of each run its messages of before, by type and name of count.
CARRY_OVER = """
INSERT INTO wellspring.sync_runs
       (workspace_connector_pk, workspace_pk, run, state, messages_applied, messages_parked, counts, started_at,
        reverted_by_pk)
SELECT of_run.workspace_connector_pk, connector.workspace_pk, of_run.run,
       CASE WHEN reverted.run IS NULL THEN 'open' ELSE 'reverted' END, of_run.applied, of_run.parked,
       coalesce(counted.counts, '{}'), of_run.started_at, reverted.message_pk
  FROM (SELECT workspace_connector_pk, run, count(*) FILTER (WHERE outcome = 'applied') AS applied,
               count(*) FILTER (WHERE outcome = 'parked') AS parked, min(received_at) AS started_at
          FROM wellspring.sync_messages
         WHERE run IS NOT NULL AND workspace_connector_pk IS NOT NULL
         GROUP BY workspace_connector_pk, run
         UNION ALL
        SELECT workspace_connector_pk, run, 0, 0, now()
          FROM wellspring.reverted_runs AS unseen
         WHERE NOT EXISTS (SELECT FROM wellspring.sync_messages AS message
                            WHERE message.workspace_connector_pk = unseen.workspace_connector_pk
                              AND message.run = unseen.run)) AS of_run
  JOIN core_api.workspace_connectors AS connector ON connector.pk = of_run.workspace_connector_pk
  LEFT JOIN wellspring.reverted_runs AS reverted
    ON reverted.workspace_connector_pk = of_run.workspace_connector_pk AND reverted.run = of_run.run
  LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(of_type.type, of_type.counts) AS counts
      FROM (SELECT summed.type, jsonb_object_agg(summed.name, summed.number) AS counts
              FROM (SELECT said.key AS type, count.key AS name, sum(count.value::bigint)::bigint AS number
                      FROM wellspring.sync_messages AS message
                     CROSS JOIN LATERAL jsonb_each(message.counts) AS said
                     CROSS JOIN LATERAL jsonb_each_text(said.value) AS count
                     WHERE message.workspace_connector_pk = of_run.workspace_connector_pk AND message.run = of_run.run
                     GROUP BY said.key, count.key) AS summed
             GROUP BY summed.type) AS of_type
  ) AS counted ON true
 ORDER BY of_run.started_at
"""
LINK = """
UPDATE wellspring.sync_messages AS message
   SET sync_run_pk = run.pk
  FROM wellspring.sync_runs AS run
 WHERE run.workspace_connector_pk = message.workspace_connector_pk AND run.run = message.run
"""

SHOWN_BEFORE = f"""
SELECT pk, id, workspace_connector_pk, workspace_pk, message_id, message_type, direction, mode, run,
       occurred_at, received_at, processed_at, outcome,
       CASE WHEN reason = 'tenant_mismatch' AND NOT {IS_SERVICE} THEN 'unknown_record' ELSE reason END AS reason,
       reason AS kept_reason,
       CASE WHEN problem_count > 0
            THEN jsonb_path_query_array(wellspring.shown_problems(problems, {IS_SERVICE}), '$[0 to 4]')
            ELSE '[]' END AS problems,
       CASE WHEN problem_count > 0 THEN wellspring.shown_problems(problems, {IS_SERVICE}) ELSE '[]' END AS all_problems,
       counts, CASE WHEN {IS_SERVICE} THEN body END AS body
"""
VIEW = "VIEW wellspring.sync_messages_of_caller WITH (security_invoker = true) AS"

# A run goes with its last message, or with the revert that closed it. Without what is of runs it is, to the letter, the
# function of revision 0007.
PRUNE = (
    """
CREATE OR REPLACE FUNCTION wellspring.prune(remembered name, older_than interval, most integer)
    RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      age name := CASE remembered
        WHEN 'sync_messages' THEN 'received_at' WHEN 'idempotency_keys' THEN 'created_at'
        WHEN 'audit' THEN 'created_at'{age} END;
      least_age interval := CASE remembered WHEN 'sync_messages' THEN interval '45 days'{least}
        WHEN 'audit' THEN interval '90 days' ELSE interval '1 day' END;
      is_done text := CASE remembered WHEN 'sync_messages' THEN
        ' AND ROW.outcome IN (''applied'', ''dismissed'') AND (ROW.reverted_by_pk IS NULL OR (SELECT true"""
    """ FROM wellspring.sync_messages AS revert WHERE revert.pk = ROW.reverted_by_pk) IS NULL)'{done} ELSE '' END;
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
    END $$
"""
)
OF_RUNS = {
    "age": "\n        WHEN 'sync_runs' THEN 'started_at'",
    "least": "\n        WHEN 'sync_runs' THEN interval '45 days'",
    "done": """
        WHEN 'sync_runs' THEN ' AND (SELECT true FROM wellspring.sync_messages AS message'
          ' WHERE message.sync_run_pk = ROW.pk LIMIT 1) IS NULL'
          ' AND (SELECT true FROM wellspring.sync_messages AS revert WHERE revert.pk = ROW.reverted_by_pk) IS NULL'""",
}


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("ALTER TABLE wellspring.sync_messages ADD COLUMN sync_run_pk bigint")
    op.execute(CARRY_OVER)
    op.execute(LINK)
    for name, covers in INDEXES.items():
        unique = "UNIQUE " if name.startswith("uq_") else ""
        op.execute(f"CREATE {unique}INDEX {name} ON wellspring.{covers}")
    op.execute(ADD_COUNTS)
    op.execute("REVOKE ALL ON FUNCTION wellspring.add_counts(jsonb, jsonb) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.add_counts(jsonb, jsonb) TO {CONSUMER}")
    op.execute(f"GRANT SELECT ON wellspring.sync_runs TO {READER}, {WRITER}, {EXPORTER}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON wellspring.sync_runs TO {CONSUMER}")
    op.execute("ALTER TABLE wellspring.sync_runs ENABLE ROW LEVEL SECURITY")
    for name, of in POLICIES.items():
        op.execute(f"CREATE POLICY sync_runs_{name} ON wellspring.sync_runs {of}")
    op.execute(f"CREATE OR REPLACE {VIEW} {SHOWN_BEFORE}, sync_run_pk FROM wellspring.sync_messages")
    op.execute(PRUNE.format(**OF_RUNS))
    op.execute("DROP TABLE wellspring.reverted_runs")


def downgrade() -> None:
    op.execute(
        "CREATE TABLE wellspring.reverted_runs (workspace_connector_pk bigint, run text, message_pk bigint NOT NULL,"
        " CONSTRAINT pk_reverted_runs PRIMARY KEY (workspace_connector_pk, run))"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON wellspring.reverted_runs TO {CONSUMER}")
    op.execute(
        "INSERT INTO wellspring.reverted_runs SELECT workspace_connector_pk, run, coalesce(reverted_by_pk, 0)"
        " FROM wellspring.sync_runs WHERE state = 'reverted'"
    )
    op.execute(PRUNE.format(age="", least="", done=""))
    op.execute(f"DROP {VIEW.partition(' WITH')[0]}")
    op.execute("ALTER TABLE wellspring.sync_messages DROP COLUMN sync_run_pk")
    op.execute(f"CREATE {VIEW} {SHOWN_BEFORE} FROM wellspring.sync_messages")
    op.execute(f"GRANT SELECT ON wellspring.sync_messages_of_caller TO {READER}, {WRITER}, {CONSUMER}")
    op.execute("DROP TABLE wellspring.sync_runs")
    op.execute("DROP FUNCTION wellspring.add_counts(jsonb, jsonb)")
