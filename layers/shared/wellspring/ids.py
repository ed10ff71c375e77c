"""Public ids, wherever one is read: paths, filters, bodies, claims."""

import re
from uuid import UUID

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def parse_id(text: str) -> UUID | None:
    """Return the uuid that `text` is in the 36 characters of RFC 9562, section 4, or None."""
    return UUID(text) if _UUID.fullmatch(text) else None
