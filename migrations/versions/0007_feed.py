"""The platform's feed: whose each parent is and at which version, what waits, what is to end, and the feeder's role.

Each new column is nullable or has a constant default, so that no table is written anew and the functions of the release
before work on. Nobody but the feeder writes parents; no role deletes a parent (docs/adr/0032, 0033).
"""

from alembic import op

from migrations.support import create_role

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FEEDER = "wellspring_feeder"
READER = "wellspring_reader"
WRITER = "wellspring_writer"

# What the feeder may change of each parent, beside the columns that all of them have. A tenant never moves.
FED = {
    "workspaces": "name",
    "peoples": "full_name, erased_at",
    "companies": "name",
    "accounts": "account_name, currency",
    "connectors": "name, provider, direction",
    "workspace_connectors": "status, connector_pk",
    "workspace_memberships": "role, status, people_pk",
    "providers": "name, slug, category, url, logo_url, countries, skill_status",
}
# Of which a revived parent notes the last row (docs/adr/0033).
LEDGERS = (
    "account_workspace_connectors",
    "company_workspace_connectors",
    "people_workspace_connectors",
    "workspace_providers",
)
OWN_TABLES = ("pending_events", "tombstones", "endings", "feed_sources", "loads", "load_rejects")
FUNCTIONS = ("enter(text)", "enter_within(text, integer)", "is_service()", "is_pipeline()", "caller()")


# Kept answers are none of the feeder's business; a name in them is.
FORGET = """
CREATE FUNCTION wellspring.forget_in_answers(person uuid, written text[], instead text[])
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  changed integer := 0;
  kept record;
BEGIN
  FOR kept IN SELECT caller, key, answer FROM wellspring.idempotency_keys
               WHERE strpos(answer, person::text) > 0 FOR UPDATE LOOP
    FOR n IN 1 .. coalesce(array_length(written, 1), 0) LOOP
      kept.answer := replace(kept.answer, written[n], instead[n]);
    END LOOP;
    UPDATE wellspring.idempotency_keys AS old SET answer = kept.answer
     WHERE old.caller = kept.caller AND old.key = kept.key;
    changed := changed + 1;
  END LOOP;
  RETURN changed;
END $$
"""


