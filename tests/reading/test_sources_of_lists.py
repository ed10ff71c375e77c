"""Where each of a page's records came from: the sources of all of them in one statement (contract, section 7)."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from tests.jsonapi.structure import check
from tests.support.api import READER, Reply, get
from tests.support.databases import Database, Statements
from tests.support.plans import rows_read
from tests.support.tenants import Tenant, tenant
from tests.support.world import Row, World
from wellspring.queries import MOST_SOURCES
from wellspring.repositories.answers import sources
from wellspring.resources import records, resource_of

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
READABLE = [record.type for record in records() if record.is_readable]
CONNECTED = "include=sources.workspace_connector.connector"


def list_of(row: Row, query: str = "include=sources") -> str:
    return f"{resource_of(row.type).route}?{query}"


def said(reply: Reply, record: Row) -> dict[str, Any]:
    """Return what a page says of the sources of one record."""
    assert reply.status == 200, reply.body
    check(reply.document)
    (found,) = (item for item in reply.data if item["id"] == str(record.id))
    relationship: dict[str, Any] = found["relationships"]["sources"]
    return relationship


def shown(reply: Reply, record: Row) -> list[str]:
    return [each["id"].removeprefix(f"{record.id}:") for each in said(reply, record)["data"]]


def of_type(reply: Reply, type_: str) -> list[dict[str, Any]]:
    return [item for item in reply.document["included"] if item["type"] == type_]


@pytest.mark.parametrize("type_", READABLE)
def test_the_sources_on_a_page_are_those_of_each_records_own_list(world: World, type_: str) -> None:
    ours = tenant(world, type_)
    bank = world.workspace_connector(ours.workspace)
    record, lonely = (world.record(type_, ours.workspace) for _ in range(2))
    directions: tuple[Literal["input", "output"], ...] = ("input", "output", "input")
    for hours, direction in enumerate(directions):
        world.provenance(record, bank, direction, created_at=AT + hours * HOUR)
    world.provenance(record, ours.connector, created_at=AT)
    reply = get(list_of(record), ours.caller)
    assert shown(reply, record) == [f"{bank.id}:input", f"{bank.id}:output", f"{ours.connector.id}:input"]
    assert said(reply, lonely)["data"] == []
    for each in (ours.record, record, lonely):
        link = said(reply, each)["links"]["related"]
        assert link == f"{resource_of(type_).route}/{each.id}/sources"
        own = get(link, ours.caller).data
        mine = [item for item in of_type(reply, "record_source") if item["id"].startswith(str(each.id))]
        assert [(item["id"], item["attributes"]) for item in mine] == [(item["id"], item["attributes"]) for item in own]


def test_the_connectors_and_what_they_connect_to_come_with_the_sources(ours: Tenant) -> None:
    reply = get(list_of(ours.record, CONNECTED), ours.caller)
    check(reply.document)
    assert sorted(item["type"] for item in reply.document["included"]) == [
        "connector",
        "record_source",
        "workspace_connector",
    ]


def test_fields_that_name_the_sources_show_which_they_are(ours: Tenant) -> None:
    reply = get(list_of(ours.record, "fields[company]=name,sources"), ours.caller)
    assert shown(reply, ours.record) == [f"{ours.connector.id}:input"]
    assert "included" not in reply.document
    plain = get(list_of(ours.record, ""), ours.caller)
    assert "data" not in said(plain, ours.record)


def test_one_record_is_shown_with_its_sources_too(ours: Tenant) -> None:
    url = f"/v1/companies/{ours.record.id}"
    reply = get(f"{url}?{CONNECTED}", ours.caller)
    check(reply.document)
    assert reply.data["relationships"]["sources"] == {
        "links": {"related": f"{url}/sources"},
        "data": [{"type": "record_source", "id": f"{ours.record.id}:{ours.connector.id}:input"}],
    }
    # What is beside a record is no state of it.
    own = get(url, ours.caller).headers["etag"].strip('"')
    assert reply.headers["etag"].strip('"').partition(".")[0] == own


def test_a_record_shows_its_ten_newest_sources_and_says_that_there_are_more(world: World, ours: Tenant) -> None:
    many = world.company(ours.workspace)
    connectors = [world.workspace_connector(ours.workspace) for _ in range(MOST_SOURCES + 1)]
    for hours, connector in enumerate(connectors):
        world.provenance(many, connector, created_at=AT + hours * HOUR)
    reply = get(list_of(many), ours.caller)
    newest = [f"{connector.id}:input" for connector in reversed(connectors)]
    assert shown(reply, many) == newest[:MOST_SOURCES]
    assert said(reply, many)["meta"] == {"is_complete": False}
    assert "meta" not in said(reply, ours.record)
    assert [
        item["id"].partition(":")[2] for item in get(said(reply, many)["links"]["related"], ours.caller).data
    ] == newest


def test_the_records_of_a_large_page_share_what_an_answer_shows(
    world: World, ours: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.workspace_connector(ours.workspace)
    companies = world.companies(ours.workspace, 300)
    world.provenances(companies, ours.connector)
    world.provenances(companies, other)
    reply = get(f"{list_of(ours.record)}&page[size]=300", ours.caller)
    assert len(reply.data) == 300
    assert {len(item["relationships"]["sources"]["data"]) for item in reply.data[:299]} == {1}
    monkeypatch.setattr(sources, "MAX_SOURCE_ROWS", 4)
    pair = get(f"{list_of(ours.record)}&page[size]=4", ours.caller)
    (one, *_) = of_type(pair, "record_source")
    assert (one["attributes"]["rows"], one["attributes"]["rows_is_capped"]) == (1, True)


def test_what_a_foreign_connector_did_with_a_record_is_not_among_its_sources(
    world: World, ours: Tenant, theirs: Tenant
) -> None:
    before = get(list_of(ours.record, CONNECTED), ours.caller).body
    world.provenance(ours.record, theirs.connector)
    assert get(list_of(ours.record, CONNECTED), ours.caller).body == before


def test_a_connector_that_is_gone_is_a_source_of_its_dead_rows(world: World, ours: Tenant) -> None:
    gone = world.workspace_connector(ours.workspace)
    world.provenance(ours.record, gone, created_at=AT, deleted_at=AT + HOUR)
    world.provenance(ours.record, gone, created_at=AT + HOUR)
    world.tombstone(gone)
    reply = get(list_of(ours.record), ours.caller)
    assert f"{gone.id}:input" in shown(reply, ours.record)
    (source,) = (item for item in of_type(reply, "record_source") if str(gone.id) in item["id"])
    assert (source["attributes"]["rows"], source["attributes"]["live"]) == (1, 0)


def test_of_a_record_that_is_gone_there_is_no_link_and_no_linkage(world: World, ours: Tenant) -> None:
    world.tombstone(ours.record)
    (item,) = get(list_of(ours.record, "include=sources&filter[deleted]=only"), ours.caller).data
    assert "sources" not in item["relationships"]


def test_records_that_nobody_else_brings_in_have_their_sources_beside_them(ours: Tenant) -> None:
    url = list_of(ours.record, f"include=sources&filter[sole_source]={ours.connector.id}")
    assert shown(get(url, ours.caller), ours.record) == [f"{ours.connector.id}:input"]


@pytest.mark.parametrize("size", [1, 20])
def test_the_sources_of_a_page_are_one_statement_whatever_its_size(
    world: World, ours: Tenant, statements: Statements, size: int
) -> None:
    other = world.workspace_connector(ours.workspace)
    companies = world.companies(ours.workspace, 19)
    world.provenances(companies, other)
    sent = {}
    for caller in (ours.caller, READER):
        for query in ("", "include=sources", CONNECTED):
            url = f"{list_of(ours.record, query)}&page[size]={size}&filter[workspace]={ours.workspace.id}"
            get(url, caller)
            statements.clear()
            assert len(get(url, caller).data) == size
            sent[query] = len(statements)
        assert sent["include=sources"] == sent[""] + 1
        # And one for each type that is included with them.
        assert sent[CONNECTED] == sent[""] + 3


def test_a_page_reads_the_newest_rows_of_its_records_however_many_there_are(
    untouched_database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_SOURCE_ROWS", 40)
    database, costs = untouched_database, []
    for rows in (40, 2000):
        ours = tenant(world, "company")
        world.provenances([ours.record] * rows, ours.connector)
        world.analyze("core_api.company_workspace_connectors", "core_api.companies", "core_api.workspace_connectors")
        url = f"{list_of(ours.record)}&filter[workspace]={ours.workspace.id}"
        get(url, ours.caller)
        cost, reply = rows_read(database, url, ours.caller)
        assert len(shown(reply, ours.record)) == 1
        costs.append(cost)
    few, many = costs
    assert many <= 2 * few
