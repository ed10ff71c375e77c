"""The row of each message: which are known, and what becomes of those that are dealt with now.

A message's row is written in the transaction of its effect, before the effect: where another delivery of it was
quicker, nothing else runs.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from wellspring.database.flush import Statement
from wellspring.database.sqlstate import constraint
from wellspring.errors import ServiceUnavailable
from wellspring.models.base import direction_enum
from wellspring.models.messages import connector_state, reverted_runs, sync_messages, waiting_for
from wellspring.models.parents import workspace_connectors
from wellspring.queries import PROBLEMS_KEPT
from wellspring.repositories.feed import FED
from wellspring.repositories.sync.arrays import array
from wellspring.work import Arrival, Problem, Synced

# Two deliveries of a message at the same time: the second one waits at these, and violates one when the first commits.
_CLAIMED = ("uq_sync_messages_message_id", "uq_sync_messages_digest")
# Told by their digests, for their ids are nobody's or another's.
_ODD = "('malformed', 'reused_id')"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a message before it is dealt with.

    Attributes:
        pk: its row's, or what its row's will be.
        outcome: of its row; None where it has none.
        reason: why that is parked.
        is_same: whether its id is not another body's.
        has_connector: whether its row knows its connector.
        is_overtaken: whether what came later forbids that it is applied now; of one that is in progress, that it
            brings rows back.
        is_reverted: whether its run was reverted.
        progress: how far it has come.
    """

    pk: int
    outcome: str | None
    reason: str | None
    is_same: bool
    has_connector: bool
    is_overtaken: bool
    is_reverted: bool
    progress: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is written of a message.

    Attributes:
        pk: its row's.
        arrival: the message.
        outcome: `applied`, `in_progress` or `parked`.
        connector_pk: the connector that it names, if it is there.
        workspace_pk: whose it is.
        counts: what it did, as far as that is known.
        reason: why it is parked.
        problems: all of them.
        progress: how far it has come.
        was: what was known of it.
    """

    pk: int
    arrival: Arrival
    outcome: str
    connector_pk: int | None = None
    workspace_pk: int | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    reason: str | None = None
    problems: Sequence[Problem] = ()
    progress: Mapping[str, Any] | None = None
    was: Known


def lock(connector_ids: Iterable[str]) -> Statement:
    """Lock the state of these connectors, in ascending order: whoever writes rows of a connector does that first."""
    return Statement(LOCK, {"ids": array(connector_ids)})


LOCK = text(f"""
SELECT true FROM wellspring.lock_connectors(
  ARRAY(SELECT connector.pk FROM {workspace_connectors} AS connector WHERE connector.id = ANY (CAST(:ids AS uuid[]))),
  NULL)""")


def known(arrivals: Sequence[Arrival]) -> Statement:
    """Ask what is known of messages; answered for each, in their order, with the values of a `Known`."""
    return Statement(
        KNOWN,
        {
            "ids": array(arrival.message_id for arrival in arrivals),
            "digests": array(arrival.digest for arrival in arrivals),
            "subjects": array(arrival.subject_id for arrival in arrivals),
            "adding": array(arrival.only_adds for arrival in arrivals),
            # Of any characters, which an array's text would have to quote.
            "runs": json.dumps([arrival.run for arrival in arrivals]),
        },
    )


# What came later has a higher pk. An append or a match may come after others of these; and what was being applied in
# chunks when they came may bring rows back beside theirs. What is parked has ended nothing of those.
KNOWN = text(f"""
SELECT CASE WHEN entry.is_same THEN entry.pk ELSE wellspring.next_message() END,
       CASE WHEN entry.is_same THEN entry.outcome END, CASE WHEN entry.is_same THEN entry.reason END,
       coalesce(entry.is_same, true), coalesce(entry.workspace_connector_pk IS NOT NULL, false),
       coalesce(entry.is_same AND entry.outcome IN ('parked', 'in_progress'), false) AND EXISTS (
         SELECT FROM {sync_messages} AS later
          WHERE later.subject_id = input.subject_id AND later.pk > entry.pk AND later.outcome <> 'dismissed'
            AND NOT (entry.outcome = 'in_progress' AND later.outcome = 'parked')
            AND NOT ((input.only_adds OR entry.outcome = 'in_progress')
                     AND (later.mode IS NOT DISTINCT FROM 'append'
                          OR later.message_type = 'providers.matched'))),
       input.run IS NOT NULL AND (
         SELECT true FROM {reverted_runs} AS reverted
          WHERE reverted.run = input.run AND reverted.workspace_connector_pk = (
            SELECT connector.pk FROM {workspace_connectors} AS connector WHERE connector.id = input.subject_id)
       ) IS NOT NULL,
       coalesce(entry.progress, '{{}}')
  FROM (SELECT number, CAST(:runs AS jsonb) ->> CAST(number - 1 AS integer) AS run,
               id, decode(digest, 'hex') AS digest, subject_id, only_adds
          FROM unnest(CAST(:ids AS uuid[]), CAST(:digests AS text[]), CAST(:subjects AS uuid[]),
                      CAST(:adding AS boolean[])) WITH ORDINALITY AS given (id, digest, subject_id, only_adds, number)
       ) AS input
  LEFT JOIN LATERAL (
    SELECT found.*, coalesce(found.digest = input.digest, true) AS is_same
      FROM (SELECT same.*, 1 AS rank FROM {sync_messages} AS same
             WHERE same.digest = input.digest AND same.reason IN {_ODD}
             UNION ALL
            SELECT same.*, 2 FROM {sync_messages} AS same
             WHERE same.message_id = input.id AND (same.reason IS NULL OR same.reason NOT IN {_ODD})) AS found
     ORDER BY found.rank
     LIMIT 1
  ) AS entry ON true
 ORDER BY input.number""")


@contextmanager
def claiming() -> Iterator[None]:
    """Say what it means when `write` fails in the block.

    Raises:
        ServiceUnavailable: another delivery of one of the messages was quicker; try again in a new transaction, which
            sees it.
    """
    try:
        yield
    except IntegrityError as error:
        if constraint(error) not in _CLAIMED:
            raise
        raise ServiceUnavailable("Another delivery of the same messages was quicker.") from error


def write(entries: Sequence[Entry]) -> list[Statement]:
    """Write down messages, what they wait for, and what their connectors' state says of them.

    Of who was erased a body that is kept says no more than type and id. Nobody is erased meanwhile.
    """
    states = [state for entry in entries if entry.connector_pk is not None if (state := _state(entry))]
    rows = [_row(entry) for entry in entries]
    asked = [Statement(_LOCK_PEOPLE)] if any(row["body"] is not None for row in rows) else []
    asked += [Statement(WRITE, {"rows": json.dumps(rows), "states": json.dumps(states)})]
    again = [entry.pk for entry in entries if entry.was.outcome == "parked"]
    if again:
        asked.append(Statement(_FORGET_WAITING, {"messages": array(again)}))
    waits = [(entry.pk, *missing) for entry in entries for missing in sorted(_missing(entry))]
    if waits:
        asked.append(
            Statement(
                _WAIT,
                {
                    name: array(values)
                    for name, values in zip(("messages", "types", "ids"), zip(*waits, strict=True), strict=True)
                },
            )
        )
    return asked


def proceed(message_pk: int, progress: Mapping[str, Any] | None) -> Statement:
    """Write down how far a message that is in progress has come; None: it is applied."""
    return Statement(_PROCEED, {"message": message_pk, "progress": None if progress is None else json.dumps(progress)})


_PROCEED = text(f"""
UPDATE {sync_messages} AS message
   SET progress = CAST(:progress AS jsonb), processed_at = now(),
       outcome = CASE WHEN CAST(:progress AS jsonb) IS NULL THEN 'applied' ELSE outcome END,
       body = CASE WHEN CAST(:progress AS jsonb) IS NULL THEN NULL ELSE body END
 WHERE pk = :message""")


def _row(entry: Entry) -> dict[str, Any]:
    arrival = entry.arrival
    is_parked = entry.outcome == "parked"
    return {
        "pk": entry.pk,
        "message_id": arrival.message_id,
        "subject_id": arrival.subject_id,
        "workspace_connector_pk": entry.connector_pk,
        "workspace_pk": entry.workspace_pk,
        "group_id": arrival.group,
        "message_type": arrival.type,
        "direction": arrival.direction,
        "mode": arrival.mode,
        "run": arrival.run,
        "digest": arrival.digest,
        "occurred_at": arrival.occurred_at,
        "sent": arrival.sent or None,
        "counts": entry.counts,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "problems": [asdict(problem) for problem in sorted(entry.problems, key=_place)[:PROBLEMS_KEPT]],
        "problem_count": len(entry.problems),
        "body": arrival.storable_body if is_parked or entry.outcome == "in_progress" else None,
        "progress": entry.progress,
    }


_COLUMNS = (
    "pk, message_id, subject_id, workspace_connector_pk, workspace_pk, group_id, message_type, direction, mode, run,"
    " digest, occurred_at, sent_at, processed_at, counts, outcome, reason, problems, problem_count, body, progress"
)
# As whoever makes people does (`making`), and whoever erases one (`feed.lock_types`).
_LOCK_PEOPLE = text(f"SELECT wellspring.lock_fed_types('{{{list(FED).index('people')}}}')")
# The state's rows are locked by now. They are looked up in an array: a join may read all of them.
WRITE = text(f"""
WITH change AS MATERIALIZED (
  SELECT connector_pk, sum(parked) AS parked, max(synced_at) AS synced_at, bool_or(has_failed) AS has_failed
    FROM jsonb_to_recordset(CAST(:states AS jsonb))
         AS entry (connector_pk bigint, parked integer, synced_at timestamptz, has_failed boolean)
   GROUP BY connector_pk
), stated AS (
  UPDATE {connector_state} AS state
     SET parked_messages = state.parked_messages + change.parked,
         last_synced_at = greatest(state.last_synced_at, change.synced_at),
         last_failed_at = CASE WHEN change.has_failed THEN now() ELSE state.last_failed_at END
    FROM change
   WHERE state.workspace_connector_pk = change.connector_pk
     AND state.workspace_connector_pk = ANY (ARRAY(SELECT connector_pk FROM change))
)
INSERT INTO {sync_messages} AS message ({_COLUMNS})
SELECT pk, message_id, subject_id, workspace_connector_pk, workspace_pk, group_id, message_type, direction, mode, run,
       decode(digest, 'hex'), occurred_at, to_timestamp(sent / 1000.0), CASE WHEN outcome <> 'parked' THEN now() END,
       counts, outcome, reason, problems, problem_count,
       wellspring.without_erased(body, reason IS DISTINCT FROM 'malformed'), progress
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS entry (
         pk bigint, message_id uuid, subject_id uuid, workspace_connector_pk bigint, workspace_pk bigint,
         group_id text, message_type text, direction {direction_enum.schema}.{direction_enum.name}, mode text,
         run text, digest text, occurred_at timestamptz, sent bigint, counts jsonb, outcome text, reason text,
         problems jsonb, problem_count integer, body text, progress jsonb)
 ORDER BY message_id, pk
    ON CONFLICT (pk) DO UPDATE
       SET workspace_connector_pk = coalesce(excluded.workspace_connector_pk, message.workspace_connector_pk),
           workspace_pk = coalesce(excluded.workspace_pk, message.workspace_pk),
           processed_at = excluded.processed_at, outcome = excluded.outcome, reason = excluded.reason,
           counts = CASE WHEN message.outcome = 'in_progress' THEN message.counts ELSE excluded.counts END,
           problems = excluded.problems, problem_count = excluded.problem_count, body = excluded.body,
           progress = excluded.progress""")

_FORGET_WAITING = text(f"DELETE FROM {waiting_for} WHERE message_pk = ANY (CAST(:messages AS bigint[]))")
_WAIT = text(
    f"INSERT INTO {waiting_for} (message_pk, type, id) SELECT DISTINCT *"
    " FROM unnest(CAST(:messages AS bigint[]), CAST(:types AS text[]), CAST(:ids AS uuid[]))"
)


def _place(problem: Problem) -> tuple[bool, str, str]:
    """Return the place of a problem among others, which does not tell what is another tenant's from what is unknown."""
    return problem.code not in {"unknown_connector", "unknown_workspace"}, problem.type, problem.id


