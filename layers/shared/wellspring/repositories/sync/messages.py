"""The row of each message: which are known, and what becomes of those that are dealt with now.

A message's row is written in the transaction of its effect, before the effect: where another delivery of it was
quicker, nothing else runs.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from wellspring.database import Transaction
from wellspring.database.flush import Result, Statement, execute_pipelined
from wellspring.database.sqlstate import constraint
from wellspring.errors import ServiceUnavailable
from wellspring.messages import Problem, ReceivedMessage, RecordsSynced, RunCompleted
from wellspring.models.base import direction_enum
from wellspring.models.messages import connector_state, sync_messages, sync_runs, waiting_for
from wellspring.models.parents import workspace_connectors
from wellspring.queries import PROBLEMS_KEPT
from wellspring.repositories.feed.applying import FED
from wellspring.repositories.sync.arrays import array
from wellspring.repositories.sync.tables import RECORDS

# Two deliveries of a message at the same time: the second one waits at these, and violates one when the first commits.
_CLAIMED = ("uq_sync_messages_message_id", "uq_sync_messages_digest")
# Told by their digests, for their ids are nobody's or another's.
_ODD = "('malformed', 'reused_id')"
IS_MESSAGE = f"(message.reason IS NULL OR message.reason NOT IN {_ODD})"
# The beginnings of the codes of what a message waits for.
_IS_MISSING = ("unknown_", "incomplete_")


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
        run_state: of its run; None where there is no row of that.
        progress: how far it has come.
    """

    pk: int
    outcome: str | None
    reason: str | None
    is_same: bool
    has_connector: bool
    is_overtaken: bool
    run_state: str | None
    progress: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is written of a message, and what was known of it.

    Attributes:
        outcome: `applied`, `in_progress` or `parked`.
        connector_pk: the connector that it names, if it is there.
        counts: what it did, as far as that is known.
        problems: all of them; the first is the reason.
    """

    message: ReceivedMessage
    was: Known
    outcome: str
    connector_pk: int | None = None
    workspace_pk: int | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    problems: Sequence[Problem] = ()

    @property
    def reason(self) -> str | None:
        """Why it is parked."""
        return self.problems[0].code if self.problems else None

    @property
    def newly_parked(self) -> int:
        """What it adds to how many are parked of its connector."""
        return int(self.outcome == "parked") - int(self.was.outcome == "parked" and self.was.has_connector)


def look_up(
    transaction: Transaction, received: Sequence[ReceivedMessage], *more: Statement
) -> tuple[list[Known], Sequence[Result]]:
    """Lock the connectors of messages; return what is known of each, and what `more` is answered behind the lock."""
    connectors = {id_ for message in received if (id_ := message.workspace_connector_id)}
    # The lock first: what the other statements see is what it protects.
    _, rows, *answers = execute_pipelined(transaction, [lock(sorted(connectors)), known(received), *more])
    return [Known(*row) for row in rows], answers


def lock(connector_ids: Iterable[str]) -> Statement:
    """Lock the state of these connectors, in ascending order: whoever writes rows of a connector does that first."""
    return Statement(LOCK, {"ids": array(connector_ids)})


LOCK = text(f"""
SELECT true FROM wellspring.lock_connectors(
  ARRAY(SELECT connector.pk FROM {workspace_connectors} AS connector WHERE connector.id = ANY (CAST(:ids AS uuid[]))),
  NULL)""")


def known(received: Sequence[ReceivedMessage]) -> Statement:
    """Ask what is known of messages; answered for each, in their order, with the values of a `Known`."""
    return Statement(
        KNOWN,
        {
            "ids": array(message.message_id for message in received),
            "digests": array(message.digest for message in received),
            "subjects": array(message.subject_id for message in received),
            "adding": array(message.only_adds for message in received),
            # Of any characters, which an array's text would have to quote.
            "runs": json.dumps([message.run for message in received]),
        },
    )


# How long a run may take (contract, section 5); `settle` writes it down.
RUN_DAYS = 30
RUN_STATE = f"""
CASE WHEN of_run.state IN ('open', 'incomplete') AND of_run.started_at < now() - interval '{RUN_DAYS} days'
     THEN 'expired' ELSE of_run.state END"""

# What came later has a higher pk. An append or a match may come after others of these; and what was being applied in
# chunks when they came may bring rows back beside theirs. What is parked has ended nothing of those. That a run is
# complete overtakes nobody while it is parked; without a snapshot it ends nothing, as an append.
KNOWN = text(f"""
SELECT CASE WHEN entry.is_same THEN entry.pk ELSE wellspring.next_message() END,
       CASE WHEN entry.is_same THEN entry.outcome END, CASE WHEN entry.is_same THEN entry.reason END,
       coalesce(entry.is_same, true), coalesce(entry.workspace_connector_pk IS NOT NULL, false),
       coalesce(entry.is_same AND entry.outcome IN ('parked', 'in_progress'), false) AND EXISTS (
         SELECT FROM {sync_messages} AS later
          WHERE later.subject_id = input.subject_id AND later.pk > entry.pk AND later.outcome <> 'dismissed'
            AND NOT ((entry.outcome = 'in_progress' OR later.message_type IS NOT DISTINCT FROM 'run.completed')
                     AND later.outcome = 'parked')
            AND NOT ((input.only_adds OR entry.outcome = 'in_progress')
                     AND (later.mode IS NOT DISTINCT FROM 'append'
                          OR later.message_type = 'providers.matched'
                          OR (later.message_type = 'run.completed' AND later.mode IS NULL)))),
       CASE WHEN input.run IS NOT NULL THEN (
         SELECT {RUN_STATE}
           FROM {sync_runs} AS of_run
          WHERE of_run.run = input.run AND of_run.workspace_connector_pk = (
            SELECT connector.pk FROM {workspace_connectors} AS connector WHERE connector.id = input.subject_id)
       ) END,
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


