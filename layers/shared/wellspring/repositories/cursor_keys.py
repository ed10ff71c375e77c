"""The keys that sign page cursors."""

# Asks for no caller: they are the service's own, the same for everybody.

from sqlalchemy import select

from wellspring.database.flush import Query, Statement
from wellspring.models.infrastructure import cursor_keys

_ALL = Statement(select(cursor_keys.c.key).order_by(cursor_keys.c.pk.desc()))


def keys() -> Query[list[bytes]]:
    """Return the question for all keys, the newest (which signs) first."""
    return Query(_ALL, lambda result: [bytes(key) for key in result.scalars()])
