"""Making rows: a connector brought records in, or carried them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import TextClause, text

from wellspring.database.flush import Statement
from wellspring.models.base import direction_enum
from wellspring.repositories.sync.arrays import array, array_of_arrays
from wellspring.repositories.sync.tables import RECORDS
from wellspring.work import Direction, RecordType


@dataclass(frozen=True, slots=True)
class Linking:
    """What one message links of one type of records.

    Attributes:
        message_pk: the message's.
        connector_pk: with which connector.
        direction: which way.
        record_pks: which records, as the text of an array.
    """

    message_pk: int
    connector_pk: int
    direction: Direction
    record_pks: str


def link(type_: RecordType, linkings: Sequence[Linking]) -> Statement:
    """Make a row for each record of one type."""
    return Statement(
        link_statement(type_),
        {
            "messages": array(linking.message_pk for linking in linkings),
            "connectors": array(linking.connector_pk for linking in linkings),
            "directions": array(linking.direction for linking in linkings),
            "records": array_of_arrays(linking.record_pks for linking in linkings),
        },
    )


# In the order of the records, so that the index on them, and the look at each parent, walk from page to page.
@cache
def link_statement(type_: RecordType) -> TextClause:
    """Return the statement that links records of a type."""
    return text(f"""
INSERT INTO {RECORDS[type_].provenance} ({type_}_pk, workspace_connector_pk, direction, sync_message_pk)
SELECT record.pk, message.connector_pk, message.direction, message.pk
  FROM unnest(CAST(:messages AS bigint[]), CAST(:connectors AS bigint[]),
              CAST(:directions AS {direction_enum.schema}.{direction_enum.name}[]), CAST(:records AS text[]))
       AS message (pk, connector_pk, direction, record_pks)
 CROSS JOIN LATERAL unnest(CAST(message.record_pks AS bigint[])) AS record (pk)
 ORDER BY record.pk""")
