"""Tables of each record type, and of its provenance."""

from dataclasses import dataclass

from sqlalchemy import Table

from wellspring.models import table_of
from wellspring.resources import ledgers, resource_of
from wellspring.work import RecordType


@dataclass(frozen=True, slots=True)
class RecordTables:
    """The tables of one record type.

    Attributes:
        records: the records.
        provenance: which connector brought them in or carried them out.
    """

    records: Table
    provenance: Table


RECORDS: dict[RecordType, RecordTables] = {
    record: RecordTables(table_of(resource_of(record).table), table_of(ledger.table))
    for record, ledger in ledgers().items()
}
