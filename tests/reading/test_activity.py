"""Activity of connectors, by day or in all: what is counted, for whom, on which page, at what cost."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.api import READER, Reply, get, walked_both_ways, walked_text
from tests.support.databases import FreshDatabase, Statements
from tests.support.plans import explain, sent_for
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from wellspring.queries import MAX_ACTIVE_CONNECTORS, MAX_DAYS
from wellspring.resources import DIRECTIONS, records

URL = "/v1/connector-activity"
DAY = datetime(2026, 3, 4, 12, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
IN_MARCH = "filter[date][gte]=2026-03-01&filter[date][lte]=2026-03-31"


def of(connector: Row, *more: str) -> str:
    return "&".join((f"{URL}?filter[workspace_connector]={connector.id}", *more))


def sums(**numbers: tuple[int, int]) -> Mapping[str, Mapping[str, int]]:
    """Return numbers of input and output by type, of every type that there is."""
    return {each.type: dict(zip(DIRECTIONS, numbers.get(each.type, (0, 0)), strict=True)) for each in records()}


def said(reply: Reply) -> list[Mapping[str, Any]]:
    assert reply.status == 200, reply.body
    return [item["attributes"] for item in reply.data]


def test_a_day_says_what_was_linked_and_ended_by_type_and_direction(world: World, ours: Tenant) -> None:
    other = world.account(ours.workspace)
    world.provenance(ours.record, ours.connector, created_at=DAY)
    world.provenance(ours.record, ours.connector, "output", created_at=DAY)
    world.provenance(other, ours.connector, created_at=DAY - ONE_DAY, deleted_at=DAY)
    reply = get(of(ours.connector, IN_MARCH), ours.caller)
    assert [item["id"] for item in reply.data] == [f"{ours.connector.id}:2026-03-04", f"{ours.connector.id}:2026-03-03"]
    assert said(reply) == [
        {"date": "2026-03-04", "linked": sums(company=(1, 1)), "ended": sums(account=(1, 0))},
        {"date": "2026-03-03", "linked": sums(account=(1, 0)), "ended": sums()},
    ]
    assert reply.data[0]["type"] == "connector_activity"
    assert reply.data[0]["relationships"]["workspace_connector"] == {
        "links": {"related": f"/v1/workspace-connectors/{ours.connector.id}"},
        "data": {"type": "workspace_connector", "id": str(ours.connector.id)},
    }


def test_a_day_of_which_nothing_is_left_is_none(world: World, ours: Tenant) -> None:
    row = world.provenance(ours.record, ours.connector, created_at=DAY, deleted_at=DAY + ONE_DAY)
    assert len(said(get(of(ours.connector, IN_MARCH), ours.caller))) == 2
    world.change(row, deleted_at=None)
    assert [day["date"] for day in said(get(of(ours.connector, IN_MARCH), ours.caller))] == ["2026-03-04"]


def test_all_days_of_a_connector_are_added_up(world: World, ours: Tenant) -> None:
    idle = world.workspace_connector(ours.workspace)
    for days in range(3):
        world.provenance(ours.record, ours.connector, created_at=DAY + days * ONE_DAY)
    world.provenance(ours.record, ours.connector, created_at=DAY - 30 * ONE_DAY)
    reply = get(f"{URL}?filter[workspace]={ours.workspace.id}&sum[by]=connector&{IN_MARCH}", ours.caller)
    assert [item["id"] for item in reply.data] == [str(ours.connector.id), str(idle.id)]
    assert said(reply) == [
        {"date": None, "linked": sums(company=(3, 0)), "ended": sums()},
        {"date": None, "linked": sums(), "ended": sums()},
    ]


def test_what_a_connector_did_outlives_it_and_no_link_leads_there(world: World, ours: Tenant) -> None:
    world.provenance(ours.record, ours.connector, created_at=DAY)
    world.tombstone(ours.connector)
    reply = get(of(ours.connector, IN_MARCH), ours.caller)
    assert [item["id"] for item in reply.data] == [f"{ours.connector.id}:2026-03-04"]
    assert "links" not in reply.data[0]["relationships"]["workspace_connector"]


def test_without_a_range_it_is_the_last_days_until_today(world: World, ours: Tenant) -> None:
    now = datetime.now(UTC)
    first = now - (MAX_DAYS - 1) * ONE_DAY
    for at in (first - ONE_DAY, first, now - ONE_DAY):
        world.provenance(ours.record, ours.connector, created_at=at)
    found = [day["date"] for day in said(get(of(ours.connector, "page[size]=500"), ours.caller))]
    # The tenant's own row is of today.
    assert found == [day.date().isoformat() for day in (now, now - ONE_DAY, first)]


@pytest.mark.parametrize(
    ("range_", "expected"),
    [("[gt]=2026-03-04", [6, 5]), ("[gte]=2026-03-05", [6, 5]), ("[lt]=2026-03-05", [4]), ("[lte]=2026-03-05", [5, 4])],
)
def test_a_range_has_its_ends_or_not(world: World, ours: Tenant, range_: str, expected: list[int]) -> None:
    for days in range(3):
        world.provenance(ours.record, ours.connector, created_at=DAY + days * ONE_DAY)
    other = "[lt]=2026-03-20" if range_.startswith("[gt") else "[gt]=2026-02-20"
    found = said(get(of(ours.connector, f"filter[date]{range_}", f"filter[date]{other}"), ours.caller))
    assert [date.fromisoformat(day["date"]).day for day in found] == expected


def busy(world: World, ours: Tenant) -> list[str]:
    """Give three connectors of a workspace some days each; return all ids in the list's order."""
    connectors = [ours.connector, *(world.workspace_connector(ours.workspace) for _ in range(2))]
    found = []
    for number, connector in enumerate(connectors, 1):
        days = [DAY + days * ONE_DAY for days in range(number + 1)]
        for at in days:
            world.provenance(ours.record, connector, created_at=at)
            world.provenance(ours.record, connector, "output", created_at=at)
        found += [f"{connector.id}:{at.date()}" for at in reversed(days)]
    return found


