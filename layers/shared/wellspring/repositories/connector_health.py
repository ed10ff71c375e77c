"""Connectors' health by the clock alone: who is late, whose consent ends (docs/adr/0052).

The rule is the database's (revision 0009): triggers ask it in the transaction of each effect, and this asks it of those
whose time has come.
"""

# Asks for no caller: it works for settling, which is a service, and shows nothing.

from sqlalchemy import text

from wellspring.database import Transaction
from wellspring.models.messages import connector_state, fleet
from wellspring.models.parents import workspace_connectors

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
