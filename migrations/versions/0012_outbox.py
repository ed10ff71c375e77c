"""What happened is an event in an outbox, written in the transaction of the effect by triggers (docs/adr/0055).

A transaction whose events are wanted says so where it says for whom it works, by `enter_emitting`. Without that no
trigger fires, and nothing is written. All events are written by one function, `emit`, which no role may call.

The publisher reads the outbox and nothing else. A sweep of endings notes what it has ended, so that it can be told in
the end. A function of before, which knows nothing of events, works as it did.
"""

from alembic import op

from migrations import support
from migrations.support import CONSUMER, EXPORTER, FEEDER, READER, WRITER

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

RECORDS = ("account", "company", "people")
PUBLISHER = "wellspring_publisher"
OUTBOX = """
CREATE TABLE wellspring.outbox (
  sequence bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_outbox PRIMARY KEY,
  id uuid NOT NULL DEFAULT uuidv7(),
  type text NOT NULL,
  partition_key uuid NOT NULL,
  workspace_id uuid,
  subject uuid NOT NULL,
  occurred_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  data jsonb NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
  published_at timestamptz(3)
)
"""
INDEXES = {"due": "(next_attempt_at)", "unpublished": "(sequence)"}

# The first half of the keys of advisory locks, "OUTB"; the second is of a workspace's or group's id. A connector's
# events are written behind the lock of its state.
LOCKS = 0x4F555442
EMITS = "current_setting('wellspring.emits', true) = 'on'"
TRIGGER = "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$"
# Of whoever may read nothing of a message but its codes; that a record is another tenant's is nobody else's to know.
REASON = "CASE message.reason WHEN 'tenant_mismatch' THEN 'unknown_record' ELSE message.reason END"
CHANGES_ROWS = " OR ".join(f"jsonb_path_exists(message.counts, '$.*.{name} ? (@ > 0)')" for name in ("linked", "ended"))
CODES = "jsonb_path_query_array({}, '$[*].code')"
# That a body is dropped is no news, and happens behind no connector's lock.
IS_NEWS = "(OLD.outcome <> NEW.outcome OR OLD.reason IS DISTINCT FROM NEW.reason AND NEW.reason <> 'expired')"
BEFORE = """coalesce(OLD.health_reasons, '[{"code": "new"}]')"""

# What has become of rows of a statement: a row is new where it was not live.
NEW_ROWS = "(SELECT row.*, false AS was_live, false AS was_selected, false AS was_matched FROM new_rows AS row)"
OLD_ROWS = """(SELECT row.*, before.deleted_at IS NULL AS was_live{} FROM new_rows AS row
        JOIN old_rows AS before ON before.pk = row.pk)"""
# A choice ends unselected; it is never brought back.
CHOSEN = ", before.is_selected AS was_selected, before.is_matched AS was_matched"


def of_choices(rows: str) -> str:
    """Return the body of a trigger function of `workspace_providers`: selected, matched or removed."""
    return f"""{TRIGGER}
    BEGIN
      PERFORM wellspring.lock_partitions(ARRAY(
        SELECT workspace.id FROM core_api.workspaces AS workspace
         WHERE workspace.pk = ANY (ARRAY(SELECT workspace_pk FROM new_rows))));
      PERFORM wellspring.emit('wellspring.workspace_provider.' || told.what, told.workspace_id, told.workspace_id,
        told.id, jsonb_build_object(
          'workspace_provider_id', told.id, 'provider_id', told.provider_id,
          'link', CASE WHEN told.what <> 'removed' THEN '/v1/workspace-providers/' || told.id END))
        FROM (SELECT row.id, workspace.id AS workspace_id, provider.id AS provider_id,
                     CASE WHEN row.deleted_at IS NOT NULL THEN CASE WHEN row.was_live THEN 'removed' END
                          WHEN row.is_selected THEN CASE WHEN NOT row.was_selected THEN 'selected' END
                          WHEN row.is_matched AND NOT row.was_matched THEN 'matched' END AS what
                FROM {rows} AS row
                JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
                JOIN core_api.providers AS provider ON provider.pk = row.provider_pk
               ORDER BY row.pk) AS told
       WHERE told.what IS NOT NULL;
      RETURN NULL;
    END $$"""


