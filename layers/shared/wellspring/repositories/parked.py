"""Parked work in its table, a sync message or an event of the feed: the oldest, expiring, dismissing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text

from wellspring.database import Transaction
from wellspring.models import feed
from wellspring.models.messages import sync_messages
from wellspring.queries import MAX_TOTAL

# How long the body of what is parked is kept (contract, section 5).
BODY_DAYS = 45


@dataclass(frozen=True, slots=True)
class Held:
    """What was parked when somebody looked: its public id, what it is (`parked`, or what became of it), and why."""

    id: UUID
    outcome: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ParkedIn:
    """A table that work is parked in.

    Attributes:
        table: its name.
        body: the column of what was sent, which neither expired nor dismissed work keeps.
        dismissed: what else is set where work is dismissed.
        expired: what else is set where it has expired.
        told: columns that are returned of what was dismissed.
    """

    table: object
    body: str
    dismissed: str
    expired: str
    told: str


_NOT_AWAITED = "missing_type = NULL, missing_key = NULL, updated_at = now()"
MESSAGES = ParkedIn(
    sync_messages,
    "body",
    dismissed="progress = NULL, processed_at = now()",
    expired="reason = 'expired'",
    told="workspace_connector_pk, sync_run_pk, message_type",
)
EVENTS = ParkedIn(
    feed.pending_events, "event", dismissed=_NOT_AWAITED, expired=f"reason = 'expired', {_NOT_AWAITED}", told="pk"
)

# By the index of what is not applied, from the oldest on. Further back there is none left: this is done each minute.
# What somebody releases at the moment is theirs: nobody waits, and what was applied meanwhile is left as it is.
_EXPIRE = """
UPDATE {kind.table}
   SET {kind.body} = NULL, {kind.expired}
 WHERE pk = ANY (ARRAY(
         SELECT pk FROM {kind.table}
          WHERE outcome = 'parked' AND {kind.body} IS NOT NULL AND received_at < now() - make_interval(days => :kept)
            AND received_at > now() - make_interval(days => 2 * :kept)
          ORDER BY received_at, pk
          LIMIT :most
            FOR UPDATE SKIP LOCKED))
RETURNING pk"""
_DISMISS = """
UPDATE {kind.table}
   SET outcome = 'dismissed', note = :note, {kind.body} = NULL, {kind.dismissed}
 WHERE id = :id AND outcome = 'parked'
RETURNING {kind.told}"""
_COUNT = "SELECT count(*) FROM (SELECT FROM {kind.table} WHERE {where} LIMIT :most) AS counted"
_OLDEST = "SELECT {column} FROM {kind.table} WHERE {where} ORDER BY received_at, pk LIMIT :most"


def oldest(
    transaction: Transaction,
    kind: ParkedIn,
    named: Mapping[str, object],
    most: int,
    *,
    column: str = "id",
    where: str = "outcome = 'parked'",
) -> tuple[int, list[Any]]:
    """Return how many are parked with these values in columns, up to `MAX_TOTAL`, and one column of the oldest."""
    condition = " AND ".join([where, *(f"{name} = :{name}" for name in named)])
    count, rows = (text(each.format(kind=kind, where=condition, column=column)) for each in (_COUNT, _OLDEST))
    matching = int(transaction.execute(count, {**named, "most": MAX_TOTAL}).scalar_one())
    return matching, list(transaction.execute(rows, {**named, "most": most}).scalars())


def expire(transaction: Transaction, kind: ParkedIn, most: int) -> list[int]:
    """Drop what was sent of the oldest that are parked for longer than `BODY_DAYS`; return the pks of their rows."""
    expired = text(_EXPIRE.format(kind=kind))
    return list(transaction.execute(expired, {"kept": BODY_DAYS, "most": most}).scalars())


def dismiss(transaction: Transaction, kind: ParkedIn, id_: UUID, note: str) -> RowMapping | None:
    """Close one for good. Return what is `told` of it; None where it was not parked any more."""
    return transaction.execute(text(_DISMISS.format(kind=kind)), {"id": id_, "note": note}).mappings().one_or_none()
