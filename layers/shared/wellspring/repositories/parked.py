"""Parked rows, sync messages and events of the feed alike: the oldest, closing one, and dropping what is too old.

Nothing else reads or closes them by their being parked; what differs between the two is in `MESSAGES` and `EVENTS`.
"""

# Asks for no caller: services alone release and dismiss, and the ledger has found the row for them before.

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Table, text

from wellspring.models.feed import pending_events
from wellspring.models.messages import sync_messages, waiting_for
from wellspring.queries import MAX_TOTAL

# How long the body of what is parked is kept (contract, sections 5 and 6).
BODY_DAYS = 45


@dataclass(frozen=True, slots=True)
class ParkedTable:
    """A table of which rows are parked.

    Attributes:
        table: it has id, outcome, reason, note and received_at; pk is the order of arrival.
        body: its column of what was sent.
        expired: what else is set where a body is dropped.
        dismissed: what else is set where a row is closed.
        forgotten: what is deleted with the bodies of the rows `expired`.
        returning: what is told of a row that was closed.
        counted: up to how many are counted; None for all.
    """

    table: Table
    body: str
    expired: str
    dismissed: str
    forgotten: str
    returning: str
    counted: int | None


MESSAGES = ParkedTable(
    sync_messages,
    body="body",
    expired="",
    dismissed=", progress = NULL, processed_at = now()",
    forgotten=f",\nforgotten AS (DELETE FROM {waiting_for} WHERE message_pk = ANY (ARRAY(SELECT pk FROM expired)))",
    returning="pk, reason, workspace_connector_pk, sync_run_pk, message_type",
    counted=None,
)
_MISSES_NOTHING = ", missing_type = NULL, missing_key = NULL, updated_at = now()"
EVENTS = ParkedTable(
    pending_events,
    body="event",
    expired=_MISSES_NOTHING,
    dismissed=_MISSES_NOTHING,
    forgotten="",
    returning="pk",
    counted=MAX_TOTAL,
)


def oldest(
    transaction: Connection,
    parked: ParkedTable,
    matching: Mapping[str, object],
    most: int,
    *,
    column: str = "id",
    where: str = "true",
) -> tuple[int, list[Any]]:
    """Return how many rows are parked with these values in columns, and one column of the oldest of them."""
    conditions = ["outcome = 'parked'", *(f"{name} = :{name}" for name in matching), where]
    rows = f"FROM {parked.table} WHERE {' AND '.join(conditions)}"
    count = text(f"SELECT count(*) FROM (SELECT {rows} LIMIT CAST(:most AS bigint)) AS counted")
    number = transaction.execute(count, {**matching, "most": parked.counted}).scalar_one()
    found = text(f"SELECT {column} {rows} ORDER BY received_at, pk LIMIT :most")
    return int(number), list(transaction.execute(found, {**matching, "most": most}).scalars())


def dismiss(transaction: Connection, parked: ParkedTable, id_: UUID, note: str) -> Row[Any] | None:
    """Close a parked row for good, without its body. Return what is told of it; None where it was not parked."""
    statement = f"""
UPDATE {parked.table}
   SET outcome = 'dismissed', note = :note, {parked.body} = NULL{parked.dismissed}
 WHERE id = :id AND outcome = 'parked'
RETURNING {parked.returning}"""
    return transaction.execute(text(statement), {"id": id_, "note": note}).one_or_none()


def expire(transaction: Connection, parked: ParkedTable, most: int) -> int:
    """Drop the bodies of the oldest rows that are parked for longer than `BODY_DAYS`; return how many.

    Further back than twice as long there is none left: this is done each minute. What somebody releases at the moment
    is theirs: nobody waits, and what was applied meanwhile is left as it is.
    """
    statement = f"""
WITH expired AS (
  UPDATE {parked.table}
     SET {parked.body} = NULL, reason = 'expired'{parked.expired}
   WHERE pk = ANY (ARRAY(
           SELECT pk FROM {parked.table}
            WHERE outcome = 'parked' AND {parked.body} IS NOT NULL
              AND received_at < now() - make_interval(days => :kept)
              AND received_at > now() - make_interval(days => 2 * :kept)
            ORDER BY received_at, pk
            LIMIT :most
              FOR UPDATE SKIP LOCKED))
  RETURNING pk
){parked.forgotten}
SELECT count(*) FROM expired"""
    return int(transaction.execute(text(statement), {"kept": BODY_DAYS, "most": most}).scalar_one())
