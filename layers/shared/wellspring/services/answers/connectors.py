"""Answers about connectors: how much they did, what is lost without one, and how well all of them are."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from wellspring.access.principal import Principal
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.queries import ActivityQuery, Day, Position, Sort
from wellspring.repositories import fleet as fleet_of
from wellspring.repositories import ledger
from wellspring.repositories.answers import activity, sole
from wellspring.resources import CONNECTOR_ACTIVITY, DIRECTIONS, WORKSPACE_CONNECTOR, records
from wellspring.services.ledger.cursors import signed, verified
from wellspring.services.ledger.reading import Page, RowWithIncludes, absent, require_claimed

# What a cursor of one list is not taken for in the other.
BY_DAY, IN_ALL = Sort("date"), Sort("connector")


def connector_activity(transaction: Transaction, principal: Principal, query: ActivityQuery) -> Page:
    """Return how much the connectors of a query linked and ended; raises as `require_claimed` and `verified` do."""
    if query.workspace is not None:
        require_claimed(transaction, principal, [query.workspace])
    order = IN_ALL if query.is_summed else BY_DAY
    at = verified(transaction, CONNECTOR_ACTIVITY, order, query)
    place = at and Day(at.id, at.at.date() if isinstance(at.at, datetime) else None)
    found = activity.activity(transaction, principal, query, place)
    cursors = signed(transaction, CONNECTOR_ACTIVITY, order, map(_position_of, found.rows))
    rows: list[Row] = [{**row, "id": _id_of(row)} for row in found.rows]
    return Page(rows, cursors, {}, found.more_before, found.more_after)


def connector_impact(transaction: Transaction, principal: Principal, id_: UUID | None) -> RowWithIncludes:
    """Return what is lost if a connector is disconnected; raises `NotFound`. Its id is None where there was no uuid."""
    if id_ is None or ledger.one(principal, WORKSPACE_CONNECTOR, {"id": id_}).run(transaction) is None:
        raise absent(WORKSPACE_CONNECTOR.type, id_)
    live = {record.type: dict.fromkeys(DIRECTIONS, 0) for record in records()}
    for sums in sole.live_rows(transaction, principal, id_):
        live[sums["type"]][sums["direction"]] = sums["live"]
    looked = sole.examined(transaction, principal, id_)
    return RowWithIncludes(
        {
            "id": id_,
            "workspace_connector_id": id_,
            "deleted_at": None,
            "live_rows": live,
            "sole_source": {each["type"]: each["sole"] for each in looked},
            "examined": sum(each["examined"] for each in looked),
            "is_capped": any(each["is_capped"] for each in looked),
        },
        {},
    )


def fleet(transaction: Transaction) -> Mapping[str, Any]:
    """Return the attributes of `fleet`, as they were counted last."""
    return fleet_of.counted(transaction)


def _id_of(row: Row) -> str:
    connector, date = row["workspace_connector_id"], row["date"]
    return f"{connector}:{date.isoformat()}" if date else str(connector)


def _position_of(row: Row) -> Position:
    at = datetime.combine(row["date"], time(), UTC) if row["date"] else datetime.fromtimestamp(0, UTC)
    return Position(at, row["workspace_connector_id"])