def of_enrolments(rows: str) -> str:
    """Return the body of a trigger function of `workspace_group_workspaces`: enrolled or withdrawn."""
    return f"""{TRIGGER}
    BEGIN
      PERFORM wellspring.lock_partitions(ARRAY(
        SELECT team.id FROM core_api.workspace_groups AS team
         WHERE team.pk = ANY (ARRAY(SELECT workspace_group_pk FROM new_rows))));
      PERFORM wellspring.emit('wellspring.workspace_group_workspace.' || told.what, told.group_id, told.workspace_id,
        told.id, jsonb_build_object(
          'workspace_group_workspace_id', told.id, 'workspace_group_id', told.group_id,
          'link', CASE WHEN told.what = 'enrolled' THEN '/v1/workspace-group-workspaces/' || told.id END))
        FROM (SELECT row.id, workspace.id AS workspace_id, team.id AS group_id,
                     CASE WHEN row.deleted_at IS NULL THEN 'enrolled' ELSE 'withdrawn' END AS what
                FROM {rows} AS row
                JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
                JOIN core_api.workspace_groups AS team ON team.pk = row.workspace_group_pk
               WHERE row.was_live <> (row.deleted_at IS NULL)
               ORDER BY row.pk) AS told;
      RETURN NULL;
    END $$"""


def of_writes(rows: str) -> str:
    """Return the body of a trigger function of provenance, of the record type that its argument names."""
    return f"""{TRIGGER}
    BEGIN
      PERFORM wellspring.emit('wellspring.provenance.changed', told.connector_id, told.workspace_id, told.connector_id,
        jsonb_build_object(
          'workspace_connector_id', told.connector_id, 'sync_message_id', NULL, 'row_id', told.id,
          'counts', jsonb_build_object(TG_ARGV[0], jsonb_build_object('linked', told.is_live::integer,
                                                                      'ended', (NOT told.is_live)::integer)),
          'link', CASE WHEN told.is_live THEN '/v1/' || TG_ARGV[0] || '-workspace-connectors/' || told.id END))
        FROM (SELECT row.id, connector.id AS connector_id, workspace.id AS workspace_id,
                     row.deleted_at IS NULL AS is_live
                FROM {rows} AS row
                JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk
                JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk
               WHERE row.was_live <> (row.deleted_at IS NULL)
               ORDER BY row.pk) AS told;
      RETURN NULL;
    END $$"""


