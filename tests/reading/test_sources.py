"""Sources of a record, impact of a connector, and what nobody else brings in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.reading.test_activity import sums
from tests.support.api import NOWHERE, READER, get, service, walk, walked_text
from tests.support.databases import Database, Statements
from tests.support.tenants import Tenant, tenant
from tests.support.world import Row, World
from wellspring.repositories.answers import sole, sources
from wellspring.resources import records, resource_of

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
READABLE = [record.type for record in records() if record.is_readable]


def url_of(record: Row) -> str:
    return f"{resource_of(record.type).route}/{record.id}/sources"


def impact_of(connector: Row) -> str:
    return f"/v1/workspace-connectors/{connector.id}/impact"


def alone(connector: Row, type_: str = "company") -> str:
    return f"{resource_of(type_).route}?filter[sole_source]={connector.id}"


def message(database: Database, connector: Row, workspace: Row, occurred_at: datetime) -> int:
    """Keep a message of a connector, and return its pk."""
    made = text(
        "INSERT INTO wellspring.sync_messages (workspace_connector_pk, workspace_pk, occurred_at)"
        " VALUES (:connector, :workspace, :at) RETURNING pk"
    )
    values = {"connector": connector.pk, "workspace": workspace.pk, "at": occurred_at}
    pk: int = database.owner.execute(made, values).scalar_one()
    return pk


def written_by(database: Database, row: Row, message_pk: int) -> None:
    table = resource_of(row.type).table
    database.owner.exec_driver_sql(f"UPDATE core_api.{table} SET sync_message_pk = {message_pk} WHERE pk = {row.pk}")
    database.commit()


# ---- where a record came from ------------------------------------------------------------------------------
@pytest.mark.parametrize("type_", READABLE)
def test_each_connector_and_direction_is_a_source_the_last_one_first(
    world: World, database: Database, type_: str
) -> None:
    ours = tenant(world, type_)
    bank = world.workspace_connector(ours.workspace)
    record = world.record(type_, ours.workspace)
    first, second = (world.provenance(record, bank, created_at=AT + hours * HOUR) for hours in (0, 2))
    world.provenance(record, bank, created_at=AT + HOUR, deleted_at=AT + 2 * HOUR)
    world.provenance(record, bank, "output", created_at=AT + 3 * HOUR)
    world.provenance(record, ours.connector, created_at=AT)
    for row, at in ((first, AT + 9 * HOUR), (second, AT - HOUR)):
        written_by(database, row, message(database, bank, ours.workspace, at))
    reply = get(url_of(record), ours.caller)
    assert [item["id"] for item in reply.data] == [
        f"{record.id}:{bank.id}:output",
        f"{record.id}:{bank.id}:input",
        f"{record.id}:{ours.connector.id}:input",
    ]
    assert {item["type"] for item in reply.data} == {"record_source"}
    assert reply.data[1]["attributes"] == {
        "direction": "input",
        "first_at": "2026-03-04T12:00:00.000Z",
        "last_at": "2026-03-04T14:00:00.000Z",
        "last_occurred_at": "2026-03-04T21:00:00.000Z",
        "rows": 3,
        "live": 2,
        "rows_is_capped": False,
    }
    assert reply.data[2]["attributes"]["last_occurred_at"] is None
    assert reply.data[1]["relationships"] == {
        "record": {
            "links": {"related": f"{resource_of(type_).route}/{record.id}"},
            "data": {"type": type_, "id": str(record.id)},
        },
        "workspace_connector": {
            "links": {"related": f"/v1/workspace-connectors/{bank.id}"},
            "data": {"type": "workspace_connector", "id": str(bank.id)},
        },
    }


def test_the_connector_and_what_it_connects_to_are_included(ours: Tenant, statements: Statements) -> None:
    url = f"{url_of(ours.record)}?include=workspace_connector.connector,workspace_connector.workspace"
    get(url, ours.caller)
    statements.clear()
    included = get(url, ours.caller).document["included"]
    assert sorted(item["type"] for item in included) == ["connector", "workspace", "workspace_connector"]
    # The record, its sources, the ids that they leave, and one for each included type.
    assert len(statements) == 6


def test_a_connector_that_is_gone_is_a_source_of_its_dead_rows_and_no_link_leads_there(
    world: World, ours: Tenant
) -> None:
    gone = world.workspace_connector(ours.workspace)
    world.provenance(ours.record, gone, created_at=AT, deleted_at=AT + HOUR)
    world.provenance(ours.record, gone, created_at=AT + HOUR)
    world.tombstone(gone)
    (source,) = (item for item in get(url_of(ours.record), ours.caller).data if str(gone.id) in item["id"])
    assert (source["attributes"]["rows"], source["attributes"]["live"]) == (1, 0)
    assert "links" not in source["relationships"]["workspace_connector"]


def test_a_record_that_is_gone_or_foreign_or_nobodys_is_404(world: World, ours: Tenant, theirs: Tenant) -> None:
    gone = world.company(ours.workspace)
    world.tombstone(gone)
    told = [
        get(f"/v1/companies/{id_}/sources", ours.caller) for id_ in (gone.id, theirs.record.id, NOWHERE, "nonsense")
    ]
    assert {(reply.status, *reply.codes) for reply in told} == {(404, "COMPANY_NOT_FOUND")}
    assert get(url_of(theirs.record), READER).status == 200
    assert get(url_of(theirs.record), service("sync:write")).codes == ["FORBIDDEN"]


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_a_walk_meets_each_source_once_and_back_again(world: World, ours: Tenant, size: int) -> None:
    connectors = [world.workspace_connector(ours.workspace) for _ in range(3)]
    # Of one time, so that connector and direction decide.
    for connector in connectors:
        for direction in ("input", "output"):
            world.provenance(ours.record, connector, direction, created_at=AT)
    url = f"{url_of(ours.record)}?page[size]={size}"
    expected = [
        f"{ours.record.id}:{ours.connector.id}:input",
        *(f"{ours.record.id}:{each.id}:{way}" for each in reversed(connectors) for way in ("output", "input")),
    ]
    assert walked_text(url, ours.caller) == expected
    cursor = get(f"{url_of(ours.record)}?page[size]=20", ours.caller).data[-1]["meta"]["page"]["cursor"]
    assert walked_text(f"{url}&page[before]={cursor}", ours.caller, "prev") == expected[:-1]


def test_a_record_of_more_rows_than_are_told_from_says_so(
    world: World, ours: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in range(3):
        world.provenance(ours.record, ours.connector, "output", created_at=AT + hours * HOUR)
    monkeypatch.setattr(sources, "MAX_SOURCE_ROWS", 2)
    # The tenant's own row is of today, and the newest.
    told = [item["attributes"] for item in get(url_of(ours.record), ours.caller).data]
    assert [(each["direction"], each["rows"], each["rows_is_capped"]) for each in told] == [
        ("input", 1, True),
        ("output", 1, True),
    ]


@pytest.mark.parametrize("query", ["sort=last_at", "filter[direction]=input", "page[total]=true", "include=record"])
def test_what_sources_do_not_take_is_400(ours: Tenant, query: str) -> None:
    reply = get(f"{url_of(ours.record)}?{query}", ours.caller)
    assert (reply.status, reply.error["source"]["parameter"]) == (400, query.partition("=")[0])


# ---- what is lost without a connector ----------------------------------------------------------------------
@pytest.fixture
def shared(world: World, ours: Tenant) -> dict[str, list[Row]]:
    """Companies that the tenant's connector brings in: alone, beside another, and beside what counts for nothing."""
    other, gone = (world.workspace_connector(ours.workspace) for _ in range(2))
    companies = world.companies(ours.workspace, 6)
    both, sent, ended, closed, twice, plain = companies
    for hours, company in enumerate(companies):
        world.provenance(company, ours.connector, created_at=AT + hours * HOUR)
    world.provenance(both, other)
    world.provenance(sent, other, "output")
    world.provenance(ended, other, created_at=AT, deleted_at=AT + HOUR)
    world.provenance(closed, gone)
    world.provenance(twice, ours.connector, created_at=AT - HOUR)
    world.provenance(both, ours.connector, "output")
    world.tombstone(gone)
    # What the tenant's own connector brought in first is the newest of all.
    return {"sole": [ours.record, plain, twice, closed, ended, sent], "both": [both], "other": [other]}


