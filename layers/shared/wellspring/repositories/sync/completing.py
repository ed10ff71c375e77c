"""Completing a run: whether it is whole, and what its snapshot ends, a chunk of rows at a time (docs/adr/0051).

A run is whole when all messages that its `run.completed` names are applied. A snapshot then ends what was there before
the run, and what no message of the run named. First it is counted how much that would be: more than the limits allow is
parked, and carried out for nobody but who releases that one message by hand. How far it has come is in the message's
row, under the lock of its connector, as of a disconnect (docs/adr/0012).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from sqlalchemy import TextClause, text

from wellspring.database import Transaction
from wellspring.database.flush import Result, Statement, execute_pipelined
from wellspring.messages import Direction, Outcome, Problem, ReceivedMessage, RecordType, RunCompleted, SnapshotOfRun
from wellspring.models.messages import connector_state, sync_messages, sync_runs
from wellspring.models.parents import workspace_connectors
from wellspring.repositories.sync import messages
from wellspring.repositories.sync.arrays import array
from wellspring.repositories.sync.effects import end_stale
from wellspring.repositories.sync.judging import BEGINNING, parked, parking, take_up
from wellspring.repositories.sync.messages import IS_MESSAGE, Entry, Known
from wellspring.repositories.sync.tables import RECORDS

# So many rows are counted for each that is ended: the look costs a twentieth of the change.
COUNTED, WALKED = 10, 4
# What the clocks of a producer and of the database may differ by (contract, section 5).
CLOCKS = "interval '5 minutes'"
# So many records of a type a snapshot may end whatever part of them that is, up to half.
FEW = 20


def complete_chunk(
    transaction: Transaction, message: ReceivedMessage, item: RunCompleted, most: int, percent: int
) -> Outcome:
    """Complete a run, or do the next part of its snapshot, as `judging` says.

    `parked` where a message of the run is missing, or where it would end too much: unasked it may end so many `percent`
    of a type's live records on the connector.
    """
    of = {"connector": item.workspace_connector_id, "run": item.run}
    taken = take_up(transaction, message, item, Statement(_MISSING, {**of, "ids": array(item.message_ids)}))
    if isinstance(taken, Outcome):
        return taken
    entry, (missing,) = taken
    was = entry.was
    chunk = _Chunk(transaction, message, item, entry, most, dict(was.progress))
    problems = [Problem("incomplete_run", type_, str(id_)) for type_, id_ in missing]
    if problems and was.outcome != "in_progress":
        return chunk.park(problems, was)
    if was.reason == "too_many_endings":
        if not message.is_confirmed:
            # As it was: whoever may carry it out is asked for nothing new.
            return Outcome(status="parked", reason="too_many_endings")
        chunk.progress["is_confirmed"] = True
    return chunk.do(percent)


def interrupt(item: RunCompleted, message_pk: int) -> Statement:
    """Return what makes the run incomplete that this `run.completed` was completing, and is parked in the middle of.

    As completing it would take nobody's end any more, its own included.
    """
    values = {"connector": item.workspace_connector_id, "run": item.run, "message": message_pk}
    return Statement(_INTERRUPT, values)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One transaction of a `run.completed`, which notes in `progress` how far it has come."""

    transaction: Transaction
    message: ReceivedMessage
    item: RunCompleted
    entry: Entry
    most: int
    progress: dict[str, Any]

    def park(self, problems: Sequence[Problem], was: Known, counted: Sequence[Mapping[str, Any]] = ()) -> Outcome:
        """Park it; its run is incomplete."""
        outcome = parking(*problems)
        row = parked(self.message, was, outcome, (self.entry.connector_pk, self.entry.workspace_pk))
        messages.note(self.transaction, [row], self._set_state("incomplete", counted))
        return outcome

    def do(self, percent: int) -> Outcome:
        """Count, or end, the next rows; complete the run behind the last of them."""
        run, snapshot, progress = self._begin(), self.item.snapshot, self.progress
        if snapshot is None:
            return self._note(0, is_over=True)
        if not progress.get("is_confirmed") and not progress.get("is_counted"):
            if not self._count(run, snapshot):
                return self._note(0, is_over=False)
            known = progress["counted"]
            counted = [
                {"type": type_, "records": known[type_]["ends"], "live": known[type_]["live"]}
                for type_ in snapshot.types
            ]
            progress["is_counted"] = True
            exceeding = [
                Problem("too_many_endings", each["type"], f"{each['records']} of {each['live']}")
                for each in counted
                if _is_too_much(each["records"], each["live"], percent)
            ]
            if exceeding:
                return self.park(exceeding, replace(self.entry.was, outcome="in_progress"), counted)
            execute_pipelined(self.transaction, [self._set_state("completing", counted)])
        ended, is_over = self._end(run, snapshot)
        return self._note(ended, is_over=is_over)

    def _begin(self) -> Any:
        """Write the message down, and its run's state with its first chunk; return the row of the run."""
        snapshot = self.item.snapshot
        entry = replace(self.entry, counts={type_: {"ended": 0} for type_ in (snapshot.types if snapshot else ())})
        begun = []
        if self.progress.get("is_confirmed"):
            # What was counted when it was parked is what is ended now.
            begun.append(Statement(_BEGIN, self._of))
        elif entry.was.outcome != "in_progress":
            begun.append(self._set_state("completing"))
        *_, rows = messages.note(self.transaction, [entry], *begun, Statement(_RUN, self._of))
        return rows.one()

    def _count(self, run: Any, snapshot: SnapshotOfRun) -> bool:
        """Count the next live records of each type, and what of them would end; return whether that was all."""
        known: dict[RecordType, Any] = self.progress.setdefault("counted", {})
        of_types = {type_: known.get(type_, {}) for type_ in snapshot.types}
        places = {type_: of.get("place", BEGINNING) for type_, of in of_types.items() if not of.get("is_over")}
        walked = COUNTED * self.most
        for type_, rows in self._walk(count_rows, run, snapshot, places, walked=walked):
            so_far = known.setdefault(type_, {"live": 0, "ends": 0})
            so_far["is_over"] = True
            for looked_at, live, ends, time, pk in rows:
                so_far |= {"live": so_far["live"] + live, "ends": so_far["ends"] + ends, "place": [time, pk]}
                so_far["is_over"] = looked_at < walked
        return all(each["is_over"] for each in known.values())

    def _end(self, run: Any, snapshot: SnapshotOfRun) -> tuple[int, bool]:
        """End the next rows of each type; return how many, and whether that was all."""
        reached: dict[RecordType, Any] = self.progress.setdefault("ended", {})
        places = {type_: reached.get(type_, BEGINNING) for type_ in snapshot.types}
        walked = WALKED * self.most
        more = {"walked": walked, "most": self.most, "message": self.entry.was.pk}
        ended, is_over = 0, True
        for type_, rows in self._walk(end_rows, run, snapshot, places, **more):
            for looked_at, gone, time, pk in rows:
                reached[type_] = [time, pk]
                ended += gone
                is_over = is_over and looked_at < walked and gone < self.most
        return ended, is_over

    def _walk(
        self,
        statement: Callable[[RecordType, Direction], TextClause],
        run: Any,
        snapshot: SnapshotOfRun,
        places: Mapping[RecordType, Sequence[Any]],
        **more: int,
    ) -> Iterator[tuple[RecordType, Result]]:
        """Ask each type behind its place; yield what is answered for it."""
        of_run = {"connector": self.entry.connector_pk, "run": run.pk, "since": run.since}
        of_run |= {"read_since": snapshot.read_since.isoformat(), "there_at": run.noted.get("at", "-infinity")}
        # By record type the last row that was there when the run began, and when that was (`at`); of a run that is
        # older than its row nothing was noted.
        asked = [
            Statement(
                statement(type_, snapshot.direction),
                {**of_run, **more, "last_pk": run.noted.get(type_, 0), "time": time, "pk": pk},
            )
            for type_, (time, pk) in places.items()
        ]
        return zip(places, execute_pipelined(self.transaction, asked), strict=True)

    def _note(self, ended: int, *, is_over: bool) -> Outcome:
        """Write down how far it has come."""
        done = [messages.proceed(self.entry.was.pk, None if is_over else self.progress)]
        execute_pipelined(self.transaction, [*done, Statement(_FINISH, self._of)] if is_over else done)
        return Outcome(status="applied" if is_over else "in_progress", ended=ended)

    @property
    def _of(self) -> dict[str, Any]:
        return {"connector": self.entry.connector_pk, "run": self.item.run}

    def _set_state(
        self, state: Literal["incomplete", "completing"], counted: Sequence[Mapping[str, Any]] = ()
    ) -> Statement:
        """Return what notes the state of the run, and its snapshot as it is shown."""
        item = self.item
        snapshot = None
        if item.snapshot:
            of_snapshot = item.snapshot.model_dump() | {"read_since": item.snapshot.read_since.isoformat()}
            snapshot = json.dumps(of_snapshot | {"endings": counted})
        values = {"expected": len(item.message_ids), "snapshot": snapshot, "occurred_at": self.message.occurred_at}
        return Statement(_SET_STATE, {**self._of, **values, "state": state, "message": self.entry.was.pk})


