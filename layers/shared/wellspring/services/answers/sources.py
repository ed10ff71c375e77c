"""Sources of a record: where it came from and where it went."""

from datetime import datetime
from uuid import UUID

from wellspring.access.principal import Principal
from wellspring.database import Transaction
from wellspring.queries import BY_SOURCE, AnswerQuery, Position, Sort, Source
from wellspring.repositories import ledger
from wellspring.repositories.answers import sources as sources_of
from wellspring.resources import RECORD_SOURCE, Resource
from wellspring.services.ledger.cursors import signed, verified
from wellspring.services.ledger.reading import Page, absent, include

SOURCES = Sort(BY_SOURCE)


def record_sources(
    transaction: Transaction, principal: Principal, record: Resource, id_: UUID | None, query: AnswerQuery
) -> Page:
    """Return a line for each connector and direction of a record, whose id is None where the path held no uuid.

    Raises `NotFound` where the caller may not see the record, and `InvalidCursor`.
    """
    if id_ is None or ledger.one(principal, record, {"id": id_}).run(transaction) is None:
        raise absent(record.type, id_)
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