OF_ROWS = {"choices": (of_choices, CHOSEN), "enrolments": (of_enrolments, ""), "writes": (of_writes, "")}
FUNCTIONS: support.Functions = {
    (READER, WRITER, CONSUMER, FEEDER, EXPORTER, PUBLISHER): {
        "enter_emitting(scope text, milliseconds integer)": """
    RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    BEGIN
      PERFORM wellspring.enter_within(scope, milliseconds), set_config('wellspring.emits', 'on', true);
    END $$""",
    },
    (PUBLISHER,): {
        # The oldest stand in front. What was not published by then never will be.
        "prune_outbox(most integer)": """
    RETURNS TABLE (pruned bigint, dropped bigint) LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
      WITH gone AS (
        DELETE FROM wellspring.outbox
         WHERE sequence = ANY (ARRAY(
                 SELECT oldest.sequence
                   FROM (SELECT sequence, occurred_at FROM wellspring.outbox ORDER BY sequence LIMIT most) AS oldest
                  WHERE oldest.occurred_at < now() - interval '7 days'))
        RETURNING published_at
      )
      SELECT count(*), count(*) FILTER (WHERE published_at IS NULL) FROM gone
    $$""",
    },
    (): {
        "emit(type text, partition_key uuid, workspace_id uuid, subject uuid, data jsonb)": """
    RETURNS void LANGUAGE sql SET search_path = '' AS $$
      INSERT INTO wellspring.outbox (type, partition_key, workspace_id, subject, data) VALUES ($1, $2, $3, $4, $5)
    $$""",
        # In one order, until the transaction ends.
        "lock_partitions(ids uuid[])": f"""
    RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    DECLARE
      key integer;
    BEGIN
      FOR key IN SELECT DISTINCT hashtext(id::text) AS hash FROM unnest(ids) AS id ORDER BY hash LOOP
        PERFORM pg_advisory_xact_lock({LOCKS}, key);
      END LOOP;
    END $$""",
        **{
            f"emit_{name}_after_{change}()": body(rows)
            for name, (body, more) in OF_ROWS.items()
            for change, rows in (("insert", NEW_ROWS), ("update", OLD_ROWS.format(more)))
        },
        # Behind all that the transaction does, so that the counts are whole. Part of what a revert undid may be all
        # that it can: it is parked then.
        "emit_message()": f"""{TRIGGER}
    DECLARE
      message record;
    BEGIN
      SELECT said.id, said.message_type, said.outcome, said.reason, said.counts, said.workspace_pk,
             '/v1/sync-messages/' || said.id AS link,
             connector.id AS connector_id, workspace.id AS workspace_id, run.id AS run_id
        INTO message
        FROM wellspring.sync_messages AS said
        LEFT JOIN core_api.workspace_connectors AS connector ON connector.pk = said.workspace_connector_pk
        LEFT JOIN core_api.workspaces AS workspace ON workspace.pk = said.workspace_pk
        LEFT JOIN wellspring.sync_runs AS run
          ON run.pk = said.sync_run_pk AND said.message_type = 'run.completed'
             AND coalesce(said.reason NOT IN ('malformed', 'reused_id'), true)
       WHERE said.pk = NEW.pk;
      IF message.outcome = 'parked' AND message.connector_id IS NULL AND message.workspace_id IS NOT NULL THEN
        PERFORM wellspring.lock_partitions(ARRAY[message.workspace_id]);
      END IF;
      IF message.outcome = 'parked' AND message.run_id IS NULL THEN
        PERFORM wellspring.emit('wellspring.sync_message.parked',
          coalesce(message.connector_id, message.workspace_id, message.id), message.workspace_id, message.id,
          jsonb_build_object(
            'workspace_connector_id', message.connector_id, 'sync_message_id', message.id,
            'message_type', message.message_type, 'reason', {REASON}, 'link', message.link));
      ELSIF message.outcome = 'parked' THEN
        PERFORM wellspring.emit('wellspring.sync_run.parked', message.connector_id, message.workspace_id,
          message.run_id, jsonb_build_object(
            'workspace_connector_id', message.connector_id, 'sync_run_id', message.run_id,
            'sync_message_id', message.id, 'reason', {REASON}, 'link', '/v1/sync-runs/' || message.run_id));
      END IF;
      IF message.connector_id IS NOT NULL AND ({CHANGES_ROWS})
         AND (TG_OP = 'INSERT' OR message.outcome = 'applied' OR OLD.outcome = 'in_progress') THEN
        PERFORM wellspring.emit('wellspring.provenance.changed', message.connector_id, message.workspace_id,
          message.connector_id, jsonb_build_object(
            'workspace_connector_id', message.connector_id, 'sync_message_id', message.id, 'row_id', NULL,
            'counts', message.counts, 'link', message.link));
      END IF;
      RETURN NULL;
    END $$""",
        "emit_run()": f"""{TRIGGER}
    BEGIN
      PERFORM wellspring.emit('wellspring.sync_run.completed', connector.id, workspace.id, run.id, jsonb_build_object(
          'workspace_connector_id', connector.id, 'sync_run_id', run.id, 'messages_applied', run.messages_applied,
          'counts', run.counts, 'link', '/v1/sync-runs/' || run.id))
        FROM wellspring.sync_runs AS run
        JOIN core_api.workspace_connectors AS connector ON connector.pk = run.workspace_connector_pk
        JOIN core_api.workspaces AS workspace ON workspace.pk = run.workspace_pk
       WHERE run.pk = NEW.pk;
      RETURN NULL;
    END $$""",
        # Behind `judge`, which has written the verdict into the row.
        "emit_health()": f"""{TRIGGER}
    BEGIN
      PERFORM wellspring.emit('wellspring.workspace_connector.health_changed', connector.id, workspace.id,
        connector.id, jsonb_build_object(
          'workspace_connector_id', connector.id,
          'from', coalesce({BEFORE} -> 0 ->> 'code', 'ok'),
          'to', coalesce(NEW.health_reasons -> 0 ->> 'code', 'ok'),
          'reasons', NEW.health_reasons,
          'link', CASE WHEN connector.deleted_at IS NULL THEN '/v1/workspace-connectors/' || connector.id END))
        FROM core_api.workspace_connectors AS connector
        JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk
       WHERE connector.pk = NEW.workspace_connector_pk;
      RETURN NULL;
    END $$""",
        # The sweep has locked these connectors (repositories/feed/endings.py).
        "emit_endings()": f"""{TRIGGER}
    BEGIN
      PERFORM wellspring.emit('wellspring.provenance.changed', told.connector_id, told.workspace_id, told.connector_id,
        jsonb_build_object(
          'workspace_connector_id', told.connector_id, 'sync_message_id', NULL, 'row_id', NULL,
          'counts', told.counts, 'link', NULL))
        FROM (SELECT connector.id AS connector_id, workspace.id AS workspace_id,
                     (SELECT jsonb_object_agg(of_type.key, jsonb_build_object('linked', 0, 'ended', of_type.value))
                        FROM jsonb_each(swept.value) AS of_type) AS counts
                FROM new_rows AS row
                JOIN old_rows AS before ON before.pk = row.pk
               CROSS JOIN LATERAL jsonb_each(row.ended) AS swept
                JOIN core_api.workspace_connectors AS connector ON connector.pk = swept.key::bigint
                JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk
               WHERE before.done_at IS NULL AND row.done_at IS NOT NULL
               ORDER BY connector.pk, row.pk) AS told;
      RETURN NULL;
    END $$""",
    },
}
BOTH = "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
REFERENCING = {"insert": "REFERENCING NEW TABLE AS new_rows", "update": BOTH}
# By what they are on: when they come, and what then. Those of messages and runs come with COMMIT.
AT_COMMIT = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
OF_TABLES = {"choices": "core_api.workspace_providers", "enrolments": "core_api.workspace_group_workspaces"}
TRIGGERS = [
    *(
        (table, change, f"{referencing} FOR EACH STATEMENT WHEN ({EMITS})", f"emit_{name}_after_{change}")
        for name, table in OF_TABLES.items()
        for change, referencing in REFERENCING.items()
    ),
    (
        "wellspring.sync_messages",
        "insert",
        f"{AT_COMMIT} WHEN ({EMITS} AND NEW.outcome IN ('applied', 'parked'))",
        "emit_message",
    ),
    (
        "wellspring.sync_messages",
        "update",
        f"{AT_COMMIT} WHEN ({EMITS} AND NEW.outcome IN ('applied', 'parked') AND {IS_NEWS})",
        "emit_message",
    ),
    (
        "wellspring.sync_runs",
        "update",
        f"{AT_COMMIT} WHEN ({EMITS} AND OLD.state <> NEW.state AND NEW.state = 'complete')",
        "emit_run",
    ),
    (
        "wellspring.connector_state",
        "update",
        f"FOR EACH ROW WHEN ({EMITS} AND {CODES.format(BEFORE)} <> {CODES.format('NEW.health_reasons')})",
        "emit_health",
    ),
    ("wellspring.endings", "update", f"{BOTH} FOR EACH STATEMENT WHEN ({EMITS})", "emit_endings"),
]