def _is_too_much(ends: int, live: int, percent: int) -> bool:
    """Say whether a snapshot may not end so many of a type's live records unasked (contract, section 5)."""
    return 2 * ends > live or (ends > FEW and 100 * ends > percent * live)


_OF_RUN = "workspace_connector_pk = :connector AND run = :run"
_SET_STATE = text(f"""
UPDATE {sync_runs}
   SET state = :state, messages_expected = :expected, snapshot = CAST(:snapshot AS jsonb),
       occurred_at = CAST(:occurred_at AS timestamptz), completed_by_pk = :message
 WHERE {_OF_RUN}""")
_BEGIN = text(f"UPDATE {sync_runs} SET state = 'completing' WHERE {_OF_RUN}")
_INTERRUPT = text(f"""
UPDATE {sync_runs} SET state = 'incomplete'
 WHERE run = :run AND state = 'completing' AND completed_by_pk = CAST(:message AS bigint)
   AND workspace_connector_pk = (
     SELECT connector.pk FROM {workspace_connectors} AS connector WHERE connector.id = CAST(:connector AS uuid))""")
_FINISH = text(f"""
WITH complete AS (
  UPDATE {sync_runs} SET state = 'complete', completed_at = now() WHERE {_OF_RUN}
  RETURNING occurred_at
)
UPDATE {connector_state} AS state
   SET complete_through = greatest(state.complete_through, (SELECT occurred_at FROM complete))
 WHERE workspace_connector_pk = :connector""")
