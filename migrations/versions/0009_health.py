"""Is a connector well: one rule, which triggers call in the transaction of whatever it depends on (docs/adr/0052).

What the rule reads is in `connector_state`: the times of the last syncs, what was parked, when a disconnect was
applied; and in the connector's own row. Its verdict is in that row too, because lists are filtered by it; the reasons,
and when the verdict changes by itself, are in `connector_state`.

`fleet` is one row of what is said of all connectors together; what else it says comes with a later revision.
"""

from alembic import op

from migrations import support
from migrations.support import CONSUMER, FEEDER, IS_SERVICE, LIVE, READER, WRITER, outside_transaction

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATE = "wellspring.connector_state"
CONNECTORS = "core_api.workspace_connectors"
# `syncs` are the last 21, so 20 gaps; `sync_runs` has a number for the run of each, null where it has none. `due_at` is
# when the next one comes as a rule. `applied_at` is when the last `records.synced` was applied, `disconnected_at` when
# the last applied message was, where that is a disconnect.
COLUMNS = {
    "syncs": "timestamptz(3)[] NOT NULL DEFAULT '{}'",
    "sync_runs": "integer[] NOT NULL DEFAULT '{}'",
    "due_at": "timestamptz(3)",
    "expected_by": "timestamptz(3)",
    "complete_through": "timestamptz(3)",
    "applied_at": "timestamptz(3)",
    "disconnected_at": "timestamptz(3)",
    "health_reasons": "jsonb",
    "health_changes_at": "timestamptz(3)",
}
FLEET = """
CREATE TABLE wellspring.fleet (
  pk smallint NOT NULL DEFAULT 1 CONSTRAINT pk_fleet PRIMARY KEY CONSTRAINT ck_fleet_one CHECK (pk = 1),
  is_silent boolean NOT NULL DEFAULT false,
  silent_since timestamptz(3),
  silent_until timestamptz(3)
)
"""
OF_CALLER = f"{support.opened('row.workspace_pk')} OR {IS_SERVICE} AND {support.is_live('row.workspace_pk')}"
VIEW = f"VIEW wellspring.workspace_connectors_of_caller AS SELECT row.* FROM {CONNECTORS} AS row WHERE {OF_CALLER}"
POLICIES = {
    "services": f"FOR SELECT TO {READER}, {WRITER} USING ({IS_SERVICE})",
    "the_pipeline": f"TO {CONSUMER} USING ({IS_SERVICE})",
}
INDEXES = {
    "idx_connector_state_health_changes": (STATE, "(health_changes_at) WHERE health_changes_at IS NOT NULL"),
    "idx_workspace_connectors_workspace_health_live": (
        CONNECTORS,
        f"(workspace_pk, health, created_at, pk) WHERE {LIVE}",
    ),
}
# What the verdict depends on. `health_changes_at` is written by who asks for a new one.
INPUTS = "parked_messages, last_synced_at, last_failed_at, applied_at, disconnected_at, syncs, health_changes_at"
REASON = (
    "jsonb_build_object('code', {code}, 'at', to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'))"
)

SPAN_PARAMETERS = "from_pk bigint, to_pk bigint, mend boolean"
DIFFERENCE = (
    "name text, connector_pk bigint, date date, type text, direction core_api.direction_enum,"
    " counted bigint, kept bigint"
)

