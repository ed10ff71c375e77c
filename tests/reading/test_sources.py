"""Sources of a record or of all records of a page, impact of a connector, and what nobody else brings in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.jsonapi.structure import check
from tests.reading.test_activity import sums
from tests.support.api import READER, Caller, Reply, get, walk, walked_both_ways, walked_text
from tests.support.databases import Database, Statements
from tests.support.plans import rows_read, sent_for
from tests.support.tenants import Tenant, tenant
from tests.support.world import Row, World
from wellspring.queries import MOST_SOURCES
from wellspring.repositories.answers import sole, sources
from wellspring.resources import records, resource_of

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
READABLE = [record.type for record in records() if record.is_readable]


type Shared = dict[str, list[Row]]
CONNECTED = "include=sources.workspace_connector.connector"


def url_of(record: Row) -> str:
    return f"{resource_of(record.type).route}/{record.id}/sources"


def alone(connector: Row, type_: str = "company") -> str:
    return f"{resource_of(type_).route}?filter[sole_source]={connector.id}"


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


def types_included(reply: Reply) -> list[str]:
    return sorted(item["type"] for item in reply.document["included"])


# ---- where a record came from ------------------------------------------------------------------------------
@pytest.mark.parametrize("type_", READABLE)
def test_each_connector_and_direction_is_a_source_the_last_one_first(world: World, type_: str) -> None:
    ours = tenant(world, type_)
    bank = world.workspace_connector(ours.workspace)
    record, lonely = (world.record(type_, ours.workspace) for _ in range(2))
    first, second = (world.provenance(record, bank, created_at=AT + hours * HOUR) for hours in (0, 2))
    world.provenance(record, bank, created_at=AT + HOUR, deleted_at=AT + 2 * HOUR)
    world.provenance(record, bank, "output", created_at=AT + 3 * HOUR)
    world.provenance(record, ours.connector, created_at=AT)
    for row, at in ((first, AT + 9 * HOUR), (second, AT - HOUR)):
        world.change(row, sync_message_pk=world.message(bank, ours.workspace, occurred_at=at).pk)
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
    # On a page they are those of each record's own list.
    page = get(list_of(record), ours.caller)
    assert shown(page, record) == [item["id"].removeprefix(f"{record.id}:") for item in reply.data]
    assert said(page, lonely)["data"] == []
    for each in (ours.record, record, lonely):
        link = said(page, each)["links"]["related"]
        assert link == url_of(each)
        mine = [item for item in of_type(page, "record_source") if item["id"].startswith(str(each.id))]
        own = get(link, ours.caller).data
        assert [(item["id"], item["attributes"]) for item in mine] == [(item["id"], item["attributes"]) for item in own]


def test_the_connector_and_what_it_connects_to_are_included(ours: Tenant, statements: Statements) -> None:
    url = f"{url_of(ours.record)}?include=workspace_connector.connector,workspace_connector.workspace"
    sent, reply = sent_for(statements, url, ours.caller)
    assert types_included(reply) == ["connector", "workspace", "workspace_connector"]
    # The record, its sources, the ids that they leave, and one for each included type.
    assert sent == 6


def test_a_connector_that_is_gone_is_a_source_of_its_dead_rows_without_a_link(world: World, ours: Tenant) -> None:
    gone = world.workspace_connector(ours.workspace)
    world.provenance(ours.record, gone, created_at=AT, deleted_at=AT + HOUR)
    world.provenance(ours.record, gone, created_at=AT + HOUR)
    world.tombstone(gone)
    page = get(list_of(ours.record), ours.caller)
    assert f"{gone.id}:input" in shown(page, ours.record)
    for items in (get(url_of(ours.record), ours.caller).data, of_type(page, "record_source")):
        (source,) = (item for item in items if str(gone.id) in item["id"])
        assert (source["attributes"]["rows"], source["attributes"]["live"]) == (1, 0)
        assert "links" not in source["relationships"]["workspace_connector"]


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_a_walk_meets_each_source_once_and_back_again(world: World, ours: Tenant, size: int) -> None:
    connectors = [world.workspace_connector(ours.workspace) for _ in range(3)]
    # Of one time, so that connector and direction decide.
    for connector in connectors:
        for direction in ("input", "output"):
            world.provenance(ours.record, connector, direction, created_at=AT)
    expected = [
        f"{ours.record.id}:{ours.connector.id}:input",
        *(f"{ours.record.id}:{each.id}:{way}" for each in reversed(connectors) for way in ("output", "input")),
    ]
    assert walked_both_ways(f"{url_of(ours.record)}?include=workspace_connector", ours.caller, size) == expected


def test_of_more_rows_than_are_told_from_it_says_so(
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


# ---- what is lost without a connector ----------------------------------------------------------------------
@pytest.fixture
def shared(world: World, ours: Tenant) -> Shared:
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
    reply = get(f"/v1/workspace-connectors/{connector.id}/impact", caller)
    assert reply.status == 200, reply.body
    return reply.data


def test_an_impact_counts_what_would_be_lost(ours: Tenant, shared: Shared, statements: Statements) -> None:
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
    assert sent_for(statements, f"/v1/workspace-connectors/{ours.connector.id}/impact", ours.caller)[0] == 3


@pytest.mark.usefixtures("shared")
def test_of_more_rows_than_are_looked_at_the_newest_are(ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sole, "MAX_EXAMINED", 3)
    said = impact(ours.connector, ours.caller)["attributes"]
    monkeypatch.undo()
    assert (said["sole_source"]["company"], said["examined"], said["is_capped"]) == (3, 3, True)
    assert said["live_rows"] == sums(company=(8, 1))


# ---- the records themselves --------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 2, 4, 20])
def test_a_walk_meets_each_sole_record_once_and_back_again(ours: Tenant, shared: Shared, size: int) -> None:
    for caller in (ours.caller, READER):
        for more in ("", f"&filter[workspace]={ours.workspace.id}"):
            found = walked_both_ways(f"{alone(ours.connector)}{more}", caller, size)
            assert found == [str(each.id) for each in shared["sole"]]


@pytest.mark.parametrize("looked", [1, 2, 3])
def test_a_page_that_looks_at_fewer_rows_is_short_and_leads_on_until_the_end(
    ours: Tenant, shared: Shared, monkeypatch: pytest.MonkeyPatch, looked: int
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
    assert types_included(reply) == ["workspace"]


# ---- the sources of a page's records ------------------------------------------------------------------------
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
    own = get(said(reply, many)["links"]["related"], ours.caller).data
    assert [item["id"].partition(":")[2] for item in own] == newest


def test_the_records_of_a_large_page_share_an_answer(
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


def test_of_a_record_that_is_gone_there_is_no_link_and_no_linkage(world: World, ours: Tenant) -> None:
    world.tombstone(ours.record)
    (item,) = get(list_of(ours.record, "include=sources&filter[deleted]=only"), ours.caller).data
    assert "sources" not in item["relationships"]


def test_records_that_nobody_else_brings_in_have_their_sources_beside_them(ours: Tenant) -> None:
    url = list_of(ours.record, f"include=sources&filter[sole_source]={ours.connector.id}")
    assert shown(get(url, ours.caller), ours.record) == [f"{ours.connector.id}:input"]


@pytest.mark.parametrize("size", [1, 20])
def test_a_pages_sources_are_one_statement(world: World, ours: Tenant, statements: Statements, size: int) -> None:
    other = world.workspace_connector(ours.workspace)
    companies = world.companies(ours.workspace, 19)
    world.provenances(companies, other)
    sent = {}
    for caller in (ours.caller, READER):
        for query in ("", "include=sources", CONNECTED):
            url = f"{list_of(ours.record, query)}&page[size]={size}&filter[workspace]={ours.workspace.id}"
            sent[query], page = sent_for(statements, url, caller)
            assert len(page.data) == size
        assert sent["include=sources"] == sent[""] + 1
        # And one for each type that is included with them.
        assert sent[CONNECTED] == sent[""] + 3
        check(page.document)
        assert {*types_included(page)} == {"connector", "record_source", "workspace_connector"}


# ---- what answers cost -------------------------------------------------------------------------------------
# The caps are lowered, so that few rows are many.
CAP, FEW, MANY = 20, 40, 1000
# Of somebody else: in small tables it may be cheaper to read all there is.
CROWD = 20_000


def crowded(world: World, rows: int) -> Tenant:
    """Return a tenant with a connector of so many records, of which another brings in each second.

    One of the records has as many rows, each of a message of its own.
    """
    ours = tenant(world, "company")
    other = world.workspace_connector(ours.workspace)
    companies = world.companies(ours.workspace, rows)
    world.provenances(companies, ours.connector)
    world.provenances(companies[::2], other)
    of_ours = {"workspace_connector_pk": other.pk, "workspace_pk": ours.workspace.pk}
    world.fill("wellspring.sync_messages", rows, message_id="uuidv7()", occurred_at="now()", **of_ours)
    world.fill(
        "core_api.company_workspace_connectors",
        f"wellspring.sync_messages WHERE workspace_pk = {ours.workspace.pk}",
        company_pk=ours.record.pk,
        workspace_connector_pk=other.pk,
        direction="'output'",
        sync_message_pk="pk",
    )
    return ours


def asked(ours: Tenant) -> dict[str, str]:
    of_connector = f"{alone(ours.connector)}&page[size]=10"
    deep = get(of_connector, ours.caller).data[-1]["meta"]["page"]["cursor"]
    return {
        "sources": url_of(ours.record),
        "sources of a list": f"{list_of(ours.record)}&filter[workspace]={ours.workspace.id}&page[size]=10",
        "impact": f"/v1/workspace-connectors/{ours.connector.id}/impact",
        "sole source": of_connector,
        "sole source, after": f"{of_connector}&page[after]={deep}",
        "sole source, before": f"{of_connector}&page[before]={deep}",
    }


@pytest.mark.long
def test_an_answer_reads_as_much_as_it_is_told_from(untouched_database: Database, world: World) -> None:
    """However many there are: counted are the rows that functions read, too, which no plan shows."""
    few, many = crowded(world, FEW), crowded(world, MANY)
    crowd = tenant(world, "company")
    world.provenances([crowd.record] * CROWD, crowd.connector)
    world.analyze("core_api.company_workspace_connectors", "core_api.companies", "wellspring.sync_messages")

    def costs(of: Tenant, caller: Caller) -> dict[str, int]:
        return {name: rows_read(untouched_database, url, caller)[0] for name, url in asked(of).items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "MAX_SOURCE_ROWS", CAP)
        patch.setattr(sole, "MAX_EXAMINED", CAP)
        for one, other in ((few.caller, many.caller), (READER, READER)):
            little, much = costs(few, one), costs(many, other)
            # Nobody reads the crowd.
            assert much == {name: read for name, read in much.items() if read <= min(2 * little[name], CROWD / 4)}
        capped = costs(many, many.caller)
    # Without a cap there is more to read.
    whole = costs(many, many.caller)
    for name in ("sources", "impact", "sole source"):
        assert whole[name] > capped[name] + MANY, name
