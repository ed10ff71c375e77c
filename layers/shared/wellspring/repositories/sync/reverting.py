"""Undoing messages of a connector, however many rows they wrote and ended: one chunk is one transaction.

First all of them are marked, so that what one of them wrote never comes back because another had ended it. Then,
message by message, the live rows that it wrote end, and those that it ended come back where record and connector are
live. How far it has come is in the revert's own row, under the lock of its connector (docs/adr/0022).

Whoever goes on with it behind newer messages that end rows brings none back: which of them those have ended, nobody
knows any more. Where there are such, the revert is parked in the end as overtaken (docs/adr/0022).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text

from wellspring.database import Transaction
from wellspring.database.flush import Statement, execute_pipelined
from wellspring.messages import Outcome, Problem, ReceivedMessage, RecordType, SyncReverted
from wellspring.models import parents
from wellspring.models.messages import connector_state, sync_messages, sync_runs
from wellspring.repositories.sync import messages
from wellspring.repositories.sync.arrays import array
from wellspring.repositories.sync.effects import end_stale
from wellspring.repositories.sync.judging import parked, parking, take_up
from wellspring.repositories.sync.messages import IS_MESSAGE, Entry
from wellspring.repositories.sync.tables import RECORDS
from wellspring.resources import DIRECTIONS

# Messages that one transaction marks, and looks at.
MARKED, LOOKED_AT = 1000, 50


def revert_chunk(transaction: Transaction, message: ReceivedMessage, item: SyncReverted, most: int) -> Outcome:
    """Undo the next rows of the messages that a message reverts, as `judging` says: end some, and bring some back.

    What came back is `linked`. `parked` where rows were left that would have come back, had it not been overtaken.
    """
    taken = take_up(transaction, message, item, Statement(_IS_LIVE, {"id": item.workspace_connector_id}))
    if isinstance(taken, Outcome):
        return taken
    entry, (lives,) = taken
    was = entry.was
    messages.note(transaction, [entry])
    chunk = _Chunk(transaction, entry, most, is_live=bool(lives.scalar()))
    progress = chunk.undo(was.progress) if "undone" in was.progress else chunk.mark(item, was.progress)
    done, total = [], sum(chunk.counts.values(), Counter[str]())
    if total:
        counts = {type_: counted for type_, counted in chunk.counts.items() if counted}
        done.append(Statement(_COUNT, {"message": was.pk, "counts": json.dumps(counts)}))
    is_over = progress is None
    outcome = Outcome(status="applied" if is_over else "in_progress", ended=total["ended"], linked=total["linked"])
    left = was.progress.get("left", 0) + chunk.left
    if is_over and left:
        overtaken = parking(Problem("overtaken", "message", item.id))
        outcome = replace(overtaken, ended=outcome.ended, linked=outcome.linked, evidence={"left_ended": left})
        done += messages.write([parked(message, was, outcome, (entry.connector_pk, entry.workspace_pk))])
    else:
        done.append(messages.proceed(was.pk, None if progress is None else {**progress, "left": left}))
    execute_pipelined(transaction, done)
    return outcome


@dataclass(slots=True)
class _Chunk:
    """One transaction of a revert.

    Attributes:
        most: how many rows of each type of records to end, and to bring back, at most.
        is_live: whether its connector is, so that rows come back.
        counts: how many rows of each type it has `ended`, and brought back (`linked`); what is not nothing.
        left: how many rows would have come back, had nothing come behind it.
    """

    transaction: Transaction
    entry: Entry
    most: int
    is_live: bool
    counts: defaultdict[RecordType, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    left: int = 0

    def mark(self, item: SyncReverted, progress: Mapping[str, Any]) -> Mapping[str, Any]:
        """Mark the next messages as reverted, and their run where that is undone; return how far it has come."""
        of = {"message": self.entry.was.pk, "connector": self.entry.connector_pk}
        if item.run is None:
            of_some = {**of, "ids": array(item.message_ids or ())}
            asked = [Statement(each, of_some) for each in (_CLOSE_RUNS_OF, _STOP_SOME, _MARK_SOME)]
            execute_pipelined(self.transaction, [*asked, Statement(_LOOK_BACK, of)])
            return {"undone": 0}
        of_run = {**of, "run": item.run}
        if not progress:
            asked = [
                Statement(_CLOSE_RUN, {**of_run, "workspace": self.entry.workspace_pk}),
                Statement(_STOP_RUN, of_run),
            ]
            execute_pipelined(self.transaction, [*asked, Statement(_LOOK_BACK, of)])
        marked = self.transaction.execute(_MARK_RUN, {**of_run, "most": MARKED}).rowcount
        return {"undone": 0} if marked < MARKED else {"marked": progress.get("marked", 0) + marked}

    def undo(self, progress: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Undo the next messages; return how far it has come, None where that is all."""
        done, places = progress["undone"], progress.get("places", {})
        values = {"message": self.entry.was.pk, "after": done, "most": LOOKED_AT}
        targets = self.transaction.execute(_TARGETS, values).all()
        for pk, wrote_at, ended_from in targets:
            left = self._undo(pk, wrote_at, ended_from, places)
            if left is not None:
                return {"undone": done, "places": left}
            done, places = pk, {}
            if sum(counted.total() for counted in self.counts.values()) >= self.most:
                return {"undone": done}
        return {"undone": done} if len(targets) == LOOKED_AT else None

    def _undo(self, pk: int, wrote_at: str, ended_from: str, places: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Undo the next rows of a message; return where it goes on, None where it is undone.

        It wrote at `wrote_at`, and ended rows since `ended_from`: one in chunks did so for a while. `places` are where
        it has come to, by type and direction of what comes back.
        """
        of = {"message": self.entry.was.pk, "connector": self.entry.connector_pk, "target": pk, "most": self.most}
        is_overtaken = self.entry.was.is_overtaken
        asked = [Statement(_end(type_), {**of, "at": wrote_at}) for type_ in RECORDS]
        walks = [(type_, direction) for type_ in RECORDS for direction in DIRECTIONS] if self.is_live else []
        for type_, direction in walks:
            time, row_pk = places.get(f"{type_}:{direction}", (ended_from, 0))
            place = {"time": time, "pk": row_pk, "until": wrote_at, "restores": not is_overtaken}
            asked.append(Statement(_restore(type_, direction), {**of, **place}))
        answers = execute_pipelined(self.transaction, asked)
        is_over = True
        for type_, rows in zip(RECORDS, answers, strict=False):
            ended = rows.scalar_one()
            self.counts[type_] += Counter(ended=ended)
            is_over = is_over and ended < self.most
        left = dict(places)
        for (type_, direction), rows in zip(walks, answers[len(RECORDS) :], strict=True):
            for looked_at, wanted, restored, time, row_pk in rows:
                self.counts[type_] += Counter(linked=restored)
                self.left += wanted if is_overtaken else 0
                left[f"{type_}:{direction}"] = [time, row_pk]
                is_over = is_over and looked_at < self.most
        return None if is_over else left


_IS_LIVE = text(f"""
SELECT connector.deleted_at IS NULL AND workspace.deleted_at IS NULL
  FROM {parents.workspace_connectors} AS connector
  JOIN {parents.workspaces} AS workspace ON workspace.pk = connector.workspace_pk
 WHERE connector.id = CAST(:id AS uuid)""")

# Who reverts a run before it was seen makes its row.
_CLOSE_RUN = text(f"""
INSERT INTO {sync_runs} AS of_run (workspace_connector_pk, workspace_pk, run, state, reverted_by_pk)
VALUES (:connector, :workspace, :run, 'reverted', :message)
    ON CONFLICT (workspace_connector_pk, run) DO UPDATE
       SET state = 'reverted', reverted_by_pk = coalesce(of_run.reverted_by_pk, excluded.reverted_by_pk)""")
# Who reverts what completed a run reverts the run.
_CLOSE_RUNS_OF = text(f"""
UPDATE {sync_runs} AS of_run
   SET state = 'reverted', reverted_by_pk = coalesce(of_run.reverted_by_pk, :message)
 WHERE of_run.pk = ANY (ARRAY(
         SELECT message.sync_run_pk FROM {sync_messages} AS message
          WHERE message.message_id = ANY (CAST(:ids AS uuid[])) AND {IS_MESSAGE}
            AND message.workspace_connector_pk = :connector AND message.message_type = 'run.completed'
            AND message.outcome IN ('parked', 'in_progress', 'applied')))""")
# Where it was the connector's last complete run, the one before is that again.
_LOOK_BACK = text(f"""
UPDATE {connector_state} AS state
   SET complete_through = (SELECT max(complete.occurred_at) FROM {sync_runs} AS complete
                            WHERE complete.workspace_connector_pk = :connector AND complete.state = 'complete')
 WHERE state.workspace_connector_pk = :connector
   AND state.complete_through = ANY (ARRAY(
         SELECT undone.occurred_at FROM {sync_runs} AS undone
          WHERE undone.workspace_connector_pk = :connector AND undone.state = 'reverted'
            AND undone.reverted_by_pk = :message))""")
# A snapshot that is under way ends nothing more: it is done as far as it has come, and what it ended comes back.
_IS_SNAPSHOT = "workspace_connector_pk = :connector AND outcome = 'in_progress' AND message_type = 'run.completed'"
_STOP = f"UPDATE {sync_messages} SET outcome = 'applied', body = NULL, progress = NULL WHERE {_IS_SNAPSHOT}"
_STOP_SOME = text(f"{_STOP} AND message_id = ANY (CAST(:ids AS uuid[]))")
_STOP_RUN = text(f"{_STOP} AND run = :run")

_IS_TARGET = "workspace_connector_pk = :connector AND outcome = 'applied' AND reverted_by_pk IS NULL"
_MARK_SOME = text(f"""
UPDATE {sync_messages} SET reverted_by_pk = :message
 WHERE message_id = ANY (CAST(:ids AS uuid[])) AND {_IS_TARGET}""")
_MARK_RUN = text(f"""
UPDATE {sync_messages} SET reverted_by_pk = :message
 WHERE pk = ANY (ARRAY(SELECT pk FROM {sync_messages} WHERE run = :run AND {_IS_TARGET}
                        ORDER BY received_at, pk LIMIT :most))""")

_TARGETS = text(f"""
SELECT pk, CAST(processed_at AS text),
       CAST(CASE WHEN message_type IN ('connector.disconnected', 'sync.reverted', 'run.completed') THEN received_at
                 ELSE processed_at END AS text)
  FROM {sync_messages}
 WHERE reverted_by_pk = :message AND pk > :after
 ORDER BY pk LIMIT :most""")

_COUNT = text(
    f"UPDATE {sync_messages} SET counts = wellspring.add_counts(counts, CAST(:counts AS jsonb)) WHERE pk = :message"
)


# What a message wrote has the time of its transaction (contract, section 2).
@cache
def _end(type_: RecordType) -> TextClause:
    return text(f"""
WITH stale AS MATERIALIZED (
  SELECT found.pk
    FROM {RECORDS[type_].provenance} AS found
   WHERE found.workspace_connector_pk = :connector AND found.created_at = CAST(:at AS timestamptz)
     AND found.sync_message_pk = :target AND found.deleted_at IS NULL
   LIMIT :most
),
{end_stale(type_)}
SELECT count(*) FROM ended""")


# From one place to the next by the index of the dead, as a disconnect does by that of the live: what may not come back
# is passed once. The comparison of rows leaves the planner no choice but that index (repositories/sync/disconnecting).
# What comes back is stamped with the clock: the transaction may have begun before a disconnect that it waited for.
@cache
def _restore(type_: RecordType, direction: str) -> TextClause:
    tables = RECORDS[type_]
    return text(f"""
WITH gone AS MATERIALIZED (
  SELECT found.pk, found.deleted_at, found.{type_}_pk AS record_pk, found.sync_message_pk
    FROM {tables.provenance} AS found
   WHERE (found.workspace_connector_pk, found.deleted_at, found.pk) > (:connector, CAST(:time AS timestamptz), :pk)
     AND (found.workspace_connector_pk, found.deleted_at, found.pk)
         <= (:connector, CAST(:until AS timestamptz), 9223372036854775807)
     AND found.deleted_at IS NOT NULL AND found.direction = '{direction}' AND found.ended_by_pk = :target
   ORDER BY found.workspace_connector_pk, found.deleted_at, found.pk
   LIMIT (SELECT CAST(:most AS integer))
),
wanted AS MATERIALIZED (
  SELECT gone.pk
    FROM gone
   WHERE (SELECT record.deleted_at IS NULL FROM {tables.records} AS record WHERE record.pk = gone.record_pk)
     AND (SELECT wrote.reverted_by_pk FROM {sync_messages} AS wrote WHERE wrote.pk = gone.sync_message_pk) IS NULL
),
restored AS (
  UPDATE {tables.provenance}
     SET deleted_at = NULL, updated_at = clock_timestamp(), ended_by_pk = NULL
   WHERE pk = ANY (ARRAY(SELECT wanted.pk FROM wanted)) AND deleted_at IS NOT NULL AND CAST(:restores AS boolean)
  RETURNING pk
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM wanted), (SELECT count(*) FROM restored),
       CAST(gone.deleted_at AS text), gone.pk
  FROM gone
 ORDER BY gone.deleted_at DESC, gone.pk DESC
 LIMIT 1""")
