"""What this process learnt of a server that says nothing, for a moment: the next one need not wait for it as well."""

import time

from wellspring.errors import DatabaseAway

# As long as `Retry-After` says.
SECONDS = 2.0

_until = 0.0


def seen() -> None:
    """Note that the server was waited for in vain."""
    global _until  # noqa: PLW0603  (one server for each process, and so one note)
    _until = time.monotonic() + SECONDS


def over() -> None:
    """Note that the server answers."""
    global _until  # noqa: PLW0603  (the same)
    _until = 0.0


def refuse() -> None:
    """Let through, unless the server was waited for in vain just now. Raises `DatabaseAway`.

    For whoever answers to somebody who waits; the queue's consumer has time, and tries.
    """
    if time.monotonic() < _until:
        raise DatabaseAway("The database does not answer at the moment; nothing was changed.")
