"""Messages can be listed and retrieved: indexes of their lists, and a view of what each caller may know of them.

Safe while old functions run: what they ask of messages needs none of the indexes that go. The new ones are built
without blocking writers, and anew where a build was cut short.
"""

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

READERS = "wellspring_reader, wellspring_writer"
CONSUMER = "wellspring_consumer"

PARENTS = {"wc": "workspace_connector_pk", "workspace": "workspace_pk"}
INDEXES = {
    **{
        f"{short}_{name}": f"({parent}, {columns}, pk){where}"
        for short, parent in PARENTS.items()
        for name, columns, where in (
            ("outcome", "outcome, received_at", ""),
            ("reason", "reason, outcome, received_at", " WHERE reason IS NOT NULL"),
            ("occurred", "occurred_at", " WHERE occurred_at IS NOT NULL"),
            ("processed", "processed_at", " WHERE processed_at IS NOT NULL"),
        )
    },
    "reverted": "(reverted_by_pk, pk) WHERE reverted_by_pk IS NOT NULL",
    "wc_run": "(workspace_connector_pk, run, outcome, received_at, pk) WHERE run IS NOT NULL",
}
REPLACED = {
    "wc_received": "(workspace_connector_pk, received_at, pk)",
    "workspace_received": "(workspace_pk, received_at, pk)",
    "run": "(workspace_connector_pk, run, pk) WHERE run IS NOT NULL",
}

PLACE_OF = """
CREATE OR REPLACE FUNCTION wellspring.place_of(ledger name, id uuid)
RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  place bigint;
BEGIN
  EXECUTE format('SELECT pk FROM {schema}.%I WHERE id = $1', ledger) INTO place USING id;
  RETURN place;
END $$
"""
OF_EITHER = (
    "' || CASE WHEN to_regclass(format('core_api.%I', ledger)) IS NULL THEN 'wellspring' ELSE 'core_api' END || '"
)

# RDS Proxy pins a session that asks a sequence in the open.
NEXT_MESSAGE = """
CREATE FUNCTION wellspring.next_message() RETURNS bigint LANGUAGE sql VOLATILE SET search_path = '' AS $$
  SELECT nextval('wellspring.sync_messages_pk_seq')
$$
"""

# As the feed does in the open (repositories/feed, `lock_types`): who makes a record keeps its deletion apart.
LOCK_FED_TYPES = f"""
CREATE FUNCTION wellspring.lock_fed_types(numbers integer[])
RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
  number integer;
BEGIN
  FOR number IN SELECT wanted FROM unnest(numbers) AS wanted ORDER BY wanted LOOP
    PERFORM pg_advisory_xact_lock_shared({0x46454544}, number);
  END LOOP;
END $$
"""

# What is left of a body can still be released: its digest goes with it. One that is no message cannot, and one whose
# parts cannot be told apart is dropped, as one that has waited for too long is.
FORGET_IN_MESSAGES = """
CREATE FUNCTION wellspring.forget_in_messages(person uuid)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  changed integer := 0;
  kept record;
  rest text;
BEGIN
  FOR kept IN SELECT pk, body, reason FROM wellspring.sync_messages
               WHERE outcome IN ('parked', 'in_progress') AND body IS NOT NULL
                 AND strpos(lower(body), person::text) > 0
               ORDER BY pk FOR UPDATE LOOP
    BEGIN
      SELECT jsonb_set(kept.body::jsonb, '{records}', jsonb_agg(
               CASE WHEN lower(said.value ->> 'id') = person::text THEN said.value - 'attributes' ELSE said.value END
               ORDER BY said.place))::text
        INTO rest
        FROM jsonb_array_elements(kept.body::jsonb -> 'records') WITH ORDINALITY AS said (value, place)
       WHERE kept.reason IS DISTINCT FROM 'malformed';
    EXCEPTION WHEN data_exception THEN
      rest := NULL;
    END;
    UPDATE wellspring.sync_messages AS old
       SET body = rest,
           digest = CASE WHEN rest IS NULL THEN old.digest ELSE sha256(convert_to(rest, 'UTF8')) END,
           reason = CASE WHEN rest IS NULL AND old.reason <> 'malformed' THEN 'expired' ELSE old.reason END
     WHERE old.pk = kept.pk;
    changed := changed + 1;
  END LOOP;
  RETURN changed;
END $$
"""