def note(transaction: Transaction, entries: Sequence[Entry], *more: Statement) -> list[Result]:
    """Write down messages, and run `more` in the same flush; return the results of these.

    Raises `ServiceUnavailable` where another delivery of one was quicker: a new transaction sees it.
    """
    written = write(entries)
    try:
        return execute_pipelined(transaction, [*written, *more])[len(written) :]
    except DBAPIError as error:
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
    if runs := _runs(entries):
        asked.append(Statement(_COUNT_IN_RUNS, {"runs": json.dumps(runs)}))
    asked.append(Statement(WRITE, {"rows": json.dumps(rows), "states": json.dumps(states)}))
    again = [entry.was.pk for entry in entries if entry.was.outcome == "parked"]
    if again:
        asked.append(Statement(FORGET_WAITING, {"messages": array(again)}))
    waits = [(entry.was.pk, *missing) for entry in entries for missing in sorted(_missing(entry))]
    if waits:
        columns = map(array, zip(*waits, strict=True))
        asked.append(Statement(_WAIT, dict(zip(("messages", "types", "ids"), columns, strict=True))))
    return asked


def proceed(message_pk: int, progress: Mapping[str, Any] | None) -> Statement:
    """Write down how far a message that is in progress has come; None: it is applied."""
    return Statement(_PROCEED, {"message": message_pk, "progress": None if progress is None else json.dumps(progress)})


# The last message that was applied to a connector is a disconnect, or is none.
_PROCEED = text(f"""
WITH done AS (
  UPDATE {sync_messages} AS message
     SET progress = CAST(:progress AS jsonb), processed_at = now(),
         outcome = CASE WHEN CAST(:progress AS jsonb) IS NULL THEN 'applied' ELSE outcome END,
         body = CASE WHEN CAST(:progress AS jsonb) IS NULL THEN NULL ELSE body END
   WHERE pk = :message
  RETURNING message.workspace_connector_pk, message.outcome, message.message_type = 'connector.disconnected' AS is_last
)
UPDATE {connector_state} AS state
   SET disconnected_at = CASE WHEN done.is_last THEN now() END
  FROM done
 WHERE done.outcome = 'applied' AND (done.is_last OR state.disconnected_at IS NOT NULL)
   AND state.workspace_connector_pk = done.workspace_connector_pk
   AND state.workspace_connector_pk = ANY (ARRAY(SELECT workspace_connector_pk FROM done))""")


def _row(entry: Entry) -> dict[str, Any]:
    message = entry.message
    # What is too old is not tried again.
    is_kept = entry.outcome == "in_progress" or (entry.outcome == "parked" and entry.reason != "expired")
    return {
        "pk": entry.was.pk,
        "message_id": message.message_id,
        "subject_id": message.subject_id,
        "workspace_connector_pk": entry.connector_pk,
        "workspace_pk": entry.workspace_pk,
        "group_id": message.group,
        "message_type": message.type,
        "direction": message.direction,
        "mode": message.mode,
        "run": message.run,
        "digest": message.digest,
        "occurred_at": message.occurred_at,
        "sent": message.sent or None,
        "counts": entry.counts,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "problems": [asdict(problem) for problem in sorted(entry.problems, key=_place)[:PROBLEMS_KEPT]],
        "problem_count": len(entry.problems),
        "body": message.storable_body if is_kept else None,
        "progress": entry.was.progress if entry.outcome == "in_progress" else None,
    }