FUNCTIONS: support.Functions = {
    (CONSUMER,): {
        # A sync is a run, or a message without one more than 15 minutes after the sync before. What is older than the
        # last one tells nothing of the rhythm.
        "add_syncs(syncs timestamptz[], runs integer[], times timestamptz[], names text[])": """
    RETURNS TABLE (known_syncs timestamptz[], known_runs integer[])
    LANGUAGE plpgsql IMMUTABLE ROWS 1 SET search_path = '' AS $$
    DECLARE
      newest timestamptz := syncs[cardinality(syncs)];
      run integer;
    BEGIN
      FOR number IN 1 .. coalesce(cardinality(times), 0) LOOP
        run := hashtext(names[number]);
        CONTINUE WHEN times[number] IS NULL OR times[number] <= newest
          OR CASE WHEN run IS NULL THEN times[number] <= newest + interval '15 minutes' ELSE run = ANY (runs) END;
        newest := times[number];
        syncs := (array_append(syncs, newest))[greatest(1, cardinality(syncs) - 19):];
        runs := (array_append(runs, run))[greatest(1, cardinality(runs) - 19):];
      END LOOP;
      known_syncs := syncs;
      known_runs := runs;
      RETURN NEXT;
    END $$""",
        # Nine gaps of ten are no longer than `usual`. Whoever has weekends, or the like, is not late in each of them:
        # `longest` is at least a tenth more than that.
        "rhythm(syncs timestamptz[])": """
    RETURNS TABLE (usual interval, longest interval) LANGUAGE sql IMMUTABLE ROWS 1 SET search_path = '' AS $$
      SELECT usual, greatest(interval '1 day', 2 * median, 1.1 * usual)
        FROM (SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY gap) AS usual,
                     percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS median
                FROM (SELECT at - lag(at) OVER (ORDER BY number) AS gap
                        FROM unnest(syncs) WITH ORDINALITY AS sync (at, number)) AS gaps
               WHERE gap IS NOT NULL
              HAVING count(*) >= 3) AS of_gaps
    $$""",
        # The rule. While all are silent nobody becomes late; after that everybody has as long as ever to come again.
        f"health_of(state {STATE}, at timestamptz)": f"""
    RETURNS TABLE (health text, reasons jsonb, changes_at timestamptz(3))
    LANGUAGE plpgsql STABLE ROWS 1 SET search_path = '' AS $$
    #variable_conflict use_variable
    DECLARE
      of record;
      fleet record;
      ended_at timestamptz;
      failing_at timestamptz;
      late_at timestamptz;
      late jsonb;
    BEGIN
      SELECT connector.status, connector.created_at, connector.updated_at, connector.deleted_at,
             connector.consent_expires_at
        INTO of FROM {CONNECTORS} AS connector WHERE connector.pk = state.workspace_connector_pk;
      reasons := '[]';
      ended_at := coalesce(of.deleted_at, state.disconnected_at);
      IF ended_at IS NOT NULL THEN
        reasons := reasons || {REASON.format(code="'disconnected'", at="ended_at")};
      END IF;
      IF of.status <> 'active' THEN
        failing_at := coalesce(of.updated_at, of.created_at);
      END IF;
      IF state.parked_messages > 0 AND (state.applied_at IS NULL OR state.last_failed_at >= state.applied_at) THEN
        failing_at := least(failing_at, state.last_failed_at);
      END IF;
      IF failing_at IS NOT NULL THEN
        reasons := reasons || {REASON.format(code="'failing'", at="failing_at")};
      END IF;
      IF of.consent_expires_at <= at THEN
        reasons := reasons || {REASON.format(code="'consent_expired'", at="of.consent_expires_at")};
      END IF;
      late_at := state.expected_by;
      IF late_at <= at THEN
        late := {REASON.format(code="'late'", at="late_at")};
        IF NOT coalesce(state.health_reasons @> jsonb_build_array(late), false) THEN
          SELECT one.is_silent, one.silent_until INTO fleet FROM wellspring.fleet AS one;
          IF NOT coalesce(fleet.is_silent, false) THEN
            late_at := greatest(late_at, fleet.silent_until + (late_at - state.last_synced_at));
          END IF;
          IF late_at > at OR fleet.is_silent THEN
            late := NULL;
          END IF;
        END IF;
        IF late IS NOT NULL THEN
          reasons := reasons || late;
          late_at := NULL;
        END IF;
      END IF;
      IF of.consent_expires_at > at AND of.consent_expires_at <= at + interval '30 days' THEN
        reasons := reasons || {REASON.format(code="'consent_expires'", at="of.consent_expires_at")};
      END IF;
      IF state.last_synced_at IS NULL THEN
        reasons := reasons || {REASON.format(code="'new'", at="of.created_at")};
      END IF;
      health := coalesce(reasons -> 0 ->> 'code', 'ok');
      changes_at := least(late_at, CASE WHEN of.consent_expires_at - interval '30 days' > at
                                        THEN of.consent_expires_at - interval '30 days'
                                        WHEN of.consent_expires_at > at THEN of.consent_expires_at END);
      RETURN NEXT;
    END $$""",
    },
    (): {
        # The index on `health_changes_at` is not written anew with each sync: where the verdict changes later than was
        # known, it is looked at again when that time has come.
        "judge()": f"""
    RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      verdict record;
      allowance record;
    BEGIN
      IF NEW.syncs IS DISTINCT FROM OLD.syncs OR (NEW.expected_by IS NULL AND cardinality(NEW.syncs) > 3) THEN
        SELECT usual, longest INTO allowance FROM wellspring.rhythm(NEW.syncs);
        NEW.due_at := NEW.last_synced_at + allowance.usual;
        NEW.expected_by := NEW.last_synced_at + allowance.longest;
      ELSIF NEW.last_synced_at IS DISTINCT FROM OLD.last_synced_at THEN
        NEW.due_at := NEW.last_synced_at + (OLD.due_at - OLD.last_synced_at);
        NEW.expected_by := NEW.last_synced_at + (OLD.expected_by - OLD.last_synced_at);
      END IF;
      SELECT health, reasons, changes_at INTO verdict FROM wellspring.health_of(NEW, now());
      NEW.health_reasons := verdict.reasons;
      NEW.health_changes_at := CASE WHEN OLD.health_changes_at > now() AND OLD.health_changes_at < verdict.changes_at
                                    THEN OLD.health_changes_at ELSE verdict.changes_at END;
      UPDATE {CONNECTORS} AS connector
         SET health = verdict.health
       WHERE connector.pk = NEW.workspace_connector_pk AND connector.health <> verdict.health;
      RETURN NEW;
    END $$""",
        "judge_new_connectors()": """
    RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM wellspring.judge_connectors(ARRAY(
        SELECT pk FROM new_rows
         WHERE status <> 'active' OR deleted_at IS NOT NULL OR consent_expires_at IS NOT NULL));
      RETURN NULL;
    END $$""",
        "judge_connector()": """
    RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM wellspring.judge_connectors(ARRAY[NEW.pk]);
      RETURN NULL;
    END $$""",
    },
}
# Under their locks, in ascending order; whoever settles, and whoever changes connectors, has most of these by then.
JUDGE_CONNECTORS: support.Functions = {
    (CONSUMER,): {
        "judge_connectors(pks bigint[])": f"""
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      IF cardinality(pks) > 0 THEN
        PERFORM wellspring.lock_connectors(pks, NULL);
        UPDATE {STATE} SET health_changes_at = NULL WHERE workspace_connector_pk = ANY (pks);
      END IF;
    END $$""",
    }
}
# A verdict whose time has come is not wrong: `settle` is about to change it. `type` says what it should be.
RECOUNT: support.Functions = {
    (): {
        f"recount_health({SPAN_PARAMETERS})": f"""
    RETURNS TABLE ({DIFFERENCE}) LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      wrong bigint[];
      verdicts text[];
    BEGIN
      SELECT array_agg(state.workspace_connector_pk), array_agg(verdict.health)
        INTO wrong, verdicts
        FROM {STATE} AS state
        JOIN {CONNECTORS} AS connector ON connector.pk = state.workspace_connector_pk
       CROSS JOIN LATERAL wellspring.health_of(state, now()) AS verdict
       WHERE state.workspace_connector_pk >= from_pk AND state.workspace_connector_pk < to_pk
         AND coalesce(state.health_changes_at > now(), true)
         AND (connector.health <> verdict.health OR state.health_reasons <> verdict.reasons);
      IF mend THEN
        PERFORM wellspring.judge_connectors(wrong);
      END IF;
      RETURN QUERY
      SELECT 'health', found.pk, NULL::date, found.verdict, NULL::core_api.direction_enum, 1::bigint, 0::bigint
        FROM unnest(wrong, verdicts) AS found (pk, verdict);
    END $$""",
    },
    (CONSUMER,): {
        f"recount({SPAN_PARAMETERS})": f"""
    RETURNS TABLE ({DIFFERENCE}) LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      RETURN QUERY SELECT * FROM wellspring.recount_sums(from_pk, to_pk, mend);
      RETURN QUERY SELECT * FROM wellspring.recount_health(from_pk, to_pk, mend);
    END $$""",
    },
}
SUMS = "(bigint, bigint, boolean)"
TRIGGERS = {
    f"{STATE}": f"""
    CREATE TRIGGER health_is_judged BEFORE UPDATE OF {INPUTS} ON {STATE}
      FOR EACH ROW EXECUTE FUNCTION wellspring.judge()""",
    f"{CONNECTORS} (new)": f"""
    CREATE TRIGGER health_is_judged_when_made AFTER INSERT ON {CONNECTORS} REFERENCING NEW TABLE AS new_rows
      FOR EACH STATEMENT EXECUTE FUNCTION wellspring.judge_new_connectors()""",
    # Since when a status is not active is known by the time of the last change.
    f"{CONNECTORS}": f"""
    CREATE TRIGGER health_is_judged AFTER UPDATE OF status, updated_at, deleted_at, consent_expires_at ON {CONNECTORS}
      FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at
                         OR OLD.consent_expires_at IS DISTINCT FROM NEW.consent_expires_at
                         OR NEW.status <> 'active' AND OLD.updated_at IS DISTINCT FROM NEW.updated_at)
      EXECUTE FUNCTION wellspring.judge_connector()""",
}

