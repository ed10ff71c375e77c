"""Query parameters, as they are parsed and written into links; what is refused is in tests/jsonapi."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from wellspring.errors import Problems
from wellspring.jsonapi.query import parse_list, with_cursor
from wellspring.queries import Filter, Sort, View
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR as COMPANY

ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def test_a_query_says_all_it_can_say() -> None:
    query = parse_list(
        COMPANY,
        f"filter[company]={ID},{ID.upper()}&filter[direction]=output&filter[created_at][gt]=2026-05-10T10:00:00%2B02:00"
        "&sort=created_at&page[size]=7&page[before]=abc&include=workspace_connector,company",
    )
    assert query.filters == (
        Filter("company", "in", (UUID(ID),)),
        Filter("direction", "eq", "output"),
        Filter("created_at", "gt", datetime(2026, 5, 10, 8, tzinfo=UTC)),
    )
    assert query.sort == Sort("created_at", descending=False)
    assert (query.size, query.cursor, query.backward) == (7, "abc", True)
    assert query.view == View(("workspace_connector", "company"))


def test_a_link_keeps_the_query_and_changes_the_cursor() -> None:
    assert with_cursor("sort=created_at&page[after]=a&filter%5Bdirection%5D=input", "page[before]", "b") == (
        "sort=created_at&filter%5Bdirection%5D=input&page%5Bbefore%5D=b"
    )
    assert with_cursor("page[after]=a", "page[after]", None) == ""


def test_all_filters_together_name_as_many_ids_as_a_url_has_room_for() -> None:
    def asked(companies: int, connectors: int) -> str:
        ids = [str(UUID(int=number)) for number in range(companies + connectors)]
        return f"filter[company]={','.join(ids[:companies])}&filter[workspace_connector]={','.join(ids[companies:])}"

    assert len(parse_list(COMPANY, asked(50, 50)).filters) == 2
    with pytest.raises(Problems) as raised:
        parse_list(COMPANY, asked(50, 51))
    told = {problem.source.get("parameter") for problem in raised.value.problems}
    assert told == {"filter[company]", "filter[workspace_connector]"}