def impact(connector: Row, caller: Any) -> Any:
    reply = get(impact_of(connector), caller)
    assert reply.status == 200, reply.body
    return reply.data


def test_an_impact_counts_live_rows_and_what_nobody_else_brings_in(
    ours: Tenant, shared: dict[str, list[Row]], statements: Statements
) -> None:
    for caller in (ours.caller, READER):
        assert impact(ours.connector, caller) == {
            "type": "connector_impact",
            "id": str(ours.connector.id),
            "attributes": {
                "live_rows": sums(company=(8, 1)),
                "sole_source": {"account": 0, "company": 6, "people": 0},
                "examined": 7,
                "is_capped": False,
            },
            "relationships": {
                "workspace_connector": {
                    "links": {"related": f"/v1/workspace-connectors/{ours.connector.id}"},
                    "data": {"type": "workspace_connector", "id": str(ours.connector.id)},
                }
            },
        }
    (other,) = shared["other"]
    assert impact(other, ours.caller)["attributes"]["sole_source"]["company"] == 0
    statements.clear()
    impact(ours.connector, ours.caller)
    assert len(statements) == 3


def test_a_connector_that_is_gone_or_foreign_or_nobodys_has_no_impact(
    world: World, ours: Tenant, theirs: Tenant
) -> None:
    gone = world.workspace_connector(ours.workspace)
    world.tombstone(gone)
    told = [
        get(f"/v1/workspace-connectors/{id_}/impact", ours.caller)
        for id_ in (gone.id, theirs.connector.id, NOWHERE, "nonsense")
    ]
    assert {(reply.status, *reply.codes) for reply in told} == {(404, "WORKSPACE_CONNECTOR_NOT_FOUND")}