# Of each connector its newest 200 messages, to be quick: of one that syncs in many it is fewer gaps.
FILL = f"""
UPDATE {STATE} AS state
   SET (syncs, sync_runs) = (
         SELECT known_syncs, known_runs
           FROM (SELECT array_agg(occurred_at ORDER BY occurred_at, pk) AS times,
                        array_agg(run ORDER BY occurred_at, pk) AS names
                   FROM (SELECT pk, occurred_at, run FROM wellspring.sync_messages AS message
                          WHERE message.workspace_connector_pk = state.workspace_connector_pk
                            AND message.occurred_at IS NOT NULL AND message.message_type = 'records.synced'
                            AND message.outcome = 'applied'
                          ORDER BY message.occurred_at DESC, message.pk DESC LIMIT 200) AS newest) AS found,
                wellspring.add_syncs('{{}}', '{{}}', found.times, found.names)),
       applied_at = CASE WHEN last_synced_at IS NOT NULL THEN (
         SELECT max(newest.processed_at)
           FROM (SELECT message.processed_at FROM wellspring.sync_messages AS message
                  WHERE message.workspace_connector_pk = state.workspace_connector_pk
                    AND message.message_type = 'records.synced' AND message.outcome = 'applied'
                    AND message.processed_at IS NOT NULL
                  ORDER BY message.processed_at DESC, message.pk DESC LIMIT 1) AS newest) END,
       disconnected_at = (
         SELECT CASE WHEN newest.message_type = 'connector.disconnected' THEN newest.processed_at END
           FROM (SELECT message.message_type, message.processed_at FROM wellspring.sync_messages AS message
                  WHERE message.workspace_connector_pk = state.workspace_connector_pk
                    AND message.outcome = 'applied' AND message.processed_at IS NOT NULL
                  ORDER BY message.processed_at DESC, message.pk DESC LIMIT 1) AS newest),
       complete_through = (SELECT max(run.occurred_at) FROM wellspring.sync_runs AS run
                            WHERE run.workspace_connector_pk = state.workspace_connector_pk AND run.state = 'complete')
"""
FILL_OTHERS = f"""
SELECT wellspring.judge_connectors(ARRAY(
  SELECT pk FROM {CONNECTORS} WHERE status <> 'active' OR deleted_at IS NOT NULL))
"""


