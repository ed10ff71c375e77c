"""All workspaces at a glance, counted into one row (docs/adr/0053), and health by the clock alone (docs/adr/0052).

The rule of health is the database's (revision 0009): triggers ask it in the transaction of each effect, and this asks
it of those whose time has come.
"""

# Asks for no caller: it works for settling, and tells sums of all tenants, which access.rules shows to services and
# operators alone.

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from wellspring.database import Transaction
from wellspring.models.messages import connector_state, fleet, sync_messages, sync_runs
from wellspring.models.parents import connectors, workspace_connectors, workspaces
from wellspring.queries import MAX_TOTAL
from wellspring.resources import HEALTH, SYNC_MESSAGE

# So many tools are told, those first of which most connectors are ill.
MOST_TOOLS = 500
ILL = ("failing", "consent_expired", "late")
_REASONS = next(attribute.choices for attribute in SYNC_MESSAGE.attributes if attribute.name == "reason")

# Connectors as lists show them; messages and runs as far as lists count them, along the indexes of those lists.
_COUNT = text(f"""
WITH tallied AS MATERIALIZED (
  SELECT connector.connector_pk, connector.health, count(*) AS number
    FROM {workspace_connectors} AS connector
    JOIN {workspaces} AS workspace ON workspace.pk = connector.workspace_pk AND workspace.deleted_at IS NULL
   WHERE connector.deleted_at IS NULL
   GROUP BY connector.connector_pk, connector.health
),
by_health AS (
  SELECT health, sum(number)::bigint AS number FROM tallied GROUP BY health
),
tools AS (
  SELECT connector_pk, sum(number)::bigint AS number, jsonb_object_agg(health, number) AS by_health,
         coalesce(sum(number) FILTER (WHERE health = ANY (:ill)), 0)::bigint AS ill
    FROM tallied
   GROUP BY connector_pk
   ORDER BY ill DESC, number DESC, connector_pk
   LIMIT {MOST_TOOLS}
),
parked AS (
  SELECT known.reason, counted.number, oldest.received_at AS oldest_at
    FROM unnest(:reasons) AS known (reason)
   CROSS JOIN LATERAL (SELECT message.received_at FROM {sync_messages} AS message
                        WHERE message.reason = known.reason AND message.outcome = 'parked'
                        ORDER BY message.received_at LIMIT 1) AS oldest
   CROSS JOIN LATERAL (SELECT count(*) AS number
                         FROM (SELECT FROM {sync_messages} AS message
                                WHERE message.reason = known.reason AND message.outcome = 'parked'
                                LIMIT {MAX_TOTAL}) AS found) AS counted
),
incomplete AS (
  SELECT count(*) AS number FROM (SELECT FROM {sync_runs} WHERE state = 'incomplete' LIMIT {MAX_TOTAL}) AS found
)
UPDATE {fleet} AS one
   SET as_of = now(),
       counted = jsonb_build_object(
         'connectors', (SELECT coalesce(jsonb_object_agg(health, number), '{{}}') FROM by_health),
         'tools', (SELECT coalesce(jsonb_agg(to_jsonb(tools) ORDER BY ill DESC, number DESC, connector_pk), '[]')
                     FROM tools),
         'parked', (SELECT coalesce(jsonb_agg(to_jsonb(parked) ORDER BY number DESC, reason), '[]') FROM parked),
         'runs_incomplete', (SELECT number FROM incomplete))
RETURNING (SELECT coalesce(sum(number), 0)::bigint FROM tallied)""").bindparams(
    bindparam("ill", list(ILL), type_=ARRAY(Text)), bindparam("reasons", list(_REASONS), type_=ARRAY(Text))
)

_WHOLE = text(f"""
SELECT as_of, is_silent, CASE WHEN is_silent THEN silent_since END AS silent_since,
       coalesce(counted -> 'connectors', '{{}}') AS by_health,
       coalesce((counted ->> 'runs_incomplete')::bigint, 0) AS runs_incomplete
  FROM {fleet}""")
