"""The statements that every batch of records sends, which the database plans once (docs/adr/0030)."""

from collections.abc import Iterator

from sqlalchemy import TextClause

from wellspring.repositories.sync.ending import _end
from wellspring.repositories.sync.linking import _link
from wellspring.repositories.sync.messages import _KNOWN, _LOCK, _WRITE
from wellspring.repositories.sync.resolving import _records
from wellspring.repositories.sync.tables import RECORDS


def hot_statements() -> Iterator[tuple[str, TextClause]]:
    """Yield the statements, each with what it does: what a batch of records asks first, and what it writes."""
    yield "lock connectors", _LOCK
    yield "what is known of messages", _KNOWN
    yield "write messages", _WRITE
    for type_ in RECORDS:
        yield f"look up {type_}", _records(type_)
        yield f"end {type_}", _end(type_)
        yield f"link {type_}", _link(type_)
