"""Ending all rows of a connector, however many there are: one chunk is one transaction.

A chunk says where it ended, and the next one begins behind that: what is ended already is not walked through again
(docs/adr/0012).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text

from wellspring.database import Transaction
from wellspring.database.flush import Asked, together
from wellspring.models import parents
from wellspring.repositories.sync import inbox
from wellspring.repositories.sync.arrays import array
from wellspring.repositories.sync.tables import RECORDS
from wellspring.work import Disconnected, Outcome, Problem, RecordType

# Nothing has been made before this, by no pk.
_BEGINNING = ("-infinity", 0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the ending of one connector's rows has come.

    Attributes:
        ended: how many rows it has ended so far.
        places: the time and pk of the last row that was ended, for each type of records.
    """

    ended: int = 0
    places: Mapping[RecordType, tuple[str, int]] = field(default_factory=dict)


def end_chunk(
    transaction: Transaction, batch: Sequence[tuple[Disconnected, Progress]], most: int
) -> list[Outcome | Progress]:
    """End the next rows of the connectors of `batch`, in one flush.

    A message whose last rows these are goes into the inbox together with them.

    Args:
        transaction: the scope to write in; there should be nothing else in it.
        batch: the messages, each of another connector and with another id, and how far each has come.
        most: how many rows of each type of records, over all connectors, to end at most.

    Returns:
        For each message an outcome, or how far it has come now.

    Raises:
        ServiceUnavailable: another delivery of one of them was quicker; try again in a new transaction, which sees it.
        DBAPIError: SQLAlchemy's.
    """
    rows = max(1, most // len(batch))
    known, *ended = together(transaction, [_known(batch), *(end_rows(type_, batch, rows) for type_ in RECORDS)])
    progress = {number: before for number, (_, before) in enumerate(batch)}
    going: set[int] = set()
    for type_, result in zip(RECORDS, ended, strict=True):
        for number, count, time, pk in result:
            before = progress[number]
            progress[number] = Progress(before.ended + count, {**before.places, type_: (time, pk)})
            if count >= rows:
                going.add(number)
    outcomes: list[Outcome | Progress] = []
    for number, is_there, is_done in known:
        if is_done:
            outcomes.append(Outcome(status="duplicate", ended=progress[number].ended))
        elif not is_there:
            problem = Problem("unknown_connector", "workspace_connector", batch[number][0].workspace_connector_id)
            outcomes.append(Outcome(status="failed", problems=(problem,), problem_count=1))
        elif number in going:
            outcomes.append(progress[number])
        else:
            outcomes.append(Outcome(status="applied", ended=progress[number].ended))
    applied = [
        item.id
        for (item, _), outcome in zip(batch, outcomes, strict=True)
        if isinstance(outcome, Outcome) and outcome.status == "applied"
    ]
    if applied:
        with inbox.claiming():
            together(transaction, [inbox.claim(applied)])
    return outcomes


def _messages(batch: Sequence[tuple[Disconnected, Progress]]) -> dict[str, Any]:
    return {
        "numbers": array(range(len(batch))),
        "ids": array(item.id for item, _ in batch),
        "connectors": array(item.workspace_connector_id for item, _ in batch),
    }


def _known(batch: Sequence[tuple[Disconnected, Progress]]) -> Asked:
    return Asked(_KNOWN, _messages(batch))


_DONE = "EXISTS (SELECT FROM wellspring.sync_inbox AS inbox WHERE inbox.message_id = message.id)"

_KNOWN = text(f"""
SELECT message.number,
       EXISTS (SELECT FROM {parents.workspace_connectors} AS found WHERE found.id = message.connector_id), {_DONE}
  FROM unnest(CAST(:numbers AS integer[]), CAST(:ids AS uuid[]), CAST(:connectors AS uuid[]))
       AS message (number, id, connector_id)
 ORDER BY message.number""")


def end_rows(type_: RecordType, batch: Sequence[tuple[Disconnected, Progress]], rows: int) -> Asked:
    """End the next rows of one type of each connector, at most so many each.

    Answered with (number of the message, how many, time and pk of the last); no row where there are none.
    """
    places = [progress.places.get(type_, _BEGINNING) for _, progress in batch]
    return Asked(
        _statement(type_),
        {
            **_messages(batch),
            "times": array(time for time, _ in places),
            "pks": array(pk for _, pk in places),
            "rows": rows,
        },
    )


# The planner does not see that this is one connector: it takes it for a good part of the table, and the limit, a
# sub-query, for one that it cannot know. So it takes the index that gives the rows in their order, and stops where it
# may. For "this connector's rows" it would believe in few, and read and sort all of them, for each chunk.
#
# The inbox is asked in this very statement: a consumer that was given up for lost, and has not noticed, cannot end
# what the messages behind this one have written.
@cache
def _statement(type_: RecordType) -> TextClause:
    provenance = RECORDS[type_].provenance
    return text(f"""
WITH stale AS MATERIALIZED (
  SELECT message.number, old.created_at, old.pk
    FROM (SELECT message.*, connector.pk AS connector_pk
            FROM unnest(CAST(:numbers AS integer[]), CAST(:ids AS uuid[]), CAST(:connectors AS uuid[]),
                        CAST(:times AS timestamptz[]), CAST(:pks AS bigint[]))
                 AS message (number, id, connector_id, time, pk)
           CROSS JOIN LATERAL (
              SELECT found.pk
                FROM {parents.workspace_connectors} AS found
               WHERE found.id = message.connector_id
              OFFSET 0
            ) AS connector
           WHERE NOT {_DONE}
          OFFSET 0) AS message
   CROSS JOIN LATERAL (
      SELECT found.created_at, found.pk
        FROM {provenance} AS found
       WHERE (found.workspace_connector_pk, found.created_at, found.pk)
             > (message.connector_pk, message.time, message.pk)
         AND (found.workspace_connector_pk, found.created_at, found.pk) < (message.connector_pk + 1, '-infinity', 0)
         AND found.deleted_at IS NULL
       ORDER BY found.workspace_connector_pk, found.created_at, found.pk
       LIMIT (SELECT CAST(:rows AS integer))
    ) AS old
),
ended AS (
  UPDATE {provenance} AS old
     SET deleted_at = now(), updated_at = now()
   WHERE old.pk = ANY (ARRAY(SELECT stale.pk FROM stale)) AND old.deleted_at IS NULL
)
SELECT DISTINCT ON (number) number, count(*) OVER (PARTITION BY number), CAST(created_at AS text), pk
  FROM stale
 ORDER BY number, stale.created_at DESC, pk DESC""")