# A tool that has gone from the catalogue meanwhile is none.
_TOOLS = text(f"""
SELECT connector.id AS connector, connector.name, tool.number, tool.by_health
  FROM {fleet} AS one
 CROSS JOIN LATERAL ROWS FROM (
   jsonb_to_recordset(one.counted -> 'tools') AS (connector_pk bigint, number bigint, by_health jsonb)
 ) WITH ORDINALITY AS tool (connector_pk, number, by_health, place)
  JOIN {connectors} AS connector ON connector.pk = tool.connector_pk
 ORDER BY tool.place""")
_PARKED = text(f"""
SELECT found.reason, found.number, found.oldest_at
  FROM {fleet} AS one
 CROSS JOIN LATERAL ROWS FROM (
   jsonb_to_recordset(one.counted -> 'parked') AS (reason text, number bigint, oldest_at timestamptz)
 ) WITH ORDINALITY AS found (reason, number, oldest_at, place)
 ORDER BY found.place""")


def count(transaction: Transaction) -> int:
    """Count all there is into the one row, for the pipeline; return how many connectors there are."""
    return int(transaction.execute(_COUNT).scalar_one())


def counted(transaction: Transaction) -> Mapping[str, Any]:
    """Return the attributes of `fleet` as they were counted, three statements whatever there is."""
    whole = dict(transaction.execute(_WHOLE).mappings().one())
    by_health = whole.pop("by_health")
    tools = [dict(row) for row in transaction.execute(_TOOLS).mappings()]
    return {
        **whole,
        "connectors": [{"health": health, "number": by_health.get(health, 0)} for health in HEALTH],
        "tools": [tool | {health: tool["by_health"].get(health, 0) for health in HEALTH} for tool in tools],
        "parked": [dict(row) for row in transaction.execute(_PARKED).mappings()],
    }


# ---- health by the clock: who is late, whose consent ends ------------------------------------------------
# More than half of at least so many that were due within a day: then it is nobody's own fault.
DUE, DAY = 20, "interval '1 day'"

# Due is who came within a day, and whose next sync should be here by their rhythm and is not. Who was told to be late
# for longer than that is no part of it, or some who never come again would keep all others silent.
_NOTE_SILENCE = text(f"""
WITH due AS MATERIALIZED (
  SELECT count(*) AS number, count(*) FILTER (WHERE state.due_at <= now()) AS missing
    FROM {connector_state} AS state
    JOIN {workspace_connectors} AS connector ON connector.pk = state.workspace_connector_pk
   WHERE state.expected_by IS NOT NULL AND connector.health <> 'disconnected'
     AND (state.due_at <= now() OR state.last_synced_at > now() - {DAY})
     AND NOT (state.expected_by <= now() - {DAY} AND state.health_reasons @> '[{{"code": "late"}}]')
),
found AS (
  SELECT number >= {DUE} AND 2 * missing > number AS is_silent FROM due
),
noted AS (
  UPDATE {fleet} AS one
     SET is_silent = found.is_silent,
         silent_since = CASE WHEN found.is_silent THEN now() ELSE one.silent_since END,
         silent_until = CASE WHEN found.is_silent THEN NULL ELSE now() END
    FROM found
   WHERE one.is_silent <> found.is_silent
)
SELECT is_silent FROM found""")

_JUDGE = text(f"""
WITH due AS MATERIALIZED (
  SELECT ARRAY(SELECT workspace_connector_pk FROM {connector_state}
                WHERE health_changes_at <= now()
                ORDER BY health_changes_at
                LIMIT :most) AS pks
)
SELECT cardinality(due.pks), CAST(wellspring.judge_connectors(due.pks) AS text) FROM due""")


def note_silence(transaction: Transaction) -> bool:
    """Write down whether all are silent, where that has changed; return whether they are."""
    return bool(transaction.execute(_NOTE_SILENCE).scalar_one())


def judge_due(transaction: Transaction, most: int) -> int:
    """Judge the connectors whose health may change by now, at most so many, under their locks; return how many."""
    return int(transaction.execute(_JUDGE, {"most": most}).one()[0])
