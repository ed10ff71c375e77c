"""The platform's feed: what waits, what is to end, what each source has told, and what is forgotten of the erased.

Nobody but the feeder writes parents; no role deletes a parent (docs/adr/0032, 0033). Who was erased leaves no name in
what is kept, whenever it comes (contract, section 6).
"""

from alembic import op

from migrations import support
from migrations.support import CONSUMER, FEEDER, IS_SERVICE, READER, WRITER

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = {
    "pending_events": """
      pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_pending_events PRIMARY KEY,
      id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT uq_pending_events_id UNIQUE,
      received_at timestamptz(3) NOT NULL DEFAULT now(), updated_at timestamptz(3) NOT NULL DEFAULT now(),
      source text, event_id text, event_type text, type text, subject uuid, version bigint,
      digest bytea NOT NULL CONSTRAINT uq_pending_events_digest UNIQUE,
      outcome text NOT NULL
        CONSTRAINT ck_pending_events_outcome CHECK (outcome IN ('waiting', 'parked', 'applied', 'dismissed')),
      reason text, problems jsonb NOT NULL DEFAULT '[]', missing_type text, missing_key text, event text, note text""",
    "tombstones": """
      type text, id uuid, source text NOT NULL, source_version bigint NOT NULL, erased_at timestamptz(3),
      created_at timestamptz(3) NOT NULL DEFAULT now(), CONSTRAINT pk_tombstones PRIMARY KEY (type, id)""",
    "endings": """
      pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_endings PRIMARY KEY,
      type text NOT NULL, of_pk bigint NOT NULL, ended_at timestamptz(3) NOT NULL DEFAULT now(), until jsonb,
      seen_at timestamptz(3), boundary bigint, done_at timestamptz(3)""",
    "feed_sources": """
      source text, type text, events bigint NOT NULL DEFAULT 0, applied bigint NOT NULL DEFAULT 0,
      live bigint NOT NULL DEFAULT 0, last_version bigint NOT NULL DEFAULT 0, last_event_at timestamptz(3),
      last_received_at timestamptz(3) NOT NULL DEFAULT now(), CONSTRAINT pk_feed_sources PRIMARY KEY (source, type)""",
    "loads": """
      pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_loads PRIMARY KEY,
      key text NOT NULL, object_version text NOT NULL,
      outcome text NOT NULL DEFAULT 'in_progress'
        CONSTRAINT ck_loads_outcome CHECK (outcome IN ('in_progress', 'done', 'failed')),
      lines bigint NOT NULL DEFAULT 0, place bigint NOT NULL DEFAULT 0, applied bigint NOT NULL DEFAULT 0,
      stale bigint NOT NULL DEFAULT 0, waiting bigint NOT NULL DEFAULT 0, parked bigint NOT NULL DEFAULT 0,
      rejected bigint NOT NULL DEFAULT 0, idle_turns integer NOT NULL DEFAULT 0,
      started_at timestamptz(3) NOT NULL DEFAULT now(), updated_at timestamptz(3) NOT NULL DEFAULT now(),
      finished_at timestamptz(3)""",
    "load_rejects": """
      load_pk bigint CONSTRAINT fk_load_rejects_load_pk REFERENCES wellspring.loads (pk) ON DELETE CASCADE,
      line bigint, code text NOT NULL, pointer text NOT NULL, CONSTRAINT pk_load_rejects PRIMARY KEY (load_pk, line)""",
}
INDEXES = {
    "pending_events_missing": "pending_events (missing_type, missing_key, pk) WHERE missing_key IS NOT NULL",
    "pending_events_waiting": "pending_events (received_at, pk) WHERE outcome = 'waiting'",
    "pending_events_received": "pending_events (received_at, pk)",
    "pending_events_outcome": "pending_events (outcome, received_at, pk)",
    "pending_events_subject_received": "pending_events (subject, received_at, pk)",
    "pending_events_reason": "pending_events (reason, outcome, received_at, pk) WHERE reason IS NOT NULL",
    "pending_events_source": "pending_events (source, outcome, received_at, pk)",
    "pending_events_parked": "pending_events (source, reason, received_at, pk) WHERE outcome = 'parked'",
    "pending_events_open": "pending_events (source, type, outcome) WHERE outcome IN ('waiting', 'parked')",
    "endings_open": "endings (pk) WHERE done_at IS NULL",
    "endings_of": "endings (type, of_pk) WHERE done_at IS NULL",
    "endings_done": "endings (done_at)",
    "loads_started_at": "loads (started_at)",
}
DELETED = ("pending_events", "endings", "loads", "load_rejects")
# What a service reads of the feed, whatever a statement asks for.
SHOWN = ("pending_events", "feed_sources", "loads")

