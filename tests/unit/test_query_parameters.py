"""Contract, section 4: an unknown or malformed parameter is 400 with `source.parameter`, and never ignored."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from wellspring.errors import InvalidQueryParameter, Problems
from wellspring.jsonapi.query import no_parameters, parse_list, parse_view, with_cursor
from wellspring.queries import Filter, Sort, View
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR as COMPANY

ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"

BAD = [
    ("foo=1", "foo"),
    ("Foo=1", "Foo"),
    ("limit=10", "limit"),
    ("cursor=x", "cursor"),
    ("page=1", "page"),
    ("page[number]=1", "page[number]"),
    ("page[size]=0", "page[size]"),
    ("page[size]=501", "page[size]"),
    ("page[size]=-1", "page[size]"),
    ("page[size]=1.5", "page[size]"),
    ("page[size]=", "page[size]"),
    ("page[size]=%D9%A3", "page[size]"),
    ("page[size]=" + "9" * 5000, "page[size]"),
    ("sort=", "sort"),
    ("sort=direction", "sort"),
    ("sort=created_at,-created_at", "sort"),
    ("sort=--created_at", "sort"),
    ("sort=pk", "sort"),
    ("include=workspace", "include"),
    ("include=company,", "include"),
    ("include=company.pk", "include"),
    ("filter=x", "filter"),
    ("filter[]=x", "filter[]"),
    ("filter[pk]=1", "filter[pk]"),
    ("filter[company_pk]=1", "filter[company_pk]"),
    ("filter[account]=" + ID, "filter[account]"),
    ("filter[company]=", "filter[company]"),
    ("filter[company]=7", "filter[company]"),
    (f"filter[company]={ID},", "filter[company]"),
    (f"filter[company]={ID.replace('-', '')}", "filter[company]"),
    (f"filter[company][eq]={ID}", "filter[company][eq]"),
    ("filter[company]=" + ",".join([ID] * 101), "filter[company]"),
    ("filter[direction]=sideways", "filter[direction]"),
    ("filter[direction]=INPUT", "filter[direction]"),
    ("filter[direction][eq]=input", "filter[direction][eq]"),
    ("filter[direction]=input%00", "filter[direction]"),
    ("filter[created_at]=2026-05-10T08:14:22Z", "filter[created_at]"),
    ("filter[created_at][eq]=2026-05-10T08:14:22Z", "filter[created_at][eq]"),
    ("filter[created_at][gte]=", "filter[created_at][gte]"),
    ("filter[created_at][gte]=yesterday", "filter[created_at][gte]"),
    ("filter[created_at][gte]=2026-05-10", "filter[created_at][gte]"),
    ("filter[created_at][gte]=2026-05-10T08:14:22", "filter[created_at][gte]"),
    ("filter[created_at][gte]=2026-13-10T08:14:22Z", "filter[created_at][gte]"),
    ("filter[created_at][gte]=0001-01-01T00:00:00%2B14:00", "filter[created_at][gte]"),
    ("filter[created_at][gte]=99999-01-01T00:00:00Z", "filter[created_at][gte]"),
    ("filter[created_at][gte][lt]=2026-05-10T08:14:22Z", "filter[created_at][gte][lt]"),
    ("page[size]=1&page[size]=2", "page[size]"),
    ("page[after]=a&page[before]=b", "page[before]"),
    ("page[after]=&page[before]=", "page[before]"),
]


@pytest.mark.parametrize(("query", "parameter"), BAD)
def test_what_is_unknown_or_malformed_is_named(query: str, parameter: str) -> None:
    with pytest.raises(InvalidQueryParameter) as caught:
        parse_list(COMPANY, query)
    assert caught.value.status == 400
    assert caught.value.source == {"parameter": parameter}


@pytest.mark.parametrize("query", ["%ff=1", "foo=%ff", "&".join(["a=1"] * 101)])
def test_a_query_string_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(InvalidQueryParameter):
        parse_list(COMPANY, query)


def test_all_problems_come_together() -> None:
    with pytest.raises(Problems) as caught:
        parse_list(COMPANY, "foo=1&page[size]=x&sort=pk")
    assert [problem.source["parameter"] for problem in caught.value.problems] == ["foo", "page[size]", "sort"]
    assert caught.value.status == 400


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


def test_nothing_said_is_the_newest_twenty() -> None:
    query = parse_list(COMPANY, "")
    assert (query.size, query.sort, query.cursor, query.view) == (20, Sort(descending=True), None, View())


def test_a_row_takes_include_and_fields_and_nothing_else() -> None:
    view, problems = parse_view(COMPANY, "include=company&fields[company]=name&fields[company_workspace_connector]=")
    assert view == View(("company",), {"company": frozenset({"name"}), "company_workspace_connector": frozenset()})
    assert problems == []
    _, problems = parse_view(COMPANY, "page[size]=1&sort=created_at")
    assert [problem.source["parameter"] for problem in problems] == ["page[size]", "sort"]


def test_a_removal_takes_nothing() -> None:
    assert no_parameters("") == []
    assert [problem.source for problem in no_parameters("include=company&a=1&a=2")] == [
        {"parameter": "include"},
        {"parameter": "a"},
    ]


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
