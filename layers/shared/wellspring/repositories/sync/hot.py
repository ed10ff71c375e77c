"""The statements that every batch of records sends, which the database plans once (docs/adr/0030)."""

from collections.abc import Iterator

from wellspring.database import Compiled
from wellspring.repositories.sync.effects import end_statement, link_statement
from wellspring.repositories.sync.messages import KNOWN, LOCK, WRITE
from wellspring.repositories.sync.resolving import records_statement
from wellspring.repositories.sync.tables import RECORDS


def hot_statements() -> Iterator[tuple[str, Compiled]]:
    """Yield the statements, each with what it does: what a batch of records asks first, and what it writes."""
    yield "lock connectors", Compiled.of(LOCK)
    yield "what is known of messages", Compiled.of(KNOWN)
    yield "write messages", Compiled.of(WRITE)
    for type_ in RECORDS:
        yield f"look up {type_}", Compiled.of(records_statement(type_))
        yield f"end {type_}", Compiled.of(end_statement(type_))
        yield f"link {type_}", Compiled.of(link_statement(type_))
