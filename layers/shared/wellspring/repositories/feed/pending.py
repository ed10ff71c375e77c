"""Events that wait or are parked: keeping them, finding those that may be applied now, and forgetting what is old."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from wellspring.models import feed
from wellspring.repositories import parked
from wellspring.repositories.feed.applying import FED
from wellspring.repositories.feed.work import UNKNOWN_REFERENCE, FeedEvent, Told, Verdict, read

# What an event misses, by type and key.
type Thing = tuple[str, str]

# One that is there already stays as it is: dismissed, it is done; parked, it has been told. What may name somebody who
# was erased is kept without its text; of another type's event that is known, the text has ids and no name of a person.
_KEEP = text(f"""
INSERT INTO {feed.pending_events}
       (source, event_id, event_type, type, subject, version, digest, outcome, reason, problems,
        missing_type, missing_key, event)
SELECT source, event_id, event_type, type, subject, version, sha256(convert_to(event, 'UTF8')) AS digest, outcome,
       reason, problems, missing_type, missing_key,
       CASE WHEN coalesce(type, 'people') <> 'people' OR wellspring.erased_in(event) IS NULL THEN event END
  FROM jsonb_to_recordset(CAST(:events AS jsonb))
    AS event (source text, event_id text, event_type text, type text, subject uuid, version bigint,
              outcome text, reason text, problems jsonb, missing_type text, missing_key text, event text)
 ORDER BY digest
    ON CONFLICT (digest) DO NOTHING""")

# From one missing thing to the next by the index, so that a hundred thousand events that wait for one cost what one
# costs. Two lookups for each thing that is missed, and at most `:things` of them. A person who was erased before they
# came never will: what names them is applied as an ending, so that its version is kept.
_READY = text(f"""
WITH RECURSIVE missed AS (
  (SELECT missing_type, missing_key
     FROM {feed.pending_events}
    WHERE missing_key IS NOT NULL AND (missing_type, missing_key) > (:after_type, :after_key)
    ORDER BY missing_type, missing_key LIMIT 1)
   UNION ALL
  SELECT next.missing_type, next.missing_key
    FROM missed
   CROSS JOIN LATERAL (
      SELECT missing_type, missing_key
        FROM {feed.pending_events}
       WHERE missing_key IS NOT NULL AND (missing_type, missing_key) > (missed.missing_type, missed.missing_key)
       ORDER BY missing_type, missing_key LIMIT 1) AS next
)
SELECT missing_type, missing_key,
       CASE missing_type
{
    "".join(
        f"            WHEN '{type_}' THEN coalesce((SELECT true FROM {fed.table} AS found"
        f" WHERE found.id = CAST(missing_key AS uuid)), (SELECT gone.erased_at IS NOT NULL"
        f" FROM {feed.tombstones} AS gone"
        f" WHERE gone.type = '{type_}' AND gone.id = CAST(missing_key AS uuid))){chr(10)}"
        for type_, fed in FED.items()
    )
}{
    "".join(
        f"            WHEN '{type_}_{fed.unique}' THEN"
        f" (SELECT count(*) = 0 FROM {fed.table} AS found WHERE found.{fed.unique} = missing_key){chr(10)}"
        for type_, fed in FED.items()
        if fed.unique
    )
}       END IS TRUE AS is_there
  FROM (SELECT * FROM missed LIMIT :things) AS looked_at""")

# Whoever works on some of them already goes on; nobody waits.
_TAKE = text(f"""
SELECT pending.pk, pending.outcome, pending.event
  FROM unnest(CAST(:types AS text[]), CAST(:keys AS text[])) AS missed (type, key)
 CROSS JOIN LATERAL (
    SELECT found.pk, found.outcome, found.event
      FROM {feed.pending_events} AS found
     WHERE found.missing_type = missed.type AND found.missing_key = missed.key
     ORDER BY found.pk LIMIT :most
       FOR UPDATE SKIP LOCKED) AS pending
 LIMIT :most""")

_TAKE_ONE = text(f"""
SELECT pk, outcome, event, type FROM {feed.pending_events} WHERE id = :id FOR UPDATE""")

_DELETE = text(f"DELETE FROM {feed.pending_events} WHERE pk = ANY (CAST(:pks AS bigint[]))")

# What was parked stays with its outcome, and without the event, which is of no more use.
_SETTLE = text(f"""
UPDATE {feed.pending_events} AS old
   SET outcome = new.outcome, reason = new.reason, problems = new.problems, missing_type = new.missing_type,
       missing_key = new.missing_key, updated_at = now(),
       event = CASE WHEN new.outcome IN ('applied', 'dismissed') THEN NULL ELSE old.event END
  FROM jsonb_to_recordset(CAST(:events AS jsonb))
    AS new (pk bigint, outcome text, reason text, problems jsonb, missing_type text, missing_key text)
 WHERE old.pk = new.pk""")

# It stays with what it misses: when that has come after all, the event is applied.
_EXPIRE = text(f"""
UPDATE {feed.pending_events} AS old
   SET outcome = 'parked', reason = '{UNKNOWN_REFERENCE}', updated_at = now(),
       problems = jsonb_build_array(jsonb_build_object(
         'code', '{UNKNOWN_REFERENCE}', 'type', old.missing_type, 'id', old.missing_key))
 WHERE old.pk = ANY (ARRAY(
         SELECT late.pk FROM {feed.pending_events} AS late
          WHERE late.outcome = 'waiting' AND late.received_at < now() - make_interval(secs => :seconds)
          ORDER BY late.received_at, late.pk LIMIT :most
            FOR UPDATE SKIP LOCKED))""")


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that was taken to be tried again; its row is locked.

    People were told of one that was parked; else it waited. The event is None where none was sent, or it has expired.
    """

    pk: int
    was_parked: bool
    event: FeedEvent | None