def create_tables() -> None:
    """Create the feed's own tables."""
    op.execute(
        """
        CREATE TABLE wellspring.pending_events (
          pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_pending_events PRIMARY KEY,
          id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT uq_pending_events_id UNIQUE,
          received_at timestamptz(3) NOT NULL DEFAULT now(),
          updated_at timestamptz(3) NOT NULL DEFAULT now(),
          source text,
          event_id text,
          event_type text,
          type text,
          subject uuid,
          version bigint,
          digest bytea NOT NULL CONSTRAINT uq_pending_events_digest UNIQUE,
          outcome text NOT NULL
            CONSTRAINT ck_pending_events_outcome CHECK (outcome IN ('waiting', 'parked', 'applied', 'dismissed')),
          reason text,
          problems jsonb NOT NULL DEFAULT '[]',
          missing_type text,
          missing_key text,
          event text,
          note text
        )
        """
    )
    op.execute(
        "CREATE INDEX idx_pending_events_missing ON wellspring.pending_events (missing_type, missing_key, pk)"
        " WHERE missing_key IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX idx_pending_events_waiting ON wellspring.pending_events (received_at, pk)"
        " WHERE outcome = 'waiting'"
    )
    op.execute("CREATE INDEX idx_pending_events_received ON wellspring.pending_events (received_at, pk)")
    op.execute("CREATE INDEX idx_pending_events_outcome ON wellspring.pending_events (outcome, received_at, pk)")
    op.execute("CREATE INDEX idx_pending_events_subject ON wellspring.pending_events (subject)")
    op.execute(
        """
        CREATE TABLE wellspring.tombstones (
          type text,
          id uuid,
          source text NOT NULL,
          source_version bigint NOT NULL,
          erased_at timestamptz(3),
          created_at timestamptz(3) NOT NULL DEFAULT now(),
          CONSTRAINT pk_tombstones PRIMARY KEY (type, id)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE wellspring.endings (
          pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_endings PRIMARY KEY,
          type text NOT NULL,
          of_pk bigint NOT NULL,
          ended_at timestamptz(3) NOT NULL DEFAULT now(),
          until jsonb,
          seen_at timestamptz(3),
          boundary bigint,
          done_at timestamptz(3)
        )
        """
    )
    op.execute("CREATE INDEX idx_endings_open ON wellspring.endings (pk) WHERE done_at IS NULL")
    op.execute("CREATE INDEX idx_endings_of ON wellspring.endings (type, of_pk) WHERE done_at IS NULL")
    op.execute("CREATE INDEX idx_endings_done ON wellspring.endings (done_at)")
    op.execute(
        """
        CREATE TABLE wellspring.feed_sources (
          source text,
          type text,
          events bigint NOT NULL DEFAULT 0,
          applied bigint NOT NULL DEFAULT 0,
          live bigint NOT NULL DEFAULT 0,
          last_version bigint NOT NULL DEFAULT 0,
          last_event_at timestamptz(3),
          last_received_at timestamptz(3) NOT NULL DEFAULT now(),
          CONSTRAINT pk_feed_sources PRIMARY KEY (source, type)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE wellspring.loads (
          pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_loads PRIMARY KEY,
          key text NOT NULL,
          object_version text NOT NULL,
          outcome text NOT NULL DEFAULT 'in_progress'
            CONSTRAINT ck_loads_outcome CHECK (outcome IN ('in_progress', 'done', 'failed')),
          lines bigint NOT NULL DEFAULT 0,
          place bigint NOT NULL DEFAULT 0,
          applied bigint NOT NULL DEFAULT 0,
          stale bigint NOT NULL DEFAULT 0,
          waiting bigint NOT NULL DEFAULT 0,
          parked bigint NOT NULL DEFAULT 0,
          rejected bigint NOT NULL DEFAULT 0,
          idle_turns integer NOT NULL DEFAULT 0,
          started_at timestamptz(3) NOT NULL DEFAULT now(),
          updated_at timestamptz(3) NOT NULL DEFAULT now(),
          finished_at timestamptz(3)
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX idx_loads_file ON wellspring.loads (key, object_version)")
    op.execute("CREATE INDEX idx_loads_started_at ON wellspring.loads (started_at)")
    op.execute(
        """
        CREATE TABLE wellspring.load_rejects (
          load_pk bigint CONSTRAINT fk_load_rejects_load_pk REFERENCES wellspring.loads (pk) ON DELETE CASCADE,
          line bigint,
          code text NOT NULL,
          pointer text NOT NULL,
          CONSTRAINT pk_load_rejects PRIMARY KEY (load_pk, line)
        )
        """
    )


def grant() -> None:
    """Let the feeder write parents and the feed's tables, the writer sweep endings, the reader show events."""
    op.execute(f"GRANT USAGE ON SCHEMA core_api, wellspring TO {FEEDER}")
    for table, columns in FED.items():
        op.execute(f"GRANT SELECT, INSERT ON core_api.{table} TO {FEEDER}")
        op.execute(
            f"GRANT UPDATE ({columns}, source, source_version, updated_at, deleted_at) ON core_api.{table} TO {FEEDER}"
        )
    # What an erased person leaves behind.
    op.execute(f"GRANT SELECT, UPDATE (updated_at, deleted_at) ON core_api.workspace_group_memberships TO {FEEDER}")
    for ledger in LEDGERS:
        op.execute(f"GRANT SELECT ON SEQUENCE core_api.{ledger}_pk_seq TO {FEEDER}")
    for table in OWN_TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON wellspring.{table} TO {FEEDER}")
    for table in ("pending_events", "endings", "loads", "load_rejects"):
        op.execute(f"GRANT DELETE ON wellspring.{table} TO {FEEDER}")
    for function in FUNCTIONS:
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{function} TO {FEEDER}")
    op.execute(FORGET)
    op.execute("REVOKE ALL ON FUNCTION wellspring.forget_in_answers(uuid, text[], text[]) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.forget_in_answers(uuid, text[], text[]) TO {FEEDER}")
    # The pipeline sweeps endings; what makes records asks whether they were deleted before they were seen.
    op.execute(f"GRANT SELECT, UPDATE (seen_at, boundary, done_at) ON wellspring.endings TO {WRITER}")
    op.execute(f"GRANT SELECT ON wellspring.tombstones TO {WRITER}")
    for table in ("pending_events", "feed_sources", "loads"):
        op.execute(f"GRANT SELECT ON wellspring.{table} TO {READER}")


def guard() -> None:
    """Show events to services only, whatever a statement asks for."""
    op.execute("ALTER TABLE wellspring.pending_events ENABLE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY pending_events_of_services ON wellspring.pending_events"
        f" FOR SELECT TO {READER} USING ((SELECT wellspring.is_service()))"
    )
    op.execute(f"CREATE POLICY pending_events_of_the_feed ON wellspring.pending_events TO {FEEDER} USING (true)")

    # As on provenance (revision 0006): the choices of a provider that is gone are seen by nobody else.
    op.execute(
        f"CREATE POLICY workspace_providers_of_the_pipeline ON core_api.workspace_providers FOR ALL TO {WRITER}"
        " USING ((SELECT wellspring.is_pipeline()))"
    )


def upgrade() -> None:
    create_role(FEEDER)
    for table in FED:
        op.execute(
            f"ALTER TABLE core_api.{table} ADD COLUMN source text, ADD COLUMN source_version bigint NOT NULL DEFAULT 0"
        )
    op.execute("ALTER TABLE core_api.peoples ADD COLUMN erased_at timestamptz(3)")
    create_tables()
    grant()
    guard()


def downgrade() -> None:
    op.execute("DROP POLICY workspace_providers_of_the_pipeline ON core_api.workspace_providers")
    op.execute("DROP FUNCTION wellspring.forget_in_answers(uuid, text[], text[])")
    for table in reversed(OWN_TABLES):
        op.execute(f"DROP TABLE wellspring.{table}")
    op.execute("ALTER TABLE core_api.peoples DROP COLUMN erased_at")
    for table in FED:
        op.execute(f"ALTER TABLE core_api.{table} DROP COLUMN source, DROP COLUMN source_version")
    # The role stays: it belongs to the cluster, and other databases of it may know it.
    for ledger in LEDGERS:
        op.execute(f"REVOKE ALL ON SEQUENCE core_api.{ledger}_pk_seq FROM {FEEDER}")
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{function} FROM {FEEDER}")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA core_api, wellspring FROM {FEEDER}")
    op.execute(f"REVOKE ALL ON SCHEMA core_api, wellspring FROM {FEEDER}")
