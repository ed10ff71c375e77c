"""Circuit breaker: for a moment after a server that said nothing, the next request does not wait for it as well."""

import time

from wellspring.database.sqlstate import NOT_NOW
from wellspring.errors import DatabaseAway


class CircuitBreaker:
    """Knows for so many seconds that a server was waited for in vain."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server is not to be asked now."""
        return time.monotonic() < self._open_until

    def record_timeout(self) -> None:
        """Open it: the server was waited for in vain."""
        self._open_until = time.monotonic() + self.seconds

    def record_answer(self) -> None:
        """Close it: the server answers."""
        self._open_until = 0.0

    def raise_if_open(self) -> None:
        """Raise `DatabaseAway` while it is open: for somebody who waits; the queue's consumer has time, and tries."""
        if self.is_open:
            raise DatabaseAway(NOT_NOW)


# As long as `Retry-After` says.
circuit_breaker = CircuitBreaker(2.0)
