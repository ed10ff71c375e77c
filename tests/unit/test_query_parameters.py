"""Limits of a query beyond one parameter; all else of parameters is in tests/jsonapi."""

from uuid import UUID

import pytest

from wellspring.errors import Problems
from wellspring.jsonapi.query import parse_list
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR as COMPANY


def test_all_filters_together_name_as_many_ids_as_a_url_has_room_for() -> None:
    def asked(companies: int, connectors: int) -> str:
        ids = [str(UUID(int=number)) for number in range(companies + connectors)]
        return f"filter[company]={','.join(ids[:companies])}&filter[workspace_connector]={','.join(ids[companies:])}"

    assert len(parse_list(COMPANY, asked(50, 50)).filters) == 2
    with pytest.raises(Problems) as raised:
        parse_list(COMPANY, asked(50, 51))
    told = {problem.source.get("parameter") for problem in raised.value.problems}
    assert told == {"filter[company]", "filter[workspace_connector]"}