def keep(transaction: Connection, kept: Iterable[tuple[Told, Verdict]]) -> None:
    """Keep events that wait or are parked, each once, however often it is sent.

    Where one of them is of a person, or is no event, people are locked (`applying.lock_types`): nobody is erased.
    """
    rows = [
        {
            "source": told.source,
            "event_id": told.event_id,
            "event_type": told.event_type,
            "type": told.type if isinstance(told, FeedEvent) else None,
            "subject": told.subject,
            "version": told.version if isinstance(told, FeedEvent) else None,
            "event": told.text,
            **_outcome(verdict),
        }
        for told, verdict in kept
    ]
    if rows:
        transaction.execute(_KEEP, {"events": json.dumps(rows)})


def _outcome(verdict: Verdict) -> dict[str, object]:
    missing_type, missing_key = verdict.missing or (None, None)
    outcome: dict[str, object] = {"outcome": verdict.status, "reason": verdict.reason, "problems": verdict.problems}
    return outcome | {"missing_type": missing_type, "missing_key": missing_key}


def come(transaction: Connection, after: Thing, most: int) -> tuple[list[Thing], Thing | None]:
    """Look for what events miss, behind a thing (two empty strings to begin).

    Returns what of it is there by now, and the thing looked at last; None where there are no more.
    """
    rows = transaction.execute(_READY, {"after_type": after[0], "after_key": after[1], "things": most}).all()
    there = [(row.missing_type, row.missing_key) for row in rows if row.is_there]
    last = (rows[-1].missing_type, rows[-1].missing_key) if len(rows) == most else None
    return there, last


def take(transaction: Connection, missed: Sequence[Thing], most: int) -> list[Pending]:
    """Lock events that miss one of these things, the oldest first; what another transaction has is left to it."""
    types, keys = map(list, zip(*missed, strict=True))
    rows = transaction.execute(_TAKE, {"types": types, "keys": keys, "most": most})
    return [Pending(pk, outcome == "parked", read(event)) for pk, outcome, event in rows]


def take_one(transaction: Connection, id_: UUID) -> Pending | None:
    """Lock the parked event of that id; None where there is none, or it is not parked."""
    row = transaction.execute(_TAKE_ONE, {"id": id_}).one_or_none()
    if row is None or row.outcome != "parked":
        return None
    # What was sent and is no event has no type.
    event = read(row.event) if row.type and row.event else None
    return Pending(row.pk, was_parked=True, event=event)


def settle(transaction: Connection, taken: Iterable[tuple[Pending, Verdict]]) -> None:
    """Write down what became of events that were taken."""
    done: list[int] = []
    rows: list[Mapping[str, object]] = []
    for pending, verdict in taken:
        if verdict.is_done and not pending.was_parked:
            done.append(pending.pk)
            continue
        row = {"pk": pending.pk, **_outcome(verdict)}
        if verdict.is_done:
            row["outcome"] = "applied"
        elif verdict.status == "waiting" and pending.was_parked:
            problem = {"code": UNKNOWN_REFERENCE, "type": row["missing_type"], "id": row["missing_key"]}
            row |= {"outcome": "parked", "reason": UNKNOWN_REFERENCE, "problems": [problem]}
        rows.append(row)
    if done:
        transaction.execute(_DELETE, {"pks": done})
    if rows:
        transaction.execute(_SETTLE, {"events": json.dumps(rows)})


def expire(transaction: Connection, waited: timedelta, most: int) -> int:
    """Park events that have waited for so long, the oldest first; return how many."""
    return transaction.execute(_EXPIRE, {"seconds": waited.total_seconds(), "most": most}).rowcount


# A file's rejects go with it.
_FORGET = tuple(
    text(f"""
DELETE FROM {table}
 WHERE pk = ANY (ARRAY(
         SELECT old.pk FROM {table} AS old WHERE old.{time} < now() - make_interval(days => {days}){also}
          ORDER BY old.{time} LIMIT {most} FOR UPDATE SKIP LOCKED))""")
    for table, time, days, also, most in (
        (feed.pending_events, "received_at", ":days", " AND old.outcome <> 'waiting'", ":most"),
        (feed.endings, "done_at", "7", "", ":most"),
        (feed.loads, "started_at", ":days", "", "10"),
    )
)


def forget(transaction: Connection, days: int, most: int) -> int:
    """Delete what is too old, the oldest first, `most` rows of each kind; return how many were deleted or emptied.

    What became of events and files is remembered for so many days; what they carried goes before (`parked`).
    """
    emptied = parked.expire(transaction, parked.EVENTS, most)
    return emptied + sum(transaction.execute(each, {"days": days, "most": most}).rowcount for each in _FORGET)
