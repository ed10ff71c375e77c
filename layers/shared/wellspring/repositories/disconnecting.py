"""Ending all rows of a connector, however many there are: one chunk is one statement, and one transaction.

A chunk says where it ended, and the next one begins behind that: what is ended already is not walked through again
(docs/adr/0012).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from wellspring.models import infrastructure, parents
from wellspring.repositories.sync import RECORDS, array
from wellspring.repositories.sync_work import Disconnected, Problem, RecordType, Verdict

# Nothing has been made before this, by no pk.
_BEGINNING = ("-infinity", 0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the ending of one connector's rows has come.

    Attributes:
        tombstoned: how many rows it has ended so far.
        places: the time and pk of the last row that was ended, for each type of records.
    """

    tombstoned: int = 0
    places: Mapping[RecordType, tuple[str, int]] = field(default_factory=dict)


def end_chunk(
    transaction: Connection, batch: Sequence[tuple[Disconnected, Progress]], most: int
) -> list[Verdict | Progress]:
    """End the next rows of the connectors of `batch`, in one statement.

    A message whose last rows these are goes into the inbox together with them. One that is there already has no
    effect: asked in this very statement, so that a consumer which was given up for lost, and has not noticed, cannot
    end what the messages behind this one have written.

    Args:
        transaction: the scope to write in; there should be nothing else in it.
        batch: the messages, each of another connector and with another id, and how far each has come.
        most: how many rows of each type of records, over all connectors, to end at most.

    Returns:
        For each message a verdict, or how far it has come now.

    Raises SQLAlchemy's `DBAPIError`.
    """
    parameters: dict[str, object] = {
        "numbers": array(range(len(batch))),
        "ids": array(item.id for item, _ in batch),
        "connectors": array(item.workspace_connector_id for item, _ in batch),
        "rows": max(1, most // len(batch)),
    }
    for type_ in RECORDS:
        places = [progress.places.get(type_, _BEGINNING) for _, progress in batch]
        parameters |= {
            f"{type_}_times": array(time for time, _ in places),
            f"{type_}_pks": array(pk for _, pk in places),
        }
    rows = transaction.execute(_statement(), parameters)
    return [_outcome(item, progress, row) for (item, progress), row in zip(batch, rows, strict=True)]


def _outcome(item: Disconnected, before: Progress, row: Any) -> Verdict | Progress:
    status, tombstoned, places = row
    tombstoned += before.tombstoned
    if status == "unknown":
        problem = Problem("unknown_connector", "workspace_connector", item.workspace_connector_id)
        return Verdict(status="failed", problems=(problem,), problem_count=1)
    if status != "going":
        return Verdict(status=status, tombstoned=tombstoned)
    reached = {type_: (time, pk) for type_, time, pk in places or ()}
    return Progress(tombstoned, {**before.places, **reached})


# The place of each type is in the arrays, for each message.
@cache
def _statement() -> TextClause:
    arrays = "".join(
        f",\n                CAST(:{type_}_times AS timestamptz[]), CAST(:{type_}_pks AS bigint[])" for type_ in RECORDS
    )
    columns = "".join(f", {type_}_time, {type_}_pk" for type_ in RECORDS)
    ended = " UNION ALL ".join(f"SELECT connector_pk FROM ended_{type_}" for type_ in RECORDS)
    stale = " UNION ALL ".join(
        f"SELECT '{type_}' AS type, number, created_at, pk FROM stale_{type_}" for type_ in RECORDS
    )
    return text(f"""
WITH message AS MATERIALIZED (
  SELECT input.*, connector.pk AS connector_pk,
         (SELECT true FROM {infrastructure.sync_inbox} AS inbox WHERE inbox.message_id = input.id)
           IS NOT NULL AS seen
    FROM unnest(CAST(:numbers AS integer[]), CAST(:ids AS uuid[]), CAST(:connectors AS uuid[]){arrays})
         AS input (number, id, connector_id{columns})
    LEFT JOIN LATERAL (
      SELECT found.pk FROM {parents.workspace_connectors} AS found WHERE found.id = input.connector_id OFFSET 0
    ) AS connector ON true
),{",".join(map(_ended, RECORDS))},
place AS MATERIALIZED (
  SELECT DISTINCT ON (number, type) number, type, created_at, pk, count(*) OVER (PARTITION BY number, type) AS rows
    FROM ({stale}) AS stale
   ORDER BY number, type, created_at DESC, pk DESC
),
going AS MATERIALIZED (
  SELECT number, bool_or(rows >= :rows) AS is_going,
         json_agg(json_build_array(type, CAST(created_at AS text), pk)) AS places
    FROM place
   GROUP BY number
),
claimed AS (
  INSERT INTO {infrastructure.sync_inbox} (message_id)
  SELECT message.id
    FROM message
    LEFT JOIN going ON going.number = message.number
   WHERE NOT message.seen AND message.connector_pk IS NOT NULL AND going.is_going IS NOT TRUE
   ORDER BY message.id
      ON CONFLICT DO NOTHING
  RETURNING message_id
)
SELECT CASE WHEN message.seen THEN 'duplicate'
            WHEN message.connector_pk IS NULL THEN 'unknown'
            WHEN going.is_going THEN 'going'
            WHEN claimed.message_id IS NULL THEN 'duplicate'
            ELSE 'applied'
       END,
       coalesce(tombstoned.rows, 0), going.places
  FROM message
  LEFT JOIN going ON going.number = message.number
  LEFT JOIN claimed ON claimed.message_id = message.id
  LEFT JOIN (SELECT connector_pk, count(*) AS rows FROM ({ended}) AS ended GROUP BY connector_pk)
         AS tombstoned ON tombstoned.connector_pk = message.connector_pk
 ORDER BY message.number""")


# The planner does not see that this is one connector: it takes it for a good part of the table, and the limit, a
# sub-query, for one that it cannot know. So it takes the index that gives the rows in their order, and stops where it
# may. For "this connector's rows" it would believe in few, and read and sort all of them, for each chunk.
def _ended(type_: RecordType) -> str:
    provenance = RECORDS[type_].provenance
    return f"""
stale_{type_} AS MATERIALIZED (
  SELECT message.number, old.created_at, old.pk
    FROM message
   CROSS JOIN LATERAL (
      SELECT found.created_at, found.pk
        FROM {provenance} AS found
       WHERE (found.workspace_connector_pk, found.created_at, found.pk)
             > (message.connector_pk, message.{type_}_time, message.{type_}_pk)
         AND (found.workspace_connector_pk, found.created_at, found.pk) < (message.connector_pk + 1, '-infinity', 0)
         AND found.deleted_at IS NULL
       ORDER BY found.workspace_connector_pk, found.created_at, found.pk
       LIMIT (SELECT CAST(:rows AS integer))
    ) AS old
   WHERE NOT message.seen
),
ended_{type_} AS (
  UPDATE {provenance} AS old
     SET deleted_at = now(), updated_at = now()
   WHERE old.pk = ANY (ARRAY(SELECT stale.pk FROM stale_{type_} AS stale)) AND old.deleted_at IS NULL
  RETURNING old.workspace_connector_pk AS connector_pk
)"""
