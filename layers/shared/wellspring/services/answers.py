"""What people ask of the ledger beside its rows (contract, section 7): each a page, for what the caller sees."""

from datetime import UTC, datetime, time

from wellspring.access.principal import Principal
from wellspring.database import Transaction
from wellspring.queries import ActivityQuery, Day, Position, Sort
from wellspring.repositories.answers import activity
from wellspring.resources import CONNECTOR_ACTIVITY
from wellspring.services.reading import Page, Row, require_claimed, signed, verified

# What a cursor of one list is not taken for in the other.
BY_DAY, IN_ALL = Sort("date"), Sort("connector")


def connector_activity(transaction: Transaction, principal: Principal, query: ActivityQuery) -> Page:
    """Return how much the connectors of a query linked and ended, by day or in all.

    Raises:
        Forbidden: the query claims a workspace that the caller does not see.
        InvalidCursor: the query's cursor is not one of this list.
    """
    if query.workspace is not None:
        require_claimed(transaction, principal, [query.workspace])
    order = IN_ALL if query.is_summed else BY_DAY
    place = None
    if query.cursor is not None:
        at = verified(transaction, CONNECTOR_ACTIVITY, order, query.cursor, backward=query.backward)
        place = Day(at.id, at.at.date() if isinstance(at.at, datetime) else None)
    rows, behind = activity.activity(transaction, principal, query, place)
    ahead = len(rows) > query.size
    rows = rows[: query.size]
    if query.backward:
        rows.reverse()
    return Page(
        rows=[{**row, "id": _id_of(row)} for row in rows],
        cursors=signed(transaction, CONNECTOR_ACTIVITY, order, map(_position_of, rows)),
        included={},
        more_before=ahead if query.backward else behind,
        more_after=behind if query.backward else ahead,
    )


def _id_of(row: Row) -> str:
    connector, date = row["workspace_connector_id"], row["date"]
    return f"{connector}:{date.isoformat()}" if date else str(connector)


def _position_of(row: Row) -> Position:
    at = datetime.combine(row["date"], time(), UTC) if row["date"] else datetime.fromtimestamp(0, UTC)
    return Position(at, row["workspace_connector_id"])