def _missing(entry: Entry) -> set[tuple[str, str]]:
    """Return what a parked message waits for; one that was overtaken waits for nothing."""
    if entry.outcome != "parked" or entry.reason == "overtaken":
        return set()
    waits = {(problem.type, problem.id) for problem in entry.problems if problem.code.startswith("unknown_")}
    work = entry.arrival.work
    if entry.connector_pk is not None or not isinstance(work, Synced):
        return waits
    # What it makes itself comes with its connector. What of that turns out to be gone then, it waits for from then on.
    return {(type_, id_) for type_, id_ in waits if not work.can_make(type_, id_)}


def _state(entry: Entry) -> dict[str, Any] | None:
    is_parked = entry.outcome == "parked"
    was_counted = entry.was.outcome == "parked" and entry.was.has_connector
    has_synced = entry.outcome == "applied" and entry.arrival.type == "records.synced"
    if not is_parked and not was_counted and not has_synced:
        return None
    return {
        "connector_pk": entry.connector_pk,
        "parked": int(is_parked) - int(was_counted),
        "synced_at": entry.arrival.occurred_at if has_synced else None,
        "has_failed": is_parked,
    }


def counted(type_: str, name: str, rows: str = "ended") -> str:
    """Return the end of a statement that adds to counts of messages.

    Args:
        type_: of what is counted.
        name: of the count.
        rows: a CTE with a `message_pk` for each thing that is counted.
    """
    return f"""counted AS MATERIALIZED (
  SELECT message_pk, count(*) AS number FROM {rows} GROUP BY message_pk
)
UPDATE {sync_messages} AS message
   SET counts = jsonb_set(
         message.counts, '{{{type_},{name}}}',
         to_jsonb(coalesce(CAST(message.counts #>> '{{{type_},{name}}}' AS bigint), 0)
                  + (SELECT number FROM counted WHERE counted.message_pk = message.pk)))
 WHERE message.pk = ANY (ARRAY(SELECT message_pk FROM counted))
RETURNING message.pk, (SELECT number FROM counted WHERE counted.message_pk = message.pk)"""