@pytest.mark.usefixtures("shared")
def test_of_more_rows_than_are_looked_at_the_newest_are(ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sole, "MAX_EXAMINED", 3)
    said = impact(ours.connector, ours.caller)["attributes"]
    monkeypatch.undo()
    assert (said["sole_source"]["company"], said["examined"], said["is_capped"]) == (3, 3, True)
    assert said["live_rows"] == sums(company=(8, 1))


# ---- the records themselves --------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 2, 4, 20])
def test_a_walk_meets_each_record_that_nobody_else_brings_in_once_and_back_again(
    ours: Tenant, shared: dict[str, list[Row]], size: int
) -> None:
    expected = [str(each.id) for each in shared["sole"]]
    url = f"{alone(ours.connector)}&page[size]={size}"
    for caller in (ours.caller, READER):
        assert walked_text(url, caller) == expected
        assert walked_text(f"{url}&filter[workspace]={ours.workspace.id}", caller) == expected
    last = get(alone(ours.connector), ours.caller).data[-1]["meta"]["page"]["cursor"]
    assert walked_text(f"{url}&page[before]={last}", ours.caller, "prev") == expected[:-1]


@pytest.mark.parametrize("looked", [1, 2, 3])
def test_a_page_that_looks_at_fewer_rows_is_short_and_leads_on_until_the_end(
    ours: Tenant, shared: dict[str, list[Row]], monkeypatch: pytest.MonkeyPatch, looked: int
) -> None:
    monkeypatch.setattr(sole, "MAX_EXAMINED", looked)
    found = walked_text(f"{alone(ours.connector)}&page[size]=5", ours.caller)
    pages = walk(f"{alone(ours.connector)}&page[size]=5", ours.caller)
    back = walked_text(pages[-1].document["links"]["self"], ours.caller, "prev")
    monkeypatch.undo()
    assert found == [str(each.id) for each in shared["sole"]]
    assert max(len(page.data) for page in pages) <= looked
    assert back == found


def test_a_record_is_shown_as_in_any_list(ours: Tenant) -> None:
    (listed,) = get(f"/v1/companies?filter[workspace]={ours.workspace.id}&include=workspace", ours.caller).data
    reply = get(f"{alone(ours.connector)}&include=workspace", ours.caller)
    (found,) = reply.data
    assert {**found, "meta": None} == {**listed, "meta": None}
    assert [item["type"] for item in reply.document["included"]] == ["workspace"]


def test_what_is_not_seen_brings_nothing_in(world: World, ours: Tenant, theirs: Tenant) -> None:
    gone = world.workspace_connector(ours.workspace)
    world.provenance(world.company(ours.workspace), gone)
    world.tombstone(gone)
    for id_ in (theirs.connector.id, gone.id, UUID(NOWHERE)):
        reply = get(f"/v1/companies?filter[sole_source]={id_}", ours.caller)
        assert (reply.status, reply.data) == (200, [])
        assert reply.document["links"]["next"] is None
    assert get(alone(theirs.connector), READER).ids == [theirs.record.id]
    assert get(f"{alone(theirs.connector)}&filter[workspace]={ours.workspace.id}", READER).data == []
    assert get(alone(ours.connector, "account"), ours.caller).data == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("filter[sole_source]=7", "filter[sole_source]"),
        (f"filter[sole_source]={NOWHERE},{NOWHERE[:-1]}7", "filter[sole_source]"),
        (f"filter[sole_source]={NOWHERE}&sort=name", "sort"),
        (f"filter[sole_source]={NOWHERE}&page[total]=true", "page[total]"),
        (f"filter[sole_source]={NOWHERE}&filter[deleted]=include", "filter[deleted]"),
        (f"filter[sole_source]={NOWHERE}&filter[name]=Alder", "filter[name]"),
        (f"filter[sole_source]={NOWHERE}&filter[created_at][gte]=2026-01-01T00:00:00Z", "filter[created_at][gte]"),
    ],
)
def test_what_makes_another_list_of_it_is_refused(ours: Tenant, query: str, parameter: str) -> None:
    for caller in (ours.caller, READER):
        reply = get(f"/v1/companies?{query}", caller)
        assert (reply.status, reply.error["source"]) == (400, {"parameter": parameter})


def test_what_no_connector_brings_in_has_no_such_filter(ours: Tenant) -> None:
    for path in ("/v1/workspaces", "/v1/workspace-connectors", "/v1/company-workspace-connectors"):
        assert get(f"{path}?filter[sole_source]={NOWHERE}", ours.caller).codes == ["INVALID_QUERY_PARAMETER"]


def test_a_cursor_of_another_order_is_none_of_this(ours: Tenant, shared: Sequence[Row]) -> None:
    cursor = get("/v1/companies?page[size]=1", ours.caller).data[0]["meta"]["page"]["cursor"]
    assert get(f"{alone(ours.connector)}&page[after]={cursor}", ours.caller).codes == ["INVALID_CURSOR"]