# Nothing that the run wrote is older than `since`: a transaction of it may have begun some time before the one that
# made its row, and waited for that.
_RUN = text(f"SELECT pk, noted, CAST(started_at - interval '1 day' AS text) AS since FROM {sync_runs} WHERE {_OF_RUN}")

# Unless its snapshot is under way: what the `run.completed` names and is not applied in the run, by the producer's ids;
# and what took an id that was another's, which somebody has to dismiss: whoever sent it meant something by it.
_MISSING = text(f"""
WITH of_run AS MATERIALIZED (
  SELECT (SELECT known.pk
            FROM {sync_runs} AS known
           WHERE known.run = :run AND known.workspace_connector_pk = (
             SELECT connector.pk FROM {workspace_connectors} AS connector WHERE connector.id = CAST(:connector AS uuid))
         ) AS pk
)
SELECT 'message' AS type, named.id
  FROM of_run
 CROSS JOIN unnest(CAST(:ids AS uuid[])) AS named (id)
 WHERE (SELECT known.state FROM {sync_runs} AS known WHERE known.pk = of_run.pk) IS DISTINCT FROM 'completing'
   AND (SELECT true
          FROM {sync_messages} AS message
         WHERE message.message_id = named.id AND {IS_MESSAGE} AND message.sync_run_pk = of_run.pk
           AND message.outcome = 'applied' AND message.reverted_by_pk IS NULL) IS NULL
 UNION ALL
SELECT 'sync_message', message.id
  FROM of_run
 CROSS JOIN LATERAL (
    SELECT found.id FROM {sync_messages} AS found
     WHERE found.sync_run_pk = of_run.pk AND found.outcome = 'parked' AND found.reason = 'reused_id'
  ) AS message""")


# From one live row of the connector to the next, by the index that has them in this order (`disconnecting`): of either
# direction, for by that there is another index, which the planner would rather read whole and sort.
def _walked(type_: RecordType, beyond: str) -> str:
    return f"""
place AS MATERIALIZED (
  SELECT CAST(:connector AS bigint) AS connector_pk, CAST(:time AS timestamptz) AS time, CAST(:pk AS bigint) AS pk,
         CAST(:read_since AS timestamptz) - {CLOCKS} AS before, CAST(:there_at AS timestamptz) AS there_at,
         CAST(:last_pk AS bigint) AS last_pk, CAST(:since AS timestamptz) AS since, CAST(:run AS bigint) AS run_pk
),
walked AS MATERIALIZED (
  SELECT old.*
    FROM place
   CROSS JOIN LATERAL (
      SELECT found.created_at, found.pk, found.updated_at, found.direction, found.{type_}_pk AS record_pk
        FROM {RECORDS[type_].provenance} AS found
       WHERE (found.workspace_connector_pk, found.created_at, found.pk) > (place.connector_pk, place.time, place.pk)
         AND (found.workspace_connector_pk, found.created_at, found.pk) < {beyond}
         AND found.deleted_at IS NULL
       ORDER BY found.workspace_connector_pk, found.created_at, found.pk
       LIMIT (SELECT CAST(:walked AS integer))
    ) AS old
)"""


