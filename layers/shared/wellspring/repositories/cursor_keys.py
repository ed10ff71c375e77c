"""The keys that sign page cursors."""

from sqlalchemy import select

from wellspring.database.flush import Answer, Asked, Question
from wellspring.models.infrastructure import cursor_keys

_ALL = Asked(select(cursor_keys.c.key).order_by(cursor_keys.c.pk.desc()))


def keys() -> Question[tuple[bytes, ...]]:
    """Return the question for all keys, the newest (which signs) first."""
    return Question(_ALL, _read)


def _read(answer: Answer) -> tuple[bytes, ...]:
    return tuple(bytes(key) for key in answer.scalars())