def upgrade() -> None:
    # As in revision 0003.
    op.execute(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{PUBLISHER}') THEN"
        f" CREATE ROLE {PUBLISHER} LOGIN NOINHERIT; ALTER ROLE {PUBLISHER} SET statement_timeout = '25s';"
        f" ALTER ROLE {PUBLISHER} SET lock_timeout = '5s'; ALTER ROLE {PUBLISHER} SET jit = off;"
        f" ALTER ROLE {PUBLISHER} SET idle_in_transaction_session_timeout = '25s'; END IF; END $$"
    )
    op.execute(OUTBOX)
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX idx_outbox_{name} ON wellspring.outbox {columns} WHERE published_at IS NULL")
    op.execute(f"GRANT USAGE ON SCHEMA wellspring TO {PUBLISHER}")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.enter_within(text, integer) TO {PUBLISHER}")
    op.execute(f"GRANT SELECT, UPDATE (attempts, next_attempt_at, published_at) ON wellspring.outbox TO {PUBLISHER}")
    op.execute("ALTER TABLE wellspring.endings ADD COLUMN ended jsonb NOT NULL DEFAULT '{}'")
    op.execute(f"GRANT UPDATE (ended) ON wellspring.endings TO {CONSUMER}")
    support.create_functions(FUNCTIONS)
    for table, change, when, function in TRIGGERS:
        kind = "CONSTRAINT TRIGGER" if when.startswith(AT_COMMIT) else "TRIGGER"
        op.execute(
            f"CREATE {kind} events_after_{change} AFTER {change} ON {table} {when}"
            f" EXECUTE FUNCTION wellspring.{function}()"
        )
    for record in RECORDS:
        support.emit_writes(record)


def downgrade() -> None:
    for table, change, _, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER events_after_{change} ON {table}")
    for record in RECORDS:
        for change in REFERENCING:
            op.execute(f"DROP TRIGGER events_after_{change} ON core_api.{support.ledger_of(record)}")
    support.drop_functions(FUNCTIONS)
    op.execute("ALTER TABLE wellspring.endings DROP COLUMN ended")
    op.execute("DROP TABLE wellspring.outbox")
    op.execute(f"REVOKE EXECUTE ON FUNCTION wellspring.enter_within(text, integer) FROM {PUBLISHER}")
    op.execute(f"REVOKE USAGE ON SCHEMA wellspring FROM {PUBLISHER}")
