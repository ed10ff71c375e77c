"""A workspace is erased: its tombstone, which is kept for ever, and what goes of what was kept of it.

The feeder erases, in chunks (contract, section 6; docs/adr/0057). What it may not read it has forgotten by functions,
each of a bounded number of rows.
"""

from alembic import op

from migrations import support
from migrations.support import CONSUMER, FEEDER, IS_SERVICE, READER

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = "'[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}'"
TABLE = """
CREATE TABLE wellspring.erasures (
  pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_erasures PRIMARY KEY,
  workspace_id uuid NOT NULL CONSTRAINT uq_erasures_workspace_id UNIQUE,
  workspace_pk bigint CONSTRAINT uq_erasures_workspace_pk UNIQUE,
  source text NOT NULL, source_version bigint NOT NULL, erased_at timestamptz(3) NOT NULL DEFAULT now(),
  place jsonb DEFAULT '{}', boundary bigint, gone jsonb NOT NULL DEFAULT '{}', done_at timestamptz(3))
"""
MEMBERS = (
    "id, type, workspace_connector_id, direction, records, mode, occurred_at, run, message_ids, snapshot, workspace_id,"
    " provider_ids"
)
# Whatever is said of something in a workspace names that, or one of its connectors.
NAMES_WORKSPACE = """
          OR wellspring.is_of_erased(named.id)"""
# Of a message of an erased workspace nothing is left.
IS_OF_WORKSPACE = """
      IF lower(body::jsonb ->> 'workspace_connector_id') = ANY (gone::text[])
         OR lower(body::jsonb ->> 'workspace_id') = ANY (gone::text[]) THEN
        RETURN NULL;
      END IF;"""


def replaced(names_workspace: str, is_of_workspace: str) -> tuple[str, str]:
    """Return the two functions that know the erased, with what they are to know of workspaces."""
    return (
        f"""erased_in(body text)
    RETURNS uuid[] LANGUAGE sql STABLE SET search_path = '' AS $$
      SELECT array_agg(named.id)
        FROM (SELECT DISTINCT CAST(found[1] AS uuid) AS id
                FROM regexp_matches(wellspring.said_in(body), {ID}, 'g') AS found
             ) AS named
       WHERE (SELECT person.erased_at FROM core_api.peoples AS person WHERE person.id = named.id) IS NOT NULL
          OR (SELECT gone.erased_at FROM wellspring.tombstones AS gone
               WHERE gone.type = 'people' AND gone.id = named.id) IS NOT NULL{names_workspace}
    $$""",
        f"""without_people(body text, gone uuid[])
    RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
    DECLARE
      rest jsonb;
    BEGIN{is_of_workspace}
      SELECT jsonb_object_agg(member.key, CASE
               WHEN member.key = 'records' AND jsonb_typeof(member.value) = 'array' THEN (
                 SELECT jsonb_agg(CASE
                          WHEN lower(record.value ->> 'id') = ANY (gone::text[])
                          THEN jsonb_build_object('type', record.value -> 'type', 'id', record.value -> 'id')
                          ELSE record.value
                        END ORDER BY record.place)
                   FROM jsonb_array_elements(member.value) WITH ORDINALITY AS record (value, place))
               ELSE member.value
             END)
        INTO rest
        FROM jsonb_each(body::jsonb) AS member
       WHERE member.key = ANY ('{{{MEMBERS}}}');
      RETURN rest::text;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
      RETURN NULL;
    END $$""",
    )


OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''"
# `reached` is where to go on; NULL at the end.
WALK = f"RETURNS TABLE (changed integer, reached text[]) {OWNER}"
FUNCTIONS: support.Functions = {
    (CONSUMER, FEEDER): {
        "is_of_erased(id uuid)": """RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
      SELECT EXISTS (SELECT FROM wellspring.erasures AS gone WHERE gone.workspace_id = $1)
          OR EXISTS (SELECT FROM wellspring.erasures AS gone
                      WHERE gone.workspace_pk = (SELECT connector.workspace_pk
                                                   FROM core_api.workspace_connectors AS connector
                                                  WHERE connector.id = $1))
    $$""",
    },
    (FEEDER,): {
        # By whom they are about, so that those are found, too, which came before their connector.
        "forget_messages_of(workspace bigint, most integer)": f"""RETURNS integer {OWNER} AS $$
    DECLARE
      chosen bigint[];
    BEGIN
      chosen := ARRAY(
        SELECT message.pk
          FROM (SELECT id FROM core_api.workspace_connectors WHERE workspace_pk = workspace
                 UNION ALL SELECT id FROM core_api.workspaces WHERE pk = workspace) AS subject
         CROSS JOIN LATERAL (
            SELECT pk FROM wellspring.sync_messages
             WHERE subject_id = subject.id
               AND (outcome IN ('parked', 'in_progress') OR body IS NOT NULL OR problems <> '[]' OR note IS NOT NULL
                    OR run IS NOT NULL)
             ORDER BY pk LIMIT most) AS message
         LIMIT most);
      PERFORM wellspring.lock_connectors(
        ARRAY(SELECT workspace_connector_pk FROM wellspring.sync_messages WHERE pk = ANY (chosen)), 2000);
      WITH parked AS MATERIALIZED (
        SELECT workspace_connector_pk, count(*) AS number FROM wellspring.sync_messages
         WHERE pk = ANY (chosen) AND outcome = 'parked' GROUP BY workspace_connector_pk
      )
      UPDATE wellspring.connector_state AS state
         SET parked_messages = parked_messages - (
               SELECT number FROM parked WHERE parked.workspace_connector_pk = state.workspace_connector_pk)
       WHERE workspace_connector_pk = ANY (ARRAY(SELECT workspace_connector_pk FROM parked));
      UPDATE wellspring.sync_messages
         SET body = NULL, problems = '[]', note = NULL, run = NULL, progress = NULL,
             outcome = CASE WHEN outcome IN ('parked', 'in_progress') THEN 'dismissed' ELSE outcome END,
             processed_at = coalesce(processed_at, now())
       WHERE pk = ANY (chosen);
      DELETE FROM wellspring.waiting_for WHERE message_pk = ANY (chosen);
      RETURN cardinality(chosen);
    END $$""",
        # A run that nothing completes any more is over.
        "forget_runs_of(workspace bigint, most integer)": f"""RETURNS integer {OWNER} AS $$
    DECLARE
      chosen bigint[] := ARRAY(
        SELECT pk FROM wellspring.sync_runs WHERE workspace_pk = workspace AND run <> id::text LIMIT most);
    BEGIN
      PERFORM wellspring.lock_connectors(
        ARRAY(SELECT workspace_connector_pk FROM wellspring.sync_runs WHERE pk = ANY (chosen)), 2000);
      UPDATE wellspring.sync_runs
         SET run = id::text, messages_parked = 0,
             state = CASE WHEN state IN ('open', 'incomplete', 'completing') THEN 'expired' ELSE state END
       WHERE pk = ANY (chosen);
      RETURN cardinality(chosen);
    END $$""",
        "forget_notes_of(workspace bigint, most integer)": f"""RETURNS integer {OWNER} AS $$
    DECLARE
      changed integer;
    BEGIN
      UPDATE wellspring.audit SET note = NULL
       WHERE pk = ANY (ARRAY(SELECT pk FROM wellspring.audit
                              WHERE workspace_pk = workspace AND note IS NOT NULL LIMIT most));
      GET DIAGNOSTICS changed = ROW_COUNT;
      RETURN changed;
    END $$""",
        # What names anything that is the workspace's, whatever its type: the one place that a name may stand in
        # without the workspace's id.
        "forget_answers_of(workspace bigint, after text[], most integer)": f"""{WALK} AS $$
    DECLARE
      named uuid[];
      gone uuid[] := ARRAY(SELECT id FROM core_api.workspaces WHERE pk = workspace);
      found uuid[];
      owned regclass;
    BEGIN
      SELECT ARRAY[chunk.caller, chunk.key] INTO reached
        FROM (SELECT caller, key FROM wellspring.idempotency_keys
               WHERE (caller, key) > (after[1], after[2]) ORDER BY caller, key LIMIT most) AS chunk
       ORDER BY chunk.caller DESC, chunk.key DESC LIMIT 1;
      SELECT array_agg(DISTINCT CAST(said.match[1] AS uuid)) INTO named
        FROM wellspring.idempotency_keys AS kept
       CROSS JOIN LATERAL regexp_matches(lower(kept.answer), {ID}, 'g') AS said (match)
       WHERE (kept.caller, kept.key) > (after[1], after[2]) AND (kept.caller, kept.key) <= (reached[1], reached[2]);
      FOR owned IN
        SELECT attribute.attrelid FROM pg_catalog.pg_attribute AS attribute
          JOIN pg_catalog.pg_class AS owner ON owner.oid = attribute.attrelid
         WHERE attribute.attname = 'workspace_pk' AND owner.relkind = 'r'
           AND owner.relnamespace = 'core_api'::regnamespace
      LOOP
        EXECUTE pg_catalog.format('SELECT array_agg(id) FROM %s WHERE id = ANY ($1) AND workspace_pk = $2', owned)
          INTO found USING named, workspace;
        gone := gone || found;
      END LOOP;
      DELETE FROM wellspring.idempotency_keys AS kept
       WHERE (kept.caller, kept.key) > (after[1], after[2]) AND (kept.caller, kept.key) <= (reached[1], reached[2])
         AND EXISTS (SELECT FROM unnest(gone) AS id WHERE strpos(lower(kept.answer), id::text) > 0);
      GET DIAGNOSTICS changed = ROW_COUNT;
      RETURN NEXT;
    END $$""",
        # The people of an erased workspace are erased: what others' messages say of them goes, as of any.
        "forget_people_in_messages(after text[], most integer)": f"""{WALK} AS $$
    DECLARE
      kept record;
      rest text;
    BEGIN
      changed := 0;
      FOR kept IN SELECT pk, outcome, received_at, body, reason FROM wellspring.sync_messages
                   WHERE (outcome, received_at, pk) > (after[1], after[2]::timestamptz, after[3]::bigint)
                     AND outcome IN ('parked', 'in_progress')
                   ORDER BY outcome, received_at, pk LIMIT most FOR UPDATE LOOP
        reached := ARRAY[kept.outcome, kept.received_at::text, kept.pk::text];
        rest := wellspring.without_erased(kept.body, kept.reason IS DISTINCT FROM 'malformed');
        IF rest IS DISTINCT FROM kept.body THEN
          UPDATE wellspring.sync_messages AS old
             SET body = rest,
                 reason = CASE WHEN rest IS NULL AND old.reason <> 'malformed' THEN 'expired' ELSE old.reason END
           WHERE old.pk = kept.pk;
          changed := changed + 1;
        END IF;
      END LOOP;
      RETURN NEXT;
    END $$""",
    },
}


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("CREATE INDEX idx_erasures_open ON wellspring.erasures (pk) WHERE done_at IS NULL")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON wellspring.erasures TO {FEEDER}")
    op.execute(f"GRANT SELECT ON wellspring.erasures TO {READER}")
    op.execute("ALTER TABLE wellspring.erasures ENABLE ROW LEVEL SECURITY")
    name = "wellspring.erasures"
    support.create_policy(name, "services", f"FOR SELECT TO {READER}", f"USING ({IS_SERVICE})")
    support.create_policy(name, "the_feed", f"TO {FEEDER}", "USING (true)")
    support.create_functions(FUNCTIONS)
    for function in replaced(NAMES_WORKSPACE, IS_OF_WORKSPACE):
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function}")


def downgrade() -> None:
    for function in replaced("", ""):
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function}")
    support.drop_functions(FUNCTIONS)
    op.execute("DROP TABLE wellspring.erasures")
