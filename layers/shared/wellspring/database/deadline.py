"""The deadline of an invocation. Below a transaction it is a context variable: SQLAlchemy's pool hands nothing on."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

# Less than this is not enough for a transaction.
LEAST_SECONDS = 1.0


class Deadline:
    """The moment by which some work must end, so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        """How much is left; below zero when it is over."""
        return self._end - time.monotonic()

    @property
    def has_passed(self) -> bool:
        """Whether it is too late to begin another transaction."""
        return self.seconds < LEAST_SECONDS


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def during[Value](variable: ContextVar[Any], value: Value) -> Iterator[Value]:
    """Give a context variable a value meanwhile."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


def within(deadline: Deadline) -> AbstractContextManager[object]:
    """Have all that waits for the database meanwhile wait no longer than until `deadline`."""
    return during(_current, deadline)


def seconds_left() -> float | None:
    """Return how long the database may be waited for, below zero when it is over; None for as long as it takes."""
    deadline = _current.get()
    return None if deadline is None else deadline.seconds