# By type and id, so that their order tells nobody which of them are another tenant's.
SHOWN_PROBLEMS = """
CREATE FUNCTION wellspring.shown_problems(problems jsonb, as_they_are boolean)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = '' AS $$
  SELECT coalesce(jsonb_agg(CASE WHEN NOT as_they_are AND problem ->> 'code' = 'tenant_mismatch'
                                 THEN problem || '{"code": "unknown_record"}' ELSE problem END
                            ORDER BY problem ->> 'type', problem ->> 'id'), '[]')
    FROM jsonb_array_elements(problems) AS problem
$$
"""

IS_SERVICE = "(SELECT wellspring.is_service())"
PROBLEMS = f"wellspring.shown_problems(problems, {IS_SERVICE})"
# With the caller's own rights, so that row-level security holds.
OF_CALLER = f"""
CREATE VIEW wellspring.sync_messages_of_caller WITH (security_invoker = true) AS
SELECT pk, id, workspace_connector_pk, workspace_pk, message_id, message_type, direction, mode, run,
       occurred_at, received_at, processed_at, outcome,
       CASE WHEN reason = 'tenant_mismatch' AND NOT {IS_SERVICE} THEN 'unknown_record' ELSE reason END AS reason,
       reason AS kept_reason,
       CASE WHEN problem_count > 0 THEN jsonb_path_query_array({PROBLEMS}, '$[0 to 4]') ELSE '[]' END AS problems,
       CASE WHEN problem_count > 0 THEN {PROBLEMS} ELSE '[]' END AS all_problems,
       counts, CASE WHEN {IS_SERVICE} THEN body END AS body
  FROM wellspring.sync_messages
"""
FUNCTIONS = {
    "next_message()": CONSUMER,
    "lock_fed_types(integer[])": CONSUMER,
    "forget_in_messages(uuid)": "wellspring_feeder",
    "shown_problems(jsonb, boolean)": f"{READERS}, {CONSUMER}",
}


def upgrade() -> None:
    op.execute("ALTER TABLE wellspring.sync_messages ADD COLUMN reverted_by_pk bigint")
    op.execute(NEXT_MESSAGE)
    op.execute(SHOWN_PROBLEMS)
    op.execute(LOCK_FED_TYPES)
    op.execute(FORGET_IN_MESSAGES)
    for signature, roles in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{signature} TO {roles}")
    # Who makes a record has its name folded.
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.fold(text) TO {CONSUMER}")
    op.execute(PLACE_OF.format(schema=OF_EITHER))
    op.execute(OF_CALLER)
    # Who releases a message by hand is shown what became of it.
    op.execute(f"GRANT SELECT ON wellspring.sync_messages_of_caller TO {READERS}, {CONSUMER}")
    _exchange(INDEXES, REPLACED)


def downgrade() -> None:
    _exchange(REPLACED, INDEXES)
    op.execute("DROP VIEW wellspring.sync_messages_of_caller")
    op.execute(PLACE_OF.format(schema="core_api"))
    op.execute(f"REVOKE EXECUTE ON FUNCTION wellspring.fold(text) FROM {CONSUMER}")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION wellspring.{signature}")
    op.execute("ALTER TABLE wellspring.sync_messages DROP COLUMN reverted_by_pk")


def _exchange(made: dict[str, str], dropped: dict[str, str]) -> None:
    with outside_transaction():
        for name, columns in made.items():
            build_index(f"idx_sync_messages_{name}", "wellspring.sync_messages", columns)
        for name in dropped:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS wellspring.idx_sync_messages_{name}")