_COLUMNS = (
    "pk, message_id, subject_id, workspace_connector_pk, workspace_pk, group_id, message_type, direction, mode, run,"
    " digest, occurred_at, sent_at, processed_at, counts, outcome, reason, problems, problem_count, body, progress,"
    " sync_run_pk"
)
# As whoever makes people does (`making`), and whoever erases one (`feed.applying.lock_types`).
_LOCK_PEOPLE = text(f"SELECT wellspring.lock_fed_types('{{{list(FED).index('people')}}}')")
# The state's rows are locked by now. They are looked up in an array: a join may read all of them. A trigger judges the
# connector's health by what is written here (docs/adr/0052).
WRITE = text(f"""
WITH change AS MATERIALIZED (
  SELECT connector_pk, sum(parked) AS parked, max(synced_at) AS synced_at, bool_or(has_failed) AS has_failed,
         bool_or(is_applied) AS is_applied,
         array_agg(synced_at ORDER BY pk) AS times, array_agg(run ORDER BY pk) AS runs
    FROM jsonb_to_recordset(CAST(:states AS jsonb))
         AS entry (pk bigint, connector_pk bigint, parked integer, synced_at timestamptz, run text, has_failed boolean,
                   is_applied boolean)
   GROUP BY connector_pk
), stated AS (
  UPDATE {connector_state} AS state
     SET parked_messages = state.parked_messages + change.parked,
         last_synced_at = greatest(state.last_synced_at, change.synced_at),
         last_failed_at = CASE WHEN change.has_failed THEN now() ELSE state.last_failed_at END,
         applied_at = CASE WHEN change.synced_at IS NULL THEN state.applied_at ELSE now() END,
         disconnected_at = CASE WHEN change.is_applied THEN NULL ELSE state.disconnected_at END,
         (syncs, sync_runs) = (
           SELECT known_syncs, known_runs
             FROM wellspring.add_syncs(state.syncs, state.sync_runs, change.times, change.runs))
    FROM change
   WHERE state.workspace_connector_pk = change.connector_pk
     AND state.workspace_connector_pk = ANY (ARRAY(SELECT connector_pk FROM change))
)
INSERT INTO {sync_messages} AS message ({_COLUMNS})
SELECT pk, message_id, subject_id, workspace_connector_pk, workspace_pk, group_id, message_type, direction, mode, run,
       decode(digest, 'hex'), occurred_at, to_timestamp(sent / 1000.0), CASE WHEN outcome <> 'parked' THEN now() END,
       counts, outcome, reason, problems, problem_count,
       wellspring.without_erased(body, reason IS DISTINCT FROM 'malformed'), progress,
       CASE WHEN run IS NOT NULL THEN (
         SELECT of_run.pk FROM {sync_runs} AS of_run
          WHERE of_run.workspace_connector_pk = entry.workspace_connector_pk AND of_run.run = entry.run) END
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS entry (
         pk bigint, message_id uuid, subject_id uuid, workspace_connector_pk bigint, workspace_pk bigint,
         group_id text, message_type text, direction {direction_enum.schema}.{direction_enum.name}, mode text,
         run text, digest text, occurred_at timestamptz, sent bigint, counts jsonb, outcome text, reason text,
         problems jsonb, problem_count integer, body text, progress jsonb)
 ORDER BY message_id, pk
    ON CONFLICT (pk) DO UPDATE
       SET workspace_connector_pk = coalesce(excluded.workspace_connector_pk, message.workspace_connector_pk),
           workspace_pk = coalesce(excluded.workspace_pk, message.workspace_pk),
           sync_run_pk = coalesce(excluded.sync_run_pk, message.sync_run_pk),
           processed_at = excluded.processed_at, outcome = excluded.outcome, reason = excluded.reason,
           counts = CASE WHEN message.outcome = 'in_progress' THEN message.counts ELSE excluded.counts END,
           problems = excluded.problems, problem_count = excluded.problem_count, body = excluded.body,
           progress = excluded.progress""")

