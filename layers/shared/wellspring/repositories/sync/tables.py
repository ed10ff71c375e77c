"""Tables of each record type, and of its provenance."""

from typing import NamedTuple

from sqlalchemy import Table

from wellspring.messages import RecordType
from wellspring.models import table_of
from wellspring.resources import ledgers, resource_of


class RecordTables(NamedTuple):
    """The tables of one record type: its own, and that of the connectors which brought it in or carried it out."""

    records: Table
    provenance: Table


RECORDS: dict[RecordType, RecordTables] = {
    record: RecordTables(table_of(resource_of(record).table), table_of(ledger.table))
    for record, ledger in ledgers().items()
}