@pytest.mark.parametrize("size", [1, 2, 4, 20])
def test_a_walk_meets_each_day_of_each_connector_once_and_back_again(world: World, ours: Tenant, size: int) -> None:
    days = busy(world, ours)
    connectors = list(dict.fromkeys(day.partition(":")[0] for day in days))
    url = f"{URL}?filter[workspace]={ours.workspace.id}&{IN_MARCH}"
    for caller in (ours.caller, READER):
        assert walked_both_ways(url, caller, size) == days
        assert walked_both_ways(f"{url}&sum[by]=connector", caller, size) == connectors


def test_as_many_days_and_connectors_as_may_be_are_answered(ours: Tenant) -> None:
    ids = ",".join([str(ours.connector.id), *(f"{n:08x}-0000-7000-8000-000000000000" for n in range(99))])
    assert ids.count(",") == MAX_ACTIVE_CONNECTORS - 1
    url = f"{URL}?filter[workspace_connector]={ids}&filter[date][gt]=2024-12-31&filter[date][lt]=2026-02-05"
    assert get(url, ours.caller).status == 200


def test_the_fields_that_are_named_are_shown(world: World, ours: Tenant) -> None:
    world.provenance(ours.record, ours.connector, created_at=DAY)
    reply = get(of(ours.connector, IN_MARCH, "fields[connector_activity]=ended"), ours.caller)
    assert reply.data[0].keys() == {"type", "id", "attributes", "meta"}
    assert reply.data[0]["attributes"] == {"ended": sums()}


def test_a_page_is_one_statement_beside_a_claim(world: World, ours: Tenant, statements: Statements) -> None:
    busy(world, ours)
    for url, expected in ((of(ours.connector), 1), (f"{URL}?filter[workspace]={ours.workspace.id}", 2)):
        for form in ("", "&sum[by]=connector"):
            assert sent_for(statements, f"{url}{form}&page[size]=2", ours.caller)[0] == expected


def test_a_page_reads_as_many_sums_as_it_shows(fresh_database: FreshDatabase, world: World, ours: Tenant) -> None:
    """However many connectors and days there are beside."""
    connectors = [world.workspace_connector(ours.workspace) for _ in range(40)]
    world.fill(
        "wellspring.connector_activity",
        f"unnest(ARRAY{[each.pk for each in connectors]}) AS pk,"
        " generate_series('2025-01-01'::date, '2025-12-31', '1 day') AS day,"
        " unnest(ARRAY['account', 'company', 'people']) AS type, unnest(ARRAY['input', 'output']) AS direction",
        workspace_connector_pk="pk",
        date="day",
        type="type",
        direction="direction::core_api.direction_enum",
        linked=1,
    )
    world.analyze("wellspring.connector_activity")
    url = f"{URL}?filter[workspace]={ours.workspace.id}&filter[date][gte]=2025-01-01&filter[date][lte]=2025-12-31"
    ids = walked_text(f"{url}&page[size]=500", ours.caller)
    assert len(ids) == len(set(ids)) == 40 * 365
    days = 21 * len(records()) * len(DIRECTIONS)
    cursor = get(url, ours.caller).data[-1]["meta"]["page"]["cursor"]
    for more in ("", f"&page[after]={cursor}"):
        for caller in (ours.caller, READER):
            read, _ = explain(fresh_database, f"{url}{more}", caller, "connector_activity")
            # Of each connector that is asked at all; a page of one is read of the first of them.
            assert read <= len(connectors) * days
