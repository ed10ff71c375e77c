"""Contract, section 4: cursors are opaque, tamper-evident, bound to the sort; and of queries what is left for units."""

import base64
import string
from datetime import UTC, datetime
from uuid import UUID

import pytest

from local.gateway import LARGEST_HEAD
from wellspring.errors import InvalidCursor, Problems
from wellspring.jsonapi.documents import url_of
from wellspring.jsonapi.query import MAX_FILTER_IDS, parse_list, with_cursor
from wellspring.queries import MAX_NAME_FOLDED, Position, Sort
from wellspring.resources import ACCOUNT, COMPANY, COMPANY_WORKSPACE_CONNECTOR, FOLDED, Resource
from wellspring.services.ledger.cursors import ID_BYTES, PK_BYTES, sign, verify

BASE64 = f"{string.ascii_letters}{string.digits}-_"
KEY = b"k" * 32
NEWEST, OLDEST = Sort("created_at", descending=True), Sort("created_at", descending=False)
MOMENT = datetime(2026, 5, 10, 8, 14, 22, 123000, tzinfo=UTC)
HERE = Position(MOMENT, UUID(int=2**127 + 5), 2**40 + 3)


def opened(cursor: str) -> Position:
    return verify((KEY,), COMPANY_WORKSPACE_CONNECTOR, NEWEST, cursor, "page[after]")


@pytest.mark.parametrize("year", [1901, 1969, 1970, 2026, 9999])
@pytest.mark.parametrize("pk", [-(2**63), -1, 0, HERE.pk, 2**63 - 1])
def test_a_cursor_gives_back_its_place(year: int, pk: int) -> None:
    place = Position(MOMENT.replace(year=year), HERE.id, pk)
    assert opened(sign(KEY, COMPANY_WORKSPACE_CONNECTOR, NEWEST, place)) == place


def test_a_cursor_does_not_show_the_pk_and_no_two_rows_hide_theirs_alike() -> None:
    def hidden(type_: Resource, sort: Sort, place: Position) -> int:
        signed = base64.urlsafe_b64decode(sign(KEY, type_, sort, place) + "==")
        return int.from_bytes(signed[ID_BYTES : ID_BYTES + PK_BYTES])

    there = [(COMPANY, NEWEST, HERE), (COMPANY, OLDEST, HERE), (ACCOUNT, NEWEST, HERE)]
    there.append((COMPANY, NEWEST, Position(MOMENT, UUID(int=7), HERE.pk)))
    # What a pk is changed by; of another list or row it tells nothing.
    assert len({hidden(*place) ^ HERE.pk for place in there} | {0}) == len(there) + 1


@pytest.mark.parametrize("name", ["", "alder trading", "ärger & söhne", "名" * 200])
def test_a_cursor_of_the_order_of_names_gives_back_its_place(name: str) -> None:
    by_name, place = Sort(FOLDED, descending=False), Position(name, HERE.id)
    cursor = sign(KEY, COMPANY, by_name, place)
    assert verify((KEY,), COMPANY, by_name, cursor, "page[after]") == place
    for other in (Sort(FOLDED, descending=True), OLDEST):
        with pytest.raises(InvalidCursor):
            verify((KEY,), COMPANY, other, cursor, "page[after]")


def test_every_changed_bit_is_noticed() -> None:
    signed = base64.urlsafe_b64decode(sign(KEY, COMPANY_WORKSPACE_CONNECTOR, NEWEST, HERE) + "==")
    for number in range(len(signed) * 8):
        changed = bytearray(signed)
        changed[number // 8] ^= 1 << number % 8
        with pytest.raises(InvalidCursor):
            opened(base64.urlsafe_b64encode(changed).decode().rstrip("="))


def test_a_cursor_is_written_in_one_way() -> None:
    cursor = sign(KEY, COMPANY_WORKSPACE_CONNECTOR, NEWEST, HERE)
    # Of its last character two bits count, and four are nobody's.
    others = {*(cursor[:-1] + last for last in BASE64), *(cursor + "=" * number for number in range(1, 4))} - {cursor}
    assert len(others) == 66
    for other in others:
        with pytest.raises(InvalidCursor):
            opened(other)


def test_the_longest_walk_fits_through_the_gateway() -> None:
    """As many ids as filters take, escaped as browsers do, behind the longest name: with room for token and headers."""
    longest = Position("\N{GRINNING FACE}" * MAX_NAME_FOLDED, UUID(int=1))
    cursor = sign(b"key", ACCOUNT, Sort(FOLDED, descending=False), longest)
    ids = "%2C".join(str(UUID(int=number)) for number in range(MAX_FILTER_IDS))
    raw = f"filter%5Bworkspace%5D={ids}&filter%5Bname%5D%5Bstarts%5D=x&sort=name&page%5Bsize%5D=500&include=workspace"
    link = url_of(ACCOUNT.route, with_cursor(raw, "page[after]", cursor))
    token, headers = 3000, 1500
    assert len(f"GET {link} HTTP/1.1") + token + headers <= LARGEST_HEAD


def test_a_link_keeps_the_query_and_changes_the_cursor() -> None:
    assert with_cursor("sort=created_at&page[after]=a&filter%5Bdirection%5D=input", "page[before]", "b") == (
        "sort=created_at&filter%5Bdirection%5D=input&page%5Bbefore%5D=b"
    )
    assert with_cursor("page[after]=a", "page[after]", None) == ""


def test_all_filters_together_name_as_many_ids_as_a_url_has_room_for() -> None:
    def asked(companies: int, connectors: int) -> str:
        ids = [str(UUID(int=number)) for number in range(companies + connectors)]
        return f"filter[company]={','.join(ids[:companies])}&filter[workspace_connector]={','.join(ids[companies:])}"

    assert len(parse_list(COMPANY_WORKSPACE_CONNECTOR, asked(50, 50)).filters) == 2
    with pytest.raises(Problems) as raised:
        parse_list(COMPANY_WORKSPACE_CONNECTOR, asked(50, 51))
    told = {problem.source.get("parameter") for problem in raised.value.problems}
    assert told == {"filter[company]", "filter[workspace_connector]"}
