"""Finding parked messages that miss nothing any more.

What a message misses is kept in `waiting_for`, all of it. Of each message one thing that is missing still is enough to
leave it, so a look at a message that waits costs little, however much it waits for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from wellspring.database import Transaction
from wellspring.models import parents
from wellspring.models.messages import connector_state, sync_messages, sync_runs, waiting_for
from wellspring.repositories import parked
from wellspring.repositories.sync.arrays import array
from wellspring.repositories.sync.messages import FORGET_WAITING, IS_MESSAGE, RUN_DAYS
from wellspring.repositories.sync.tables import RECORDS


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that is kept.

    Attributes:
        connector_pk: the connector that it names, if that was there.
        body: what was sent, without what it said of who was erased since; None where it is not kept any more.
        digest: of what was sent, in hexadecimal digits; None of what was noted before digests were.
    """

    pk: int
    connector_pk: int | None
    group: str | None
    body: str | None
    digest: str | None


_KEPT = f"SELECT pk, workspace_connector_pk, group_id, body, encode(digest, 'hex') FROM {sync_messages} WHERE"
_HAS_BODY = "body IS NOT NULL AND group_id IS NOT NULL"

# What a row is made of must be live; what only ends rows asks for things that there are, or were (`resolving`).
_LIVE = "(thing.deleted_at IS NULL OR waiting.message_type <> 'records.synced')"
_OF_LIVE = (
    "(waiting.message_type <> 'records.synced' OR (SELECT owner.deleted_at IS NULL"
    f" FROM {parents.workspaces} AS owner WHERE owner.pk = thing.workspace_pk))"
)
# A message of the run of who waits for it must be applied, and still be; one that took another's id dismissed.
_OF_RUN = f"""             WHEN 'message' THEN (
               SELECT true FROM {sync_messages} AS message
                WHERE message.message_id = missing.id AND {IS_MESSAGE} AND message.sync_run_pk = waiting.sync_run_pk
                  AND message.outcome = 'applied' AND message.reverted_by_pk IS NULL)
             WHEN 'sync_message' THEN (
               SELECT true FROM {sync_messages} AS message
                WHERE message.id = missing.id AND message.outcome = 'parked') IS NULL"""
_THERE = "\n".join(
    f"             WHEN '{type_}' THEN (SELECT true FROM {table} AS thing WHERE thing.id = missing.id AND {condition})"
    for type_, table, condition in (
        *((type_, tables.records, _LIVE) for type_, tables in RECORDS.items()),
        ("workspace", parents.workspaces, "thing.deleted_at IS NULL"),
        ("provider", parents.providers, "thing.deleted_at IS NULL"),
        ("workspace_connector", parents.workspace_connectors, f"{_LIVE} AND {_OF_LIVE}"),
    )
)

# From one message to the next by the index, for one may wait for thousands of things. Scalar sub-queries and OFFSET 0,
# which the planner cannot make a scan of a whole table of, whatever it believes of it.
_ARE_READY = f"""
SELECT page.pk,
       waiting.outcome = 'parked' AND waiting.has_body AND (
         SELECT true
           FROM {waiting_for} AS missing
          WHERE missing.message_pk = page.pk
            AND CASE missing.type
{_THERE}
{_OF_RUN}
                END IS NOT TRUE
          LIMIT 1) IS NULL AS is_ready
  FROM page
 CROSS JOIN LATERAL (
    SELECT found.outcome, found.body IS NOT NULL AS has_body, found.message_type, found.sync_run_pk
      FROM {sync_messages} AS found
     WHERE found.pk = page.pk
    OFFSET 0
  ) AS waiting
 ORDER BY page.pk"""
WAITING = text(f"""
WITH RECURSIVE waiting AS (
  (SELECT message_pk AS pk FROM {waiting_for} WHERE message_pk > :after ORDER BY message_pk LIMIT 1)
   UNION ALL
  SELECT (SELECT next.message_pk FROM {waiting_for} AS next WHERE next.message_pk > waiting.pk
           ORDER BY next.message_pk LIMIT 1)
    FROM waiting
   WHERE waiting.pk IS NOT NULL
),
page AS MATERIALIZED (
  SELECT pk FROM waiting WHERE pk IS NOT NULL LIMIT :most
){_ARE_READY}""")

