"""Making records that were never there, of what a message says of them: in the workspace of its connector.

One that is there is left as it is. One that was tombstoned, or erased, is unknown: also where it was never seen before
its tombstone came, which the platform's feed keeps apart (repositories/feed). So whoever makes a record locks its type
as the feed does, and looks for its tombstone behind that lock.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import TextClause, text

from wellspring.database import Transaction
from wellspring.database.flush import Statement, execute_pipelined
from wellspring.messages import RecordType
from wellspring.models import feed
from wellspring.repositories.feed.applying import FED
from wellspring.repositories.sync.arrays import array
from wellspring.repositories.sync.tables import RECORDS

# A record: its type and its id.
type Named = tuple[RecordType, str]


def creatable_records(transaction: Transaction, named: set[Named]) -> set[Named]:
    """Lock the types of these records as the feed does, until the transaction ends; return those that never were."""
    types = [type_ for type_ in RECORDS if any(found == type_ for found, _ in named)]
    asked = [Statement(_LOCK, {"numbers": array(number for number, type_ in enumerate(FED) if type_ in types)})]
    for type_ in types:
        ids = sorted(id_ for found, id_ in named if found == type_)
        asked.append(Statement(_absent(type_), {"ids": array(ids)}))
    _, *answers = execute_pipelined(transaction, asked)
    return {(type_, str(row.id)) for type_, rows in zip(types, answers, strict=True) for row in rows}


def make(rows: Mapping[RecordType, Sequence[Mapping[str, object]]]) -> list[Statement]:
    """Make records that were never there, each an id, a workspace and attributes; one statement for each type.

    Answered with the ids of those that nobody else made meanwhile.
    """
    return [Statement(_made(type_), {"rows": json.dumps(of_type)}) for type_, of_type in rows.items()]


_LOCK = text("SELECT wellspring.lock_fed_types(CAST(:numbers AS integer[]))")


@cache
def _absent(type_: RecordType) -> TextClause:
    return text(f"""
SELECT named.id
  FROM unnest(CAST(:ids AS uuid[])) AS named (id)
 WHERE (SELECT true FROM {RECORDS[type_].records} AS known WHERE known.id = named.id) IS NULL
   AND (SELECT true FROM {feed.tombstones} AS gone WHERE gone.type = '{type_}' AND gone.id = named.id) IS NULL""")


@cache
def _made(type_: RecordType) -> TextClause:
    columns = ", ".join(FED[type_].attributes)
    typed = ", ".join(f"{name} {kind}" for name, kind in FED[type_].attributes.items())
    return text(f"""
INSERT INTO {RECORDS[type_].records} (id, workspace_pk, {columns})
SELECT id, workspace_pk, {columns}
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS made (id uuid, workspace_pk bigint, {typed})
 ORDER BY id
    ON CONFLICT (id) DO NOTHING
RETURNING id""")
