"""Ids of messages: derived from what they name, or new. Both grow with time, which is kindest to the ledger's index."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def derived_id(at: datetime, *parts: str) -> str:
    """Return the id of a message of a run that happened at `at`: the same for the same parts."""
    return _uuid(at, sha256("\0".join(parts).encode()).digest())


def new_id() -> str:
    """Return an id that nobody had."""
    return _uuid(datetime.now(UTC), os.urandom(16))


def _uuid(at: datetime, digits: bytes) -> str:
    """Return a UUID of version 8 (RFC 9562, 5.8): 48 bits of milliseconds as in version 7, and 74 bits of `digits`."""
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1) & (1 << 48) - 1
    bits = milliseconds << 80 | int.from_bytes(digits[:10])
    bits = bits & ~(0xF << 76) | 0x8 << 76
    return str(UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))
