"""Effects of messages on rows: live rows of records end, new ones are made, providers are matched (docs/adr/0020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import TextClause, text

from wellspring.database.flush import Statement
from wellspring.messages import Change, OfRecords, ProvidersMatched, RecordsInvalidated, RecordsSynced, RecordType
from wellspring.models.base import direction_enum
from wellspring.models.junctions import workspace_providers
from wellspring.repositories.sync.arrays import array, array_of_arrays
from wellspring.repositories.sync.making import Named
from wellspring.repositories.sync.messages import counted
from wellspring.repositories.sync.resolving import PROVIDER, Resolved
from wellspring.repositories.sync.tables import RECORDS
from wellspring.resources import DIRECTIONS


@dataclass(frozen=True, slots=True)
class Effect:
    """A message that is applied: what it asks for, what is found of what it names, and the records that it makes."""

    pk: int
    item: Change
    found: Resolved
    makes: frozenset[Named] = frozenset()


def effects(applied: Sequence[Effect]) -> list[tuple[str, Statement]]:
    """Return what is to be written for messages, in this order: one statement for each thing and type of records.

    `end` and `match` are answered with (pk of the message, how many rows it ended, or choices it made or changed).
    """
    asked: list[tuple[str, Statement]] = []
    for type_ in RECORDS:
        naming = [each for each in applied if isinstance(each.item, OfRecords) and type_ in each.item.records]
        ending = [each for each in naming if ends(each.item)]
        linking = [each for each in naming if isinstance(each.item, RecordsSynced)]
        if ending:
            asked.append(("end", Statement(end_statement(type_), _of_records(type_, ending))))
        if linking:
            asked.append(("link", Statement(link_statement(type_), _of_records(type_, linking))))
    if matching := [each for each in applied if isinstance(each.item, ProvidersMatched)]:
        asked.append(("match", Statement(_MATCH, _values(PROVIDER, matching))))
    return asked


def ends(item: Change) -> bool:
    """Say whether a message ends rows."""
    return isinstance(item, RecordsInvalidated) or (isinstance(item, RecordsSynced) and item.mode == "relink")


def _values(type_: str, some: Sequence[Effect]) -> dict[str, str]:
    return {
        "messages": array(each.pk for each in some),
        "parents": array(each.found.parent_pk for each in some),
        "named": array_of_arrays(each.found.pks[type_] for each in some),
    }


def _of_records(type_: RecordType, some: Sequence[Effect]) -> dict[str, str]:
    directions = array(each.item.direction if isinstance(each.item, OfRecords) else None for each in some)
    return _values(type_, some) | {"directions": directions}


# Messages, each with the pks of what it names of one type as the text of an array; the direction is null for both.
_OF_RECORDS = (
    "unnest(CAST(:messages AS bigint[]), CAST(:parents AS bigint[]),"
    f" CAST(:directions AS {direction_enum.schema}.{direction_enum.name}[]), CAST(:named AS text[]))"
)


# By the indexes of a record's live rows on a connector, one for each direction: by that of all its rows a relink reads
# the record's whole history. The connector is compared as the second part of a pair, which fits no index that begins
# with connectors: where there are no statistics, the planner may take one of those, and read all rows of the connector
# for each record (22 s instead of 0.1 s for 3,000). Nor is what ends joined: where they say that the table is empty, it
# would compare each of its rows with each of these. So which message ends a row is looked up in sorted arrays.
@cache
def end_statement(type_: RecordType) -> TextClause:
    """Return the statement that ends live rows of records of a type on a connector."""
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
    by = """(ARRAY(SELECT message_pk FROM stale ORDER BY pk))[
           width_bucket(old.pk, ARRAY(SELECT pk FROM stale ORDER BY pk))]"""
    return text(f"""
WITH stale AS MATERIALIZED (
  SELECT DISTINCT ON (old.pk) old.pk, message.pk AS message_pk
    FROM {_OF_RECORDS} WITH ORDINALITY AS message (pk, connector_pk, direction, record_pks, number)
   CROSS JOIN LATERAL unnest(CAST(message.record_pks AS bigint[])) AS record (pk)
   CROSS JOIN LATERAL ({live}
      OFFSET 0
    ) AS old
   ORDER BY old.pk, message.number
),
{end_stale(type_, by)},
{counted(type_, "ended", "ended")}
SELECT pk, number FROM in_message""")


def end_stale(type_: RecordType, by: str = "CAST(:message AS bigint)") -> str:
    """Return the CTE `ended`: the rows of `stale` that are live still end `by` the pk of a message; `old` is a row."""
    return f"""ended AS (
  UPDATE {RECORDS[type_].provenance} AS old
     SET deleted_at = now(), updated_at = now(), ended_by_pk = {by}
   WHERE old.pk = ANY (ARRAY(SELECT stale.pk FROM stale)) AND old.deleted_at IS NULL
  RETURNING old.ended_by_pk AS message_pk
)"""


# In the order of the records, so that the index on them, and the look at each parent, walk from page to page.
@cache
def link_statement(type_: RecordType) -> TextClause:
    """Return the statement that makes a row for each record of a type."""
    return text(f"""
INSERT INTO {RECORDS[type_].provenance} ({type_}_pk, workspace_connector_pk, direction, sync_message_pk)
SELECT record.pk, message.connector_pk, message.direction, message.pk
  FROM {_OF_RECORDS} AS message (pk, connector_pk, direction, record_pks)
 CROSS JOIN LATERAL unnest(CAST(message.record_pks AS bigint[])) AS record (pk)
 ORDER BY record.pk""")


# What is matched already is left alone, and nothing is selected. In the order of the pairs, so that two batches that
# match the same wait for, not on, each other.
_MATCH = text(f"""
WITH choice AS MATERIALIZED (
  SELECT DISTINCT ON (message.workspace_pk, provider.pk) message.workspace_pk, provider.pk AS provider_pk,
         message.pk AS message_pk
    FROM unnest(CAST(:messages AS bigint[]), CAST(:parents AS bigint[]), CAST(:named AS text[]))
         WITH ORDINALITY AS message (pk, workspace_pk, provider_pks, number)
   CROSS JOIN LATERAL unnest(CAST(message.provider_pks AS bigint[])) AS provider (pk)
    LEFT JOIN LATERAL (
      SELECT found.is_matched
        FROM {workspace_providers} AS found
       WHERE found.workspace_pk = message.workspace_pk AND found.provider_pk = provider.pk AND found.deleted_at IS NULL
      OFFSET 0
    ) AS old ON true
   WHERE old.is_matched IS NOT TRUE
   ORDER BY message.workspace_pk, provider.pk, message.number
),
matched AS (
  INSERT INTO {workspace_providers} AS old (workspace_pk, provider_pk, is_matched)
  SELECT workspace_pk, provider_pk, true FROM choice ORDER BY workspace_pk, provider_pk
      ON CONFLICT (workspace_pk, provider_pk) WHERE deleted_at IS NULL
      DO UPDATE SET is_matched = true, updated_at = now() WHERE NOT old.is_matched
),
{counted(PROVIDER, "matched", "choice")}
SELECT pk, number FROM in_message""")
