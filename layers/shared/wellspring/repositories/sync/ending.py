"""Ending the live rows of records on a connector: what a relink does first, and an invalidation at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import TextClause, text

from wellspring.database.flush import Statement
from wellspring.models.base import direction_enum
from wellspring.models.walks import DIRECTIONS
from wellspring.repositories.sync.arrays import array, array_of_arrays
from wellspring.repositories.sync.messages import counted_with_run
from wellspring.repositories.sync.tables import RECORDS
from wellspring.work import Direction, RecordType


@dataclass(frozen=True, slots=True)
class Ending:
    """What one message ends of one type of records.

    Attributes:
        message_pk: the message's.
        connector_pk: on which connector.
        direction: of which rows; None for both.
        record_pks: of which records, as the text of an array.
    """

    message_pk: int
    connector_pk: int
    direction: Direction | None
    record_pks: str


def end(type_: RecordType, endings: Sequence[Ending]) -> Statement:
    """End live rows of records of one type; answered with (pk of the message, how many rows it ended)."""
    return Statement(
        end_statement(type_),
        {
            "messages": array(ending.message_pk for ending in endings),
            "connectors": array(ending.connector_pk for ending in endings),
            "directions": array(ending.direction for ending in endings),
            "records": array_of_arrays(ending.record_pks for ending in endings),
        },
    )


# By the indexes of a record's live rows on a connector, one for each direction: by that of all its rows a relink reads
# the record's whole history. The connector is compared as the second part of a pair, which fits no index that begins
# with connectors: where there are no statistics, the planner may take one of those, and read all rows of the connector
# for each record (22 s instead of 0.1 s for 3,000). Nor is what ends joined: where they say that the table is empty, it
# would compare each of its rows with each of these. So which message ends a row is looked up in sorted arrays.
@cache
def end_statement(type_: RecordType) -> TextClause:
    """Return the statement that ends rows of a record type."""
    provenance = RECORDS[type_].provenance
    pair = f"(found.{type_}_pk, found.workspace_connector_pk)"
    live = " UNION ALL ".join(
        f"""
      SELECT found.pk
        FROM {provenance} AS found
       WHERE (message.direction IS NULL OR message.direction = '{direction}')
         AND found.{type_}_pk = record.pk AND found.direction = '{direction}' AND found.deleted_at IS NULL
         AND {pair} >= (record.pk, message.connector_pk) AND {pair} <= (record.pk, message.connector_pk)"""
        for direction in DIRECTIONS
    )
    return text(f"""
WITH stale AS MATERIALIZED (
  SELECT DISTINCT ON (old.pk) old.pk, message.pk AS message_pk
    FROM unnest(CAST(:messages AS bigint[]), CAST(:connectors AS bigint[]),
                CAST(:directions AS {direction_enum.schema}.{direction_enum.name}[]), CAST(:records AS text[]))
         WITH ORDINALITY AS message (pk, connector_pk, direction, record_pks, number)
   CROSS JOIN LATERAL unnest(CAST(message.record_pks AS bigint[])) AS record (pk)
   CROSS JOIN LATERAL ({live}
      OFFSET 0
    ) AS old
   ORDER BY old.pk, message.number
),
ended AS (
  UPDATE {provenance} AS old
     SET deleted_at = now(), updated_at = now(),
         ended_by_pk = (ARRAY(SELECT message_pk FROM stale ORDER BY pk))[
           width_bucket(old.pk, ARRAY(SELECT pk FROM stale ORDER BY pk))]
   WHERE old.pk = ANY (ARRAY(SELECT stale.pk FROM stale)) AND old.deleted_at IS NULL
  RETURNING old.ended_by_pk AS message_pk
),
{counted_with_run(type_, "ended")}
SELECT pk, number FROM in_message""")