_COME = "unnest(CAST(:types AS text[]), CAST(:ids AS uuid[])) AS come (type, id)"
_WAITING_FOR = text(f"""
WITH page AS MATERIALIZED (
  SELECT DISTINCT waiting.message_pk AS pk
    FROM {_COME}
   CROSS JOIN LATERAL (
      SELECT found.message_pk FROM {waiting_for} AS found
       WHERE found.type = come.type AND found.id = come.id
       ORDER BY found.message_pk LIMIT (SELECT CAST(:most AS integer))
    ) AS waiting
   ORDER BY waiting.message_pk LIMIT :most
){_ARE_READY}""")
_ANY_WAITS = text(f"""
SELECT (SELECT true
          FROM {_COME}
         WHERE (SELECT true FROM {waiting_for} AS found WHERE found.type = come.type AND found.id = come.id LIMIT 1)
         LIMIT 1) IS NOT NULL""")


def waiting(transaction: Transaction, after: int, most: int) -> list[tuple[int, bool]]:
    """Return pks of the next messages that wait, behind `after`, in order of arrival; does each miss nothing now?"""
    return [(pk, is_ready) for pk, is_ready in transaction.execute(WAITING, {"after": after, "most": most})]


def any_waits(transaction: Transaction, things: Sequence[tuple[str, str]]) -> bool:
    """Say whether a message waits for one of these things, by type and id. The feed's role may ask this."""
    return bool(transaction.execute(_ANY_WAITS, _come(things)).scalar_one())


def ready(transaction: Transaction, things: Sequence[tuple[str, str]], most: int) -> list[int]:
    """Look at messages that wait for one of these things, by type and id; return those that miss nothing any more."""
    rows = transaction.execute(_WAITING_FOR, {**_come(things), "most": most})
    return [row.pk for row in rows if row.is_ready]


def _come(things: Sequence[tuple[str, str]]) -> dict[str, str]:
    return {"types": array(type_ for type_, _ in things), "ids": array(id_ for _, id_ in things)}


def kept(transaction: Transaction, pks: Sequence[int]) -> list[Kept]:
    """Return those of these messages that are parked still, in order of arrival."""
    return [Kept(*row) for row in transaction.execute(_PARKED_STILL, {"pks": array(pks)})]


def take(transaction: Transaction, id_: UUID) -> Kept:
    """Return a message, whatever became of it."""
    return Kept(*transaction.execute(_TAKE, {"id": id_}).one())


def stalled(transaction: Transaction, quiet: float, most: int) -> list[Kept]:
    """Return messages that are applied in chunks and that nobody has gone on with for so many seconds."""
    return [Kept(*row) for row in transaction.execute(_STALLED, {"quiet": quiet, "most": most})]


_PARKED_STILL = text(f"{_KEPT} pk = ANY (CAST(:pks AS bigint[])) AND outcome = 'parked' AND {_HAS_BODY} ORDER BY pk")
_TAKE = text(f"{_KEPT} id = :id")
# The next one is as good as any: what moves gets a new time with each chunk.
_STALLED = text(f"""
{_KEPT} outcome = 'in_progress' AND {_HAS_BODY}
   AND processed_at < now() - make_interval(secs => :quiet)
 ORDER BY received_at, pk
 LIMIT :most""")

# By the index of what is not applied, from the oldest on.
_PARKED_FOR_LONG = text(f"""
SELECT count(*)
  FROM (SELECT FROM {sync_messages}
         WHERE outcome = 'parked' AND received_at < now() - make_interval(secs => :seconds)
         ORDER BY received_at, pk
         LIMIT :most) AS long""")

_CONNECTOR = text(f"""
SELECT connector.pk
  FROM {parents.workspace_connectors} AS connector
  JOIN {parents.workspaces} AS workspace ON workspace.pk = connector.workspace_pk AND workspace.deleted_at IS NULL
 WHERE connector.id = :id""")

# What was overtaken stays parked whoever asks, what would end too much but for who asks for it alone, and what has no
# body is nothing to apply.
_IS_RELEASABLE = f"{_HAS_BODY} AND reason NOT IN ('overtaken', 'too_many_endings')"

