"""The keys that sign page cursors."""

# Asks for no caller: they are the service's own, the same for everybody.

from sqlalchemy import select

from wellspring.database.flush import Query, Result, Statement
from wellspring.models.infrastructure import cursor_keys

_ALL = Statement(select(cursor_keys.c.key).order_by(cursor_keys.c.pk.desc()))


def keys() -> Query[tuple[bytes, ...]]:
    """Return the question for all keys, the newest (which signs) first."""
    return Query(_ALL, _read)


def _read(answer: Result) -> tuple[bytes, ...]:
    return tuple(bytes(key) for key in answer.scalars())
