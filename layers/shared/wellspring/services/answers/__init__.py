"""Answers beside the ledger's rows (contract, section 7; docs/adr/0025), each for what the caller sees.

What returns a page raises `InvalidCursor`. An id is None where the path held no uuid.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from wellspring.access.principal import Principal
from wellspring.access.rules import require_workspace_keeper
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.errors import Forbidden
from wellspring.queries import BY_SOURCE, ActivityQuery, AnswerQuery, AuditQuery, Day, Position, Sort, Source
from wellspring.repositories import fleet as fleet_of
from wellspring.repositories import ledger, parents
from wellspring.repositories.answers import activity, sole
from wellspring.repositories.answers import audit_entries as entries_of
from wellspring.repositories.answers import sources as sources_of
from wellspring.resources import (
    AUDIT_ENTRY,
    CONNECTOR_ACTIVITY,
    DIRECTIONS,
    RECORD_SOURCE,
    WORKSPACE_CONNECTOR,
    Resource,
    records,
)
from wellspring.services.ledger.cursors import signed, verified
from wellspring.services.ledger.reading import Page, RowWithIncludes, absent, include, require_claimed

# What a cursor of one list is not taken for in the other.
BY_DAY, IN_ALL = Sort("date"), Sort("connector")
BY_TIME, SOURCES = Sort("at"), Sort(BY_SOURCE)


def connector_activity(transaction: Transaction, principal: Principal, query: ActivityQuery) -> Page:
    """Return how much the connectors of a query linked and ended; raises as `require_claimed` does."""
    if query.workspace is not None:
        require_claimed(transaction, principal, [query.workspace])
    order = IN_ALL if query.is_summed else BY_DAY
    at = verified(transaction, CONNECTOR_ACTIVITY, order, query)
    place = at and Day(at.id, at.at.date() if isinstance(at.at, datetime) else None)
    found = activity.activity(transaction, principal, query, place)
    rows: list[Row] = []
    places = []
    for row in found.rows:
        connector, date = row["workspace_connector_id"], row["date"]
        rows.append({**row, "id": f"{connector}:{date.isoformat()}" if date else str(connector)})
        at_day = datetime.combine(date, time(), UTC) if date else datetime.fromtimestamp(0, UTC)
        places.append(Position(at_day, connector))
    cursors = signed(transaction, CONNECTOR_ACTIVITY, order, places)
    return Page(rows, cursors, {}, found.more_before, found.more_after)


def audit_entries(transaction: Transaction, principal: Principal, query: AuditQuery) -> Page:
    """Return who did what: of a workspace to who keeps it, of all to services.

    Raises `Forbidden` where a person names no workspace, or one that they do not keep.
    """
    wanted = [] if query.workspace is None else [("workspace", query.workspace)]
    workspace = next(iter(parents.find(transaction, principal, wanted).values()), None)
    require_workspace_keeper(principal, workspace.roles if workspace else frozenset())
    if wanted and workspace is None:
        raise Forbidden("There is no such workspace among yours.", parameter="filter[workspace]")
    place = verified(transaction, AUDIT_ENTRY, BY_TIME, query)
    page = entries_of.entries(transaction, principal, query, workspace.pk if workspace else None, place)
    places = (Position(row["at"], row["id"], row["pk"]) for row in page.rows)
    cursors = signed(transaction, AUDIT_ENTRY, BY_TIME, places)
    rows: list[Row] = [
        {**row, "deleted_at": None, "resource": {"type": row["resource_type"], "id": row["resource_id"]}}
        for row in page.rows
    ]
    _, included = include(transaction, principal, AUDIT_ENTRY, rows, query.view)
    return Page(rows, cursors, included, page.more_before, page.more_after)


def record_sources(
    transaction: Transaction, principal: Principal, record: Resource, id_: UUID | None, query: AnswerQuery
) -> Page:
    """Return a line for each connector and direction of a record; raises `NotFound` where the caller sees none."""
    id_ = _seen(transaction, principal, record, id_)
    place = None
    if at := verified(transaction, RECORD_SOURCE, SOURCES, query):
        time_, _, direction = str(at.at).partition(" ")
        place = Source(datetime.fromisoformat(time_), at.id, direction)
    found = sources_of.sources(transaction, principal, record, id_, query, place)
    places = (
        Position(f"{row['last_at'].isoformat()} {row['direction']}", row["workspace_connector_id"])
        for row in found.rows
    )
    cursors = signed(transaction, RECORD_SOURCE, SOURCES, places)
    _, included = include(transaction, principal, RECORD_SOURCE, found.rows, query.view)
    return Page(found.rows, cursors, included, found.more_before, found.more_after)


def connector_impact(transaction: Transaction, principal: Principal, id_: UUID | None) -> RowWithIncludes:
    """Return what is lost if a connector is disconnected; raises `NotFound`."""
    id_ = _seen(transaction, principal, WORKSPACE_CONNECTOR, id_)
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


def _seen(transaction: Transaction, principal: Principal, resource: Resource, id_: UUID | None) -> UUID:
    """Return the id of what the caller sees; raises `NotFound`."""
    if id_ is None or ledger.one(principal, resource, {"id": id_}).run(transaction) is None:
        raise absent(resource.type, id_)
    return id_
