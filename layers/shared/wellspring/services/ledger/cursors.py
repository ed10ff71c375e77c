"""Page cursors: opaque, tamper-evident, bound to the type and the sort (contract, section 4, "Lists").

A cursor is the row's public id, its pk, and its time, or its name as it is sorted, signed with HMAC-SHA256. That is the
whole position: nothing is looked up by it, so it holds when its row has been deleted since. It gives away nothing that
the answer beside it does not say: the pk is encrypted (docs/adr/0005).
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from wellspring.errors import InvalidCursor
from wellspring.queries import Position, Sort
from wellspring.resources import Resource

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
ID_BYTES = 16
PK_BYTES = 8
TIME_BYTES = 8
TAG_BYTES = 16


def _digest(key: bytes, use: str, resource: Resource, sort: Sort, body: bytes, size: int) -> bytes:
    bound = f"{use}:{resource.type}:{'-' if sort.descending else ''}{sort.name}:".encode()
    return hmac.digest(key, bound + body, "sha256")[:size]


def _tag(key: bytes, resource: Resource, sort: Sort, body: bytes) -> bytes:
    return _digest(key, "cursor", resource, sort, body, TAG_BYTES)


def _encrypted(key: bytes, resource: Resource, sort: Sort, row: bytes, pk: bytes) -> bytes:
    """Return a pk encrypted, or decrypted: XOR with bits of which each row of a list has its own."""
    # As numbers: a page has many, and a byte at a time takes three times as long.
    bits = int.from_bytes(_digest(key, "pk", resource, sort, row, PK_BYTES))
    return (int.from_bytes(pk) ^ bits).to_bytes(PK_BYTES)


def sign(key: bytes, resource: Resource, sort: Sort, position: Position) -> str:
    """Return the cursor of `position` in a list of `resource` under `sort`."""
    at = position.at
    place = at.encode() if isinstance(at, str) else ((at - EPOCH) // MILLISECOND).to_bytes(TIME_BYTES, signed=True)
    row = position.id.bytes
    body = row + _encrypted(key, resource, sort, row, position.pk.to_bytes(PK_BYTES, signed=True)) + place
    return _written(body + _tag(key, resource, sort, body))


def _written(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def verify(keys: Sequence[bytes], resource: Resource, sort: Sort, cursor: str, parameter: str) -> Position:
    """Return the position that `cursor` stands for.

    Args:
        keys: all that may have signed it.
        resource: the type that is listed.
        sort: the order of the list.
        cursor: as the client sent it.
        parameter: where it stood, for the error.

    Raises:
        InvalidCursor: it was not signed with one of the keys for this type and sort.
    """
    try:
        signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        signed = b""
    # Of the last character only some bits count, and padding may be left off: one cursor could be written many ways.
    if _written(signed) != cursor:
        signed = b""
    end = max(len(signed) - TAG_BYTES, 0)
    body, tag = signed[:end], signed[end:]
    signer = next((key for key in keys if hmac.compare_digest(tag, _tag(key, resource, sort, body))), None)
    if signer is None:
        raise InvalidCursor(
            "The cursor is not one of this list in this order; begin again without it.", parameter=parameter
        )
    row, pk, place = body[:ID_BYTES], body[ID_BYTES : ID_BYTES + PK_BYTES], body[ID_BYTES + PK_BYTES :]
    at = place.decode() if sort.by_text else EPOCH + int.from_bytes(place, signed=True) * MILLISECOND
    return Position(at, UUID(bytes=row), int.from_bytes(_encrypted(signer, resource, sort, row, pk), signed=True))
