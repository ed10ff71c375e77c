"""Circuit breaker: for a moment after a server that said nothing, the next request does not wait for it as well."""

import time

from wellspring.errors import DatabaseAway

# How long it stays open; as long as `Retry-After` says.
SECONDS = 2.0

_open_until = 0.0


def record_timeout() -> None:
    """Open it: the server was waited for in vain."""
    global _open_until  # noqa: PLW0603  (one server for each process, and so one breaker)
    _open_until = time.monotonic() + SECONDS


def record_answer() -> None:
    """Close it: the server answers."""
    global _open_until  # noqa: PLW0603  (the same)
    _open_until = 0.0


def raise_if_open() -> None:
    """Raise `DatabaseAway` while it is open.

    For whoever answers to somebody who waits; the queue's consumer has time, and tries.
    """
    if time.monotonic() < _open_until:
        raise DatabaseAway("The database does not answer at the moment; nothing was changed.")