def upgrade() -> None:
    support.add_attribute("workspace_connectors", "consent_expires_at timestamptz(3)")
    op.execute(f"ALTER TABLE {CONNECTORS} ADD COLUMN health text NOT NULL DEFAULT 'new'")
    op.execute(f"CREATE OR REPLACE {VIEW}")
    for name, definition in COLUMNS.items():
        op.execute(f"ALTER TABLE {STATE} ADD COLUMN {name} {definition}")
    op.execute(FLEET)
    op.execute("INSERT INTO wellspring.fleet DEFAULT VALUES")
    op.execute(f"GRANT SELECT ON wellspring.fleet TO {READER}, {WRITER}")
    op.execute(f"GRANT SELECT, UPDATE ON wellspring.fleet TO {CONSUMER}")
    op.execute("ALTER TABLE wellspring.fleet ENABLE ROW LEVEL SECURITY")
    for name, of in POLICIES.items():
        op.execute(f"CREATE POLICY fleet_of_{name} ON wellspring.fleet {of}")
    support.create_functions(FUNCTIONS)
    support.create_functions(JUDGE_CONNECTORS)
    op.execute(f"ALTER FUNCTION wellspring.recount{SUMS} RENAME TO recount_sums")
    op.execute(f"REVOKE ALL ON FUNCTION wellspring.recount_sums{SUMS} FROM {CONSUMER}")
    support.create_functions(RECOUNT)
    # Whoever tells of a connector changes its health, behind the same lock as everybody.
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.lock_connectors(bigint[], integer) TO {FEEDER}")
    for trigger in TRIGGERS.values():
        op.execute(trigger)
    op.execute(FILL)
    op.execute(FILL_OTHERS)
    with outside_transaction():
        for name, (table, covers) in INDEXES.items():
            support.build_index(name, table, covers)


