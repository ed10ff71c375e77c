"""Queries in links, and a limit beyond one parameter; all else is in tests/jsonapi."""

from uuid import UUID

import pytest

from wellspring.errors import Problems
from wellspring.jsonapi.query import parse_list, with_cursor
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR as COMPANY


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