_COUNT_OFF = text(
    f"UPDATE {connector_state} SET parked_messages = parked_messages - 1 WHERE workspace_connector_pk = :connector"
)
# Without its `run.completed` it is open again.
_COUNT_OFF_RUN = text(f"""
UPDATE {sync_runs}
   SET messages_parked = messages_parked - CASE WHEN CAST(:completes AS boolean) THEN 0 ELSE 1 END,
       state = CASE WHEN state = 'incomplete' AND completed_by_pk = :message THEN 'open' ELSE state END
 WHERE pk = :run""")

# Found without a lock; what became of them meanwhile is asked behind it.
_TOO_OLD = text(f"""
SELECT DISTINCT found.workspace_connector_pk
  FROM (SELECT workspace_connector_pk FROM {sync_runs}
         WHERE state IN ('open', 'incomplete') AND started_at < now() - interval '{RUN_DAYS} days'
         ORDER BY started_at, pk LIMIT :most) AS found""")
_LOCK = text("SELECT wellspring.lock_connectors(CAST(:connectors AS bigint[]), NULL)")
_EXPIRE_RUNS = text(f"""
WITH expired AS (
  UPDATE {sync_runs}
     SET state = 'expired'
   WHERE workspace_connector_pk = ANY (CAST(:connectors AS bigint[])) AND state IN ('open', 'incomplete')
     AND started_at < now() - interval '{RUN_DAYS} days'
  RETURNING pk, completed_by_pk
),
dropped AS (
  UPDATE {sync_messages}
     SET body = NULL, reason = 'expired'
   WHERE sync_run_pk = ANY (ARRAY(SELECT pk FROM expired)) AND outcome = 'parked' AND message_type = 'run.completed'
     AND reason NOT IN ('malformed', 'reused_id')
  RETURNING pk
),
forgotten AS (
  DELETE FROM {waiting_for} WHERE message_pk = ANY (ARRAY(SELECT pk FROM dropped))
)
SELECT count(*) FROM expired""")


def expire_runs(transaction: Transaction, most: int) -> int:
    """Write down which runs took too long, and drop the bodies of their `run.completed`; return how many.

    Connectors are locked of `most` runs.
    """
    connectors = transaction.execute(_TOO_OLD, {"most": most}).scalars().all()
    if not connectors:
        return 0
    transaction.execute(_LOCK, {"connectors": array(connectors)})
    return int(transaction.execute(_EXPIRE_RUNS, {"connectors": array(connectors)}).scalar_one())


def parked_for_long(transaction: Transaction, seconds: float, most: int) -> int:
    """Return how many messages are parked for longer than so many seconds, counted up to `most`."""
    return int(transaction.execute(_PARKED_FOR_LONG, {"seconds": seconds, "most": most}).scalar_one())


def connector(transaction: Transaction, id_: UUID) -> int | None:
    """Return the pk of a connector of a live workspace, tombstoned or not; None where there is none."""
    return transaction.execute(_CONNECTOR, {"id": id_}).scalar_one_or_none()


def releasable(
    transaction: Transaction, connector_pk: int | None, reason: str | None, most: int
) -> tuple[int, list[int]]:
    """Return how many parked messages may be tried again, and the pks of the oldest of them.

    Without a connector it is everybody's, those of no connector too; without a reason whatever they are parked for.
    """
    conditions = {"workspace_connector_pk": connector_pk, "reason": reason}
    matching = {name: value for name, value in conditions.items() if value is not None}
    return parked.oldest(transaction, parked.MESSAGES, matching, most, column="pk", where=_IS_RELEASABLE)


def dismiss(transaction: Transaction, id_: UUID, note: str) -> bool:
    """Close a parked message, behind the lock of its connector. Return whether it was parked still."""
    closed = parked.dismiss(transaction, parked.MESSAGES, id_, note)
    if closed is None:
        return False
    transaction.execute(FORGET_WAITING, {"messages": array([closed.pk])})
    if closed.workspace_connector_pk is not None:
        transaction.execute(_COUNT_OFF, {"connector": closed.workspace_connector_pk})
    if closed.sync_run_pk is not None:
        completes = closed.message_type == "run.completed" and closed.reason != "malformed"
        values = {"run": closed.sync_run_pk, "message": closed.pk, "completes": completes}
        transaction.execute(_COUNT_OFF_RUN, values)
    return True