# What a snapshot may end was there when the first message of its run came: asked behind the connector's lock, before
# that message writes. Who writes rows of the connector later has a higher pk, and who brings one back stamps it later,
# with the clock behind that lock. The stamp is rounded to milliseconds, so up.
THERE = (
    "SELECT CAST(date_trunc('milliseconds', clock_timestamp()) + interval '1 ms' AS text) AS at, jsonb_build_object("
    + ", ".join(
        f"'{type_}', (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {tables.provenance}_pk_seq)"
        for type_, tables in RECORDS.items()
    )
    + ") AS pks"
)
# The first message of a run makes its row.
_COUNT_IN_RUNS = text(f"""
INSERT INTO {sync_runs} AS of_run
       (workspace_connector_pk, workspace_pk, run, messages_applied, messages_parked, counts, noted)
SELECT change.connector_pk, change.workspace_pk, change.run, change.applied, change.parked, change.counts,
       jsonb_build_object('at', there.at) || there.pks
  FROM jsonb_to_recordset(CAST(:runs AS jsonb))
       AS change (connector_pk bigint, workspace_pk bigint, run text, applied bigint, parked bigint, counts jsonb)
 CROSS JOIN ({THERE}) AS there
 ORDER BY change.connector_pk, change.run
    ON CONFLICT (workspace_connector_pk, run) DO UPDATE
       SET messages_applied = of_run.messages_applied + excluded.messages_applied,
           messages_parked = of_run.messages_parked + excluded.messages_parked,
           counts = wellspring.add_counts(of_run.counts, excluded.counts)""")

FORGET_WAITING = text(f"DELETE FROM {waiting_for} WHERE message_pk = ANY (CAST(:messages AS bigint[]))")
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
    waits = {(problem.type, problem.id) for problem in entry.problems if problem.code.startswith(_IS_MISSING)}
    work = entry.message.work
    if entry.connector_pk is not None or not isinstance(work, RecordsSynced):
        return waits
    # What it makes itself comes with its connector. What of that turns out to be gone then, it waits for from then on.
    return {(type_, id_) for type_, id_ in waits if not work.can_make(type_, id_)}


def _state(entry: Entry) -> dict[str, Any] | None:
    is_parked, is_applied = entry.outcome == "parked", entry.outcome == "applied"
    if not (is_parked or is_applied or entry.newly_parked):
        return None
    has_synced = is_applied and entry.message.type == "records.synced"
    return {
        "pk": entry.was.pk,
        "connector_pk": entry.connector_pk,
        "parked": entry.newly_parked,
        "synced_at": entry.message.occurred_at if has_synced else None,
        "run": entry.message.run,
        "has_failed": is_parked,
        "is_applied": is_applied,
    }


def _runs(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what messages add to the rows of their runs; of one that says that its run is over, only what it ends."""
    runs: dict[tuple[int, str], dict[str, Any]] = {}
    for entry in entries:
        run, connector_pk = entry.message.run, entry.connector_pk
        if run is None or connector_pk is None:
            continue
        found = runs.setdefault(
            (connector_pk, run),
            {"connector_pk": connector_pk, "workspace_pk": entry.workspace_pk, "run": run}
            | {"applied": 0, "parked": 0, "counts": {}},
        )
        if not isinstance(entry.message.work, RunCompleted):
            found["applied"] += int(entry.outcome == "applied")
            found["parked"] += entry.newly_parked
        for type_, counts in entry.counts.items():
            of_type = found["counts"].setdefault(type_, dict.fromkeys(counts, 0))
            for name, number in counts.items():
                of_type[name] = of_type.get(name, 0) + number
    return list(runs.values())


def counted(type_: str, name: str, rows: str) -> str:
    """Return CTEs that add to counts of messages and of their runs; `in_message` tells pks of messages, and `number`s.

    `rows` is a CTE with a `message_pk` for each thing that is counted.
    """
    number = "(SELECT number FROM counted WHERE counted.message_pk = message.pk)"
    in_run = "(SELECT sum(number) FROM in_message WHERE in_message.sync_run_pk = of_run.pk)"
    return f"""counted AS MATERIALIZED (
  SELECT message_pk, count(*) AS number FROM {rows} GROUP BY message_pk
),
in_message AS (
  UPDATE {sync_messages} AS message
     SET counts = jsonb_set(
           message.counts, '{{{type_},{name}}}',
           to_jsonb(coalesce(CAST(message.counts #>> '{{{type_},{name}}}' AS bigint), 0) + {number}))
   WHERE message.pk = ANY (ARRAY(SELECT message_pk FROM counted))
  RETURNING message.pk, {number} AS number, message.sync_run_pk
),
in_run AS (
  UPDATE {sync_runs} AS of_run
     SET counts = wellspring.add_counts(
           of_run.counts, jsonb_build_object('{type_}', jsonb_build_object('{name}', {in_run})))
   WHERE of_run.pk = ANY (ARRAY(SELECT sync_run_pk FROM in_message))
)"""
