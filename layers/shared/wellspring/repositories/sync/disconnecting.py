"""Ending all rows of a connector, however many there are: one chunk is one transaction.

How far it has come is in the message's row, under the lock of its connector: whoever takes the message up goes on from
there, and what is ended already is not walked through again (docs/adr/0012, 0021). So is what was there when it was
taken up first: whoever goes on later, perhaps behind newer messages, ends nothing of theirs.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text

from wellspring.database import Transaction
from wellspring.database.flush import Statement, execute_pipelined
from wellspring.messages import ConnectorDisconnected, Outcome, ReceivedMessage, RecordType
from wellspring.repositories.sync import messages
from wellspring.repositories.sync.effects import end_stale
from wellspring.repositories.sync.judging import BEGINNING, take_up
from wellspring.repositories.sync.messages import counted
from wellspring.repositories.sync.tables import RECORDS

_THERE = text(messages.THERE)


def end_chunk(transaction: Transaction, message: ReceivedMessage, item: ConnectorDisconnected, most: int) -> Outcome:
    """End the next rows of the connector that a message disconnects, as `judging` says."""
    taken = take_up(transaction, message, item, Statement(_THERE))
    if isinstance(taken, Outcome):
        return taken
    entry, answers = taken
    progress = dict(entry.was.progress)
    if "there" not in progress:
        ((at, last_pks),) = answers[0]
        progress["there"] = {"at": at, **last_pks}
    # How the message stands in the end is written behind what is ended.
    asked = [end_rows(type_, entry.was.pk, entry.connector_pk, progress, most) for type_ in RECORDS]
    results = messages.note(transaction, [entry], *asked)
    ended, is_over = 0, True
    for type_, result in zip(RECORDS, results, strict=True):
        for rows, time, place in result:
            progress[type_] = [time, place]
            ended += rows
            is_over = is_over and rows < most
    execute_pipelined(transaction, [messages.proceed(entry.was.pk, None if is_over else progress)])
    return Outcome(status="applied" if is_over else "in_progress", ended=ended)


def end_rows(
    type_: RecordType, message_pk: int, connector_pk: int | None, progress: Mapping[str, Any], most: int
) -> Statement:
    """End the next rows of one type of records on a connector, at most so many, of those that were there.

    Answered with (how many, time and pk of the last); no row where there are none.
    """
    time, pk = progress.get(type_, BEGINNING)
    there = progress["there"]
    of = {"message": message_pk, "connector": connector_pk, "time": time, "pk": pk, "most": most}
    return Statement(_statement(type_), {**of, "there_at": there["at"], "last_pk": there[type_]})


# The planner does not see that this is one connector: it takes it for a good part of the table, and the limit, a
# sub-query, for one that it cannot know. So it takes the index that gives the rows in their order, and stops where it
# may. For "this connector's rows" it would believe in few, and read and sort all of them, for each chunk; so it would
# for a third of them, which it believes to be on one side of a value. Of what is not unknown it believes nearly all.
@cache
def _statement(type_: RecordType) -> TextClause:
    return text(f"""
WITH place AS MATERIALIZED (
  SELECT CAST(:connector AS bigint) AS connector_pk, CAST(:time AS timestamptz) AS time, CAST(:pk AS bigint) AS pk
),
stale AS MATERIALIZED (
  SELECT old.created_at, old.pk
    FROM place
   CROSS JOIN LATERAL (
      SELECT found.created_at, found.pk
        FROM {RECORDS[type_].provenance} AS found
       WHERE (found.workspace_connector_pk, found.created_at, found.pk) > (place.connector_pk, place.time, place.pk)
         AND (found.workspace_connector_pk, found.created_at, found.pk) < (place.connector_pk + 1, '-infinity', 0)
         AND found.deleted_at IS NULL
         AND nullif(found.pk <= CAST(:last_pk AS bigint)
                    AND coalesce(found.updated_at <= CAST(:there_at AS timestamptz), true), false) IS NOT UNKNOWN
       ORDER BY found.workspace_connector_pk, found.created_at, found.pk
       LIMIT (SELECT CAST(:most AS integer))
    ) AS old
),
{end_stale(type_)},
{counted(type_, "ended", "ended")}
SELECT (SELECT count(*) FROM stale), CAST(created_at AS text), pk
  FROM stale
 ORDER BY created_at DESC, pk DESC
 LIMIT 1""")
