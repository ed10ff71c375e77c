"""Page cursors: opaque, tamper-evident, bound to the type and the sort (contract, section 4, "Lists").

A cursor is the row's public id, its pk, and its time, or its name as it is sorted, signed with HMAC-SHA256: the whole
position, which holds when its row has been deleted since. The pk is encrypted (docs/adr/0005).
"""

import base64
import binascii
import hmac
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from wellspring.database import Transaction
from wellspring.database.flush import Flush, Query, Result
from wellspring.errors import InvalidCursor
from wellspring.queries import AnswerQuery, Position, Sort
from wellspring.repositories import infrastructure
from wellspring.resources import Resource
from wellspring.times import MILLISECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ID_BYTES, PK_BYTES, TIME_BYTES, TAG_BYTES = 16, 8, 8, 16


def _bound(resource: Resource, sort: Sort) -> bytes:
    return f":{resource.type}:{'-' if sort.descending else ''}{sort.name}:".encode()


def _tag(key: bytes, bound: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"cursor" + bound + body, "sha256")[:TAG_BYTES]


def _encrypted(key: bytes, bound: bytes, row: bytes, pk: int) -> bytes:
    """Return a pk encrypted, or decrypted: XOR with bits of which each row of a list has its own."""
    bits = int.from_bytes(hmac.digest(key, b"pk" + bound + row, "sha256")[:PK_BYTES], signed=True)
    return (pk ^ bits).to_bytes(PK_BYTES, signed=True)


def sign(key: bytes, resource: Resource, sort: Sort, position: Position | Position[str]) -> str:
    """Return the cursor of `position` in a list of `resource` under `sort`."""
    bound, (at, id_, pk) = _bound(resource, sort), position
    row = bytes.fromhex(id_.replace("-", "")) if isinstance(id_, str) else id_.bytes
    place = at.encode() if isinstance(at, str) else ((at - EPOCH) // MILLISECOND).to_bytes(TIME_BYTES, signed=True)
    body = row + _encrypted(key, bound, row, pk) + place
    return _written(body + _tag(key, bound, body))


def _written(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def verify(keys: Sequence[bytes], resource: Resource, sort: Sort, cursor: str, parameter: str) -> Position:
    """Return the position of a cursor, sent as `parameter`; raises `InvalidCursor` where no key signed it for these."""
    try:
        signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        signed = b""
    # Of the last character only some bits count, and padding may be left off: one cursor could be written many ways.
    if _written(signed) != cursor:
        signed = b""
    end = max(len(signed) - TAG_BYTES, 0)
    body, tag = signed[:end], signed[end:]
    bound = _bound(resource, sort)
    signer = next((key for key in keys if hmac.compare_digest(tag, _tag(key, bound, body))), None)
    if signer is None:
        detail = "The cursor is not one of this list in this order; begin again without it."
        raise InvalidCursor(detail, parameter=parameter)
    row, pk, place = body[:ID_BYTES], body[ID_BYTES : ID_BYTES + PK_BYTES], body[ID_BYTES + PK_BYTES :]
    at = place.decode() if sort.by_text else EPOCH + int.from_bytes(place, signed=True) * MILLISECOND
    pk = _encrypted(signer, bound, row, int.from_bytes(pk, signed=True))
    return Position(at, UUID(bytes=row), int.from_bytes(pk, signed=True))


# The keys, which the database keeps, the newest first: read once for each process, and again when a cursor of an
# unknown one turns up.
_known: list[bytes] = []


def _query() -> Query[list[bytes]]:
    query = infrastructure.signing_keys()

    def read(result: Result) -> list[bytes]:
        _known[:] = query.read(result)
        return _known

    return Query(query.statement, read)


def _keys(transaction: Transaction, *, again: bool = False) -> Sequence[bytes]:
    return _query().run(transaction) if again or not _known else _known


def ask_for_keys(flush: Flush) -> None:
    """Have the keys asked for with the rest, where this process does not know them: to sign asks nothing then."""
    if not _known:
        flush.ask(_query())


def signed(
    transaction: Transaction, resource: Resource, sort: Sort, positions: Iterable[Position | Position[str]]
) -> list[str]:
    """Return the cursors of positions in a list of `resource` under `sort`."""
    key = _keys(transaction)[0]
    return [sign(key, resource, sort, position) for position in positions]


def verified(transaction: Transaction, resource: Resource, sort: Sort, query: AnswerQuery) -> Position | None:
    """Return the position beside which a page lies, None for an end of the list; raises as `verify` does."""
    if query.cursor is None:
        return None
    parameter = "page[before]" if query.backward else "page[after]"
    try:
        return verify(_keys(transaction), resource, sort, query.cursor, parameter)
    except InvalidCursor:
        # Its key may be newer than this process.
        return verify(_keys(transaction, again=True), resource, sort, query.cursor, parameter)