def downgrade() -> None:
    op.execute(f"REVOKE EXECUTE ON FUNCTION wellspring.lock_connectors(bigint[], integer) FROM {FEEDER}")
    for name, (table, _) in INDEXES.items():
        op.execute(f"DROP INDEX {table.partition('.')[0]}.{name}")
    for table in TRIGGERS:
        name = "health_is_judged" + "_when_made" * table.endswith("(new)")
        op.execute(f"DROP TRIGGER {name} ON {table.removesuffix(' (new)')}")
    for function in ("recount", "recount_health"):
        op.execute(f"DROP FUNCTION wellspring.{function}{SUMS}")
    op.execute(f"ALTER FUNCTION wellspring.recount_sums{SUMS} RENAME TO recount")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.recount{SUMS} TO {CONSUMER}")
    support.drop_functions(JUDGE_CONNECTORS)
    support.drop_functions(FUNCTIONS)
    op.execute("DROP TABLE wellspring.fleet")
    for name in COLUMNS:
        op.execute(f"ALTER TABLE {STATE} DROP COLUMN {name}")
    op.execute("DROP VIEW wellspring.workspace_connectors_of_caller")
    for name in ("health", "consent_expires_at"):
        op.execute(f"ALTER TABLE {CONNECTORS} DROP COLUMN {name}")
    op.execute(f"CREATE {VIEW}")
    op.execute(f"GRANT SELECT ON wellspring.workspace_connectors_of_caller TO {READER}, {WRITER}")