# The live rows of a record on the connector: as `ending` finds them, and for its reasons.
def _of_record(type_: RecordType, direction: Direction, record: str) -> str:
    pair = f"(row.{type_}_pk, row.workspace_connector_pk)"
    of = f"({record}, place.connector_pk)"
    return f"""{RECORDS[type_].provenance} AS row
           WHERE row.{type_}_pk = {record} AND {pair} >= {of} AND {pair} <= {of}
             AND row.direction = '{direction}' AND row.deleted_at IS NULL"""


# The dead ones by the index of those alone, which a comparison of rows leaves as the only one: by a direction, or by
# the connector, the planner may take one that has all of the connector's.
def _is_named(type_: RecordType, direction: Direction, record: str) -> str:
    """Return the condition that a message of the run named a record: it wrote a row, live or dead."""
    of_run = f"""(SELECT message.sync_run_pk = place.run_pk AND message.direction = '{direction}'
                     FROM {sync_messages} AS message WHERE message.pk = row.sync_message_pk)"""
    place = f"(row.{type_}_pk, row.created_at)"
    return f"""((SELECT true FROM {_of_record(type_, direction, record)}
             AND row.pk > place.last_pk AND {of_run} LIMIT 1) IS NOT NULL
          OR (SELECT true FROM {RECORDS[type_].provenance} AS row
           WHERE {place} >= ({record}, place.since) AND {place} <= ({record}, 'infinity')
             AND row.deleted_at IS NOT NULL AND row.pk > place.last_pk AND {of_run} LIMIT 1) IS NOT NULL)"""


# What was there when the run began, and had not changed since its source was read: by the producer's clock, which may
# be slow, and by ours, as it may be fast.
def _is_old(row: str) -> str:
    updated = f"coalesce({row}.updated_at, {row}.created_at)"
    return (
        f"{row}.pk <= place.last_pk AND {row}.created_at < place.before"
        f" AND {updated} < place.before AND {updated} <= place.there_at"
    )


# A record is counted with the first of its rows.
@cache
def count_rows(type_: RecordType, direction: Direction) -> TextClause:
    """Return what counts the next live records of a type on a connector, and those that the run's snapshot ends."""
    of_record = _of_record(type_, direction, "walked.record_pk")
    return text(f"""
WITH {_walked(type_, "(place.connector_pk + 1, '-infinity', 0)")},
live AS MATERIALIZED (
  SELECT walked.record_pk
    FROM place
   CROSS JOIN walked
   WHERE walked.direction = '{direction}'
     AND walked.pk = (SELECT row.pk FROM {of_record}
           ORDER BY row.{type_}_pk, row.workspace_connector_pk, row.created_at, row.pk LIMIT 1)
),
gone AS MATERIALIZED (
  SELECT walked.record_pk
    FROM place
   CROSS JOIN live AS walked
   WHERE (SELECT true FROM {of_record} AND {_is_old("row")} LIMIT 1) IS NOT NULL
     AND NOT {_is_named(type_, direction, "walked.record_pk")}
)
SELECT (SELECT count(*) FROM walked), (SELECT count(*) FROM live), (SELECT count(*) FROM gone),
       CAST(created_at AS text), pk
  FROM walked
 ORDER BY created_at DESC, pk DESC
 LIMIT 1""")


@cache
def end_rows(type_: RecordType, direction: Direction) -> TextClause:
    """Return what ends the next rows of a type on a connector that the run's snapshot ends."""
    return text(f"""
WITH {_walked(type_, "(place.connector_pk, place.before, 0)")},
stale AS MATERIALIZED (
  SELECT walked.created_at, walked.pk
    FROM place
   CROSS JOIN walked
   WHERE walked.direction = '{direction}' AND {_is_old("walked")}
     AND NOT {_is_named(type_, direction, "walked.record_pk")}
   ORDER BY walked.created_at, walked.pk
   LIMIT (SELECT CAST(:most AS integer))
),
{end_stale(type_)},
more AS (
  SELECT jsonb_build_object('{type_}', jsonb_build_object('ended', (SELECT count(*) FROM ended))) AS counts
),
in_message AS (
  UPDATE {sync_messages} SET counts = wellspring.add_counts(counts, (SELECT more.counts FROM more)) WHERE pk = :message
),
in_run AS (
  UPDATE {sync_runs} SET counts = wellspring.add_counts(counts, (SELECT more.counts FROM more)) WHERE pk = :run
)
SELECT (SELECT count(*) FROM walked), (SELECT count(*) FROM stale), CAST(reached.created_at AS text), reached.pk
  FROM (SELECT created_at, pk FROM walked
         WHERE (SELECT count(*) FROM stale) < CAST(:most AS integer) OR (created_at, pk) <= (
           SELECT created_at, pk FROM stale ORDER BY created_at DESC, pk DESC LIMIT 1)) AS reached
 ORDER BY reached.created_at DESC, reached.pk DESC
 LIMIT 1""")