# All that a message may say (contract, section 5). What else it says goes, too: nobody knows whom it is about.
MEMBERS = (
    "id, type, workspace_connector_id, direction, records, mode, occurred_at, run, message_ids, snapshot, workspace_id,"
    " provider_ids"
)
FUNCTIONS = {
    (CONSUMER, FEEDER): {
        # As it came, and as JSON has it: an id may be written with escapes, and a member may stand twice. What is no
        # message may write one without its hyphens, too.
        "said_in(body text)": """RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
    BEGIN
      RETURN lower(body || ' ' || body::jsonb::text);
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
      RETURN lower(body);
    END $$""",
        "erased_in(body text)": (
            """RETURNS uuid[] LANGUAGE sql STABLE SET search_path = '' AS $$
      SELECT array_agg(named.id)
        FROM (SELECT DISTINCT CAST(found[1] AS uuid) AS id
                FROM regexp_matches(wellspring.said_in(body),"""
            """ '[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}', 'g') AS found
             ) AS named
       WHERE (SELECT person.erased_at FROM core_api.peoples AS person WHERE person.id = named.id) IS NOT NULL
          OR (SELECT gone.erased_at FROM wellspring.tombstones AS gone
               WHERE gone.type = 'people' AND gone.id = named.id) IS NOT NULL
    $$"""
        ),
    },
    (CONSUMER,): {
        # By its structure; NULL of what is no message, and whose parts cannot be told apart.
        "without_people(body text, gone uuid[])": f"""RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
    DECLARE
      rest jsonb;
    BEGIN
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
        "without_erased(body text, is_message boolean)": """
    RETURNS text LANGUAGE plpgsql STABLE STRICT SET search_path = '' AS $$
    DECLARE
      gone uuid[] := wellspring.erased_in(body);
    BEGIN
      RETURN CASE WHEN gone IS NULL THEN body WHEN is_message THEN wellspring.without_people(body, gone) END;
    END $$""",
    },
    (FEEDER,): {
        # What is left of a body can still be released. One that is no message cannot, and one whose parts cannot be
        # told apart is dropped, as one that has waited for too long is.
        "forget_in_messages(person uuid)": """
    RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      changed integer := 0;
      digits text := replace(person::text, '-', '');
      kept record;
      rest text;
    BEGIN
      FOR kept IN SELECT pk, body, reason FROM wellspring.sync_messages
                   WHERE outcome IN ('parked', 'in_progress') AND body IS NOT NULL
                     AND (strpos(replace(lower(body), '-', ''), digits) > 0 OR strpos(body, '\\u00') > 0)
                     AND strpos(replace(wellspring.said_in(body), '-', ''), digits) > 0
                   ORDER BY pk FOR UPDATE LOOP
        rest := CASE WHEN kept.reason IS DISTINCT FROM 'malformed'
                     THEN wellspring.without_people(kept.body, ARRAY[person]) END;
        UPDATE wellspring.sync_messages AS old
           SET body = rest,
               reason = CASE WHEN rest IS NULL AND old.reason <> 'malformed' THEN 'expired' ELSE old.reason END
         WHERE old.pk = kept.pk;
        changed := changed + 1;
      END LOOP;
      RETURN changed;
    END $$""",
    },
}


def upgrade() -> None:
    for name, body in TABLES.items():
        op.execute(f"CREATE TABLE wellspring.{name} ({body})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON wellspring.{name} TO {FEEDER}")
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX idx_{name} ON wellspring.{columns}")
    op.execute("CREATE UNIQUE INDEX idx_loads_file ON wellspring.loads (key, object_version)")
    for name in DELETED:
        op.execute(f"GRANT DELETE ON wellspring.{name} TO {FEEDER}")
    # The pipeline sweeps endings; what makes records asks whether they were deleted before they were seen.
    sweepers = f"{WRITER}, {CONSUMER}"
    op.execute(f"GRANT SELECT, UPDATE (seen_at, boundary, done_at) ON wellspring.endings TO {sweepers}")
    op.execute(f"GRANT SELECT ON wellspring.tombstones TO {sweepers}")
    for table in SHOWN:
        op.execute(f"GRANT SELECT ON wellspring.{table} TO {READER}")
        op.execute(f"ALTER TABLE wellspring.{table} ENABLE ROW LEVEL SECURITY")
        name = f"wellspring.{table}"
        support.create_policy(name, "services", f"FOR SELECT TO {READER}", f"USING ({IS_SERVICE})")
        support.create_policy(name, "the_feed", f"TO {FEEDER}", "USING (true)")
    support.create_functions(FUNCTIONS)


def downgrade() -> None:
    support.drop_functions(FUNCTIONS)
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE wellspring.{name}")
