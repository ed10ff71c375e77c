"""Contract, section 4: lists, their filters, their order, what they include, and what they cost."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.reading.conftest import Tenant, tenant
from tests.support import databases
from tests.support.api import READER, get, of_every_ledger
from tests.support.databases import READER as READER_ROLE
from tests.support.databases import FreshDatabase, Statements
from tests.support.wire import Flushes
from tests.support.world import RecordType, World
from wellspring.resources import resource_of
from wellspring.services.ledger import positions

COMPANIES = "/v1/company-workspace-connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


def linked(type_: str, id_: UUID) -> dict[str, object]:
    """Return a to-one relationship: what is there, and where it can be read."""
    return {"data": {"type": type_, "id": str(id_)}, "links": {"related": f"{resource_of(type_).route}/{id_}"}}


@of_every_ledger
def test_a_row_looks_as_in_the_seed(world: World, type_: RecordType) -> None:
    ours = tenant(world, type_)
    at = datetime(2026, 5, 10, 8, 14, 22, 123000, tzinfo=UTC)
    row = world.provenance(ours.record, ours.connector, "output", created_at=at)
    (item,) = get(f"/v1/{type_}-workspace-connectors?filter[direction]=output", ours.caller).data
    cursor = item.pop("meta")["page"]["cursor"]
    assert isinstance(cursor, str)
    assert item == {
        "type": f"{type_}_workspace_connector",
        "id": str(row.id),
        "attributes": {
            "direction": "output",
            "created_at": "2026-05-10T08:14:22.123Z",
            "updated_at": "2026-05-10T08:14:22.123Z",
            "deleted_at": None,
        },
        "relationships": {
            type_: linked(type_, ours.record.id),
            "workspace_connector": linked("workspace_connector", ours.connector.id),
            "sync_message": {"data": None},
            "ended_by": {"data": None},
        },
        "links": {"self": f"/v1/{type_}-workspace-connectors/{row.id}"},
    }


def test_an_empty_list_is_a_document(world: World) -> None:
    reply = get(COMPANIES, READER)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/vnd.api+json"
    assert reply.document == {
        "jsonapi": {"version": "1.1"},
        "links": {"self": COMPANIES, "first": COMPANIES, "prev": None, "next": None},
        "data": [],
    }


class TestIncluding:
    def test_parents_gives_each_once_with_their_own_linkage(self, world: World, ours: Tenant) -> None:
        world.provenance(ours.record, ours.connector, "output")
        reply = get(f"{COMPANIES}?include=company,workspace_connector", ours.caller)
        assert len(reply.data) == 2
        included = {item["type"]: item for item in reply.document["included"]}
        assert len(reply.document["included"]) == 2
        assert included["company"]["attributes"]["name"] == "Company"
        assert included["company"]["relationships"]["workspace"]["data"]["id"] == str(ours.workspace.id)
        connector = included["workspace_connector"]
        assert connector["attributes"]["status"] == "active"
        assert set(connector["relationships"]) == {"workspace", "connector"}

    @of_every_ledger
    def test_every_record_type_can_be_included(self, world: World, type_: RecordType) -> None:
        ours = tenant(world, type_)
        reply = get(f"/v1/{type_}-workspace-connectors?include={type_}", ours.caller)
        assert [item["id"] for item in reply.document["included"]] == [str(ours.record.id)]

    def test_shows_nothing_of_the_row_beyond_the_page(self, world: World, ours: Tenant) -> None:
        """It is read, and leaves its ids, so that the page knows whether there are more."""
        world.provenances(world.companies(ours.workspace, 3), ours.connector)
        for query in ("", "&sort=created_at"):
            reply = get(f"{COMPANIES}?page[size]=2&include=company.workspace{query}", ours.caller)
            pointed_to = {item["relationships"]["company"]["data"]["id"] for item in reply.data}
            included = [item["id"] for item in reply.document["included"] if item["type"] == "company"]
            assert (len(included), set(included)) == (2, pointed_to)

    def test_nothing_by_default(self, ours: Tenant) -> None:
        assert "included" not in get(COMPANIES, ours.caller).document

    def test_from_an_empty_page_is_an_empty_array(self, world: World) -> None:
        assert get(f"{COMPANIES}?include=company", READER).document["included"] == []


class TestStatements:
    """One for the page and one for each included type, whatever the page's size."""

    @pytest.mark.parametrize("rows", [1, 30])
    @pytest.mark.parametrize(("include", "expected"), [("", 1), ("company", 2), ("company,workspace_connector", 3)])
    def test_of_a_list(
        self, world: World, ours: Tenant, statements: Statements, rows: int, include: str, expected: int
    ) -> None:
        world.provenances(world.companies(ours.workspace, rows), ours.connector)
        url = f"{COMPANIES}?page[size]=500" + (f"&include={include}" if include else "")
        get(url, ours.caller)  # the first answer of a process also reads the cursor keys
        statements.clear()
        assert len(get(url, ours.caller).data) == rows + 1
        assert len(statements) == expected

    def test_of_a_middle_page(self, world: World, ours: Tenant, statements: Statements) -> None:
        world.provenances(world.companies(ours.workspace, 10), ours.connector)
        following = get(f"{COMPANIES}?page[size]=3", ours.caller).document["links"]["next"]
        statements.clear()
        reply = get(following, ours.caller)
        assert reply.document["links"]["prev"] is not None
        assert len(statements) == 1

    @pytest.mark.parametrize(("include", "expected"), [("", 1), ("company", 2), ("company,workspace_connector", 3)])
    def test_of_a_row(self, ours: Tenant, statements: Statements, include: str, expected: int) -> None:
        query = f"?include={include}" if include else ""
        assert get(f"{COMPANIES}/{ours.provenance.id}{query}", ours.caller).status == 200
        assert len(statements) == expected


def test_a_read_is_one_round_trip_whatever_it_includes(
    fresh_database: FreshDatabase, ours: Tenant, flushes: Flushes
) -> None:
    """All statements together (docs/adr/0041), and COMMIT with them (docs/adr/0046)."""
    fresh_database.commit()
    get(COMPANIES, ours.caller)  # an engine first asks what is planned
    for query in (
        "",
        "include=company,workspace_connector",
        "include=company.workspace,workspace_connector.connector,workspace_connector.workspace,sync_message",
        "include=workspace_connector&fields[workspace_connector]=live_rows",
    ):
        for url in (
            f"{COMPANIES}?{query}",
            f"{COMPANIES}?page[total]=true&{query}".rstrip("&"),
            f"{COMPANIES}/{ours.provenance.id}?{query}",
        ):
            flushes.clear()
            reply = get(url, ours.caller)
            assert reply.status == 200, reply.document
            assert flushes.are(1), url
    flushes.clear()
    get(f"{COMPANIES}?include=company&filter[workspace]={ours.workspace.id}", ours.caller)
    # A claim is looked at before anything is read for it: time tells nothing of others' workspaces.
    assert flushes.are(2)


def test_without_pipelining_each_statement_leaves_alone_and_the_answers_are_the_same(
    fresh_database: FreshDatabase, ours: Tenant, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_database.commit()
    urls = [
        f"{COMPANIES}?include=company,workspace_connector.connector&page[total]=true",
        f"{COMPANIES}?filter[workspace]={ours.workspace.id}",
        f"{COMPANIES}/{ours.provenance.id}?include=company",
    ]
    answers: dict[str, list[Any]] = {}
    for mode in ("true", "false"):
        monkeypatch.setattr(databases, "pipelining", mode)
        fresh_database.engine(READER_ROLE).dispose()
        fresh_database._engines.clear()
        flushes.clear()
        answers[mode] = [get(url, ours.caller).document for url in urls]
    assert answers["false"] == answers["true"]
    assert max(kinds.count("E") for kinds in flushes) == 1


def test_so_is_the_first_of_a_process(
    fresh_database: FreshDatabase, world: World, ours: Tenant, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys of cursors, which it does not know, are in it. On AWS a list and a retrieve are two functions."""
    monkeypatch.setattr("wellspring.services.ledger.including.ledger.share", lambda _rows: 1)
    group = world.group(ours.member)
    world.group_member(ours.member, group)
    for workspace in (ours.workspace, world.workspace()):
        world.enrol(group, workspace)
    fresh_database.commit()
    get(f"{COMPANIES}/{ours.provenance.id}", ours.caller)  # an engine first asks what is planned
    for url in (
        COMPANIES,
        f"{COMPANIES}?include=company&page[total]=true",
        f"{COMPANIES}/{ours.provenance.id}",
        f"/v1/workspace-groups/{group.id}?include=workspaces",
    ):
        monkeypatch.setattr(positions, "_keys", positions._Keys())
        for time in ("first", "second"):
            flushes.clear()
            reply = get(url, ours.caller)
            assert (reply.status, flushes.are(1)) == (200, True), (url, time, reply.document)
    # More than it shows, whose cursor was signed.
    assert "meta" in reply.data["relationships"]["workspaces"]


class TestFiltering:
    def test_by_record(self, world: World, ours: Tenant) -> None:
        other = world.company(ours.workspace)
        row = world.provenance(other, ours.connector)
        assert get(f"{COMPANIES}?filter[company]={other.id}", ours.caller).ids == [row.id]

    def test_by_several_records(self, world: World, ours: Tenant) -> None:
        others = world.companies(ours.workspace, 3)
        rows = world.provenances(others, ours.connector)
        query = ",".join(str(other.id) for other in others[:2])
        assert set(get(f"{COMPANIES}?filter[company]={query}", ours.caller).ids) == {rows[0].id, rows[1].id}

    def test_by_connector(self, world: World, ours: Tenant) -> None:
        other = world.workspace_connector(ours.workspace)
        row = world.provenance(ours.record, other)
        assert get(f"{COMPANIES}?filter[workspace_connector]={other.id}", ours.caller).ids == [row.id]

    def test_by_record_and_connector(self, world: World, ours: Tenant) -> None:
        other = world.workspace_connector(ours.workspace)
        row = world.provenance(ours.record, other)
        world.provenance(world.company(ours.workspace), other)
        query = f"filter[company]={ours.record.id}&filter[workspace_connector]={other.id}"
        assert get(f"{COMPANIES}?{query}", ours.caller).ids == [row.id]

    def test_by_an_id_that_does_not_exist_is_empty(self, ours: Tenant) -> None:
        assert get(f"{COMPANIES}?filter[company]={uuid4()}", ours.caller).ids == []

    @pytest.mark.parametrize("direction", ["input", "output"])
    def test_by_direction(self, world: World, ours: Tenant, direction: str) -> None:
        output = world.provenance(ours.record, ours.connector, "output")
        expected = {"input": ours.provenance.id, "output": output.id}[direction]
        assert get(f"{COMPANIES}?filter[direction]={direction}", ours.caller).ids == [expected]

    @pytest.mark.parametrize(("operator", "expected"), [("gte", [1, 2]), ("gt", [2]), ("lte", [0, 1]), ("lt", [0])])
    def test_by_time_is_exact_to_the_millisecond(
        self, world: World, ours: Tenant, operator: str, expected: list[int]
    ) -> None:
        times = [NOON + timedelta(milliseconds=number) for number in range(3)]
        connector = world.workspace_connector(ours.workspace)
        rows = world.provenances(world.companies(ours.workspace, 3), connector, created_at=times)
        shown = get(f"{COMPANIES}/{rows[1].id}", ours.caller).data["attributes"]["created_at"]
        url = f"{COMPANIES}?filter[workspace_connector]={connector.id}&filter[created_at][{operator}]={shown}"
        assert set(get(url, ours.caller).ids) == {rows[number].id for number in expected}

    @pytest.mark.parametrize("written", ["2026-05-10T14:00:00+02:00", "2026-05-10T12:00Z", "2026-05-10t12:00:00.000z"])
    def test_by_a_time_in_any_offset(self, world: World, ours: Tenant, written: str) -> None:
        connector = world.workspace_connector(ours.workspace)
        row = world.provenance(ours.record, connector, created_at=NOON)
        for spelling in (quote(written), written):
            url = f"{COMPANIES}?filter[created_at][gte]={spelling}&filter[created_at][lte]={spelling}"
            assert get(url, ours.caller).ids == [row.id]

    def test_brackets_may_be_escaped(self, ours: Tenant) -> None:
        url = f"{COMPANIES}?filter%5Bcompany%5D={ours.record.id}&page%5Bsize%5D=1"
        assert get(url, ours.caller).ids == [ours.provenance.id]


class TestOrder:
    def test_is_newest_first_unless_asked(self, world: World, ours: Tenant) -> None:
        times = [NOON + timedelta(seconds=number) for number in range(3)]
        connector = world.workspace_connector(ours.workspace)
        rows = world.provenances(world.companies(ours.workspace, 3), connector, created_at=times)
        ascending = [row.id for row in rows]
        url = f"{COMPANIES}?filter[workspace_connector]={connector.id}"
        assert get(url, ours.caller).ids == ascending[::-1]
        assert get(f"{url}&sort=-created_at", ours.caller).ids == ascending[::-1]
        assert get(f"{url}&sort=created_at", ours.caller).ids == ascending

    def test_of_rows_of_one_instant_is_that_of_their_ids(self, world: World, ours: Tenant) -> None:
        world.provenances(world.companies(ours.workspace, 50), ours.connector)
        ids = get(f"{COMPANIES}?sort=created_at&page[size]=100", ours.caller).ids
        assert ids == sorted(ids)

    def test_is_kept_across_connectors(self, world: World, ours: Tenant) -> None:
        connectors = [world.workspace_connector(ours.workspace) for _ in range(4)]
        companies = world.companies(ours.workspace, 40)
        made = []
        for number, company in enumerate(companies):
            at = NOON + timedelta(seconds=(number * 7) % 40)
            made.append((at, world.provenance(company, connectors[number % 4], created_at=at).id))
        query = f"filter[created_at][lte]={quote((NOON + timedelta(hours=1)).isoformat())}"
        expected = [id_ for _, id_ in sorted(made)]
        assert get(f"{COMPANIES}?sort=created_at&page[size]=40&{query}", ours.caller).ids == expected
        assert get(f"{COMPANIES}?page[size]=7&{query}", ours.caller).ids == expected[::-1][:7]


class TestRetrieving:
    def test_a_row_gives_its_document(self, ours: Tenant) -> None:
        url = f"{COMPANIES}/{ours.provenance.id}"
        reply = get(f"{url}?include=company", ours.caller)
        assert reply.status == 200
        assert reply.document["links"] == {"self": f"{url}?include=company"}
        assert reply.data["id"] == str(ours.provenance.id)
        assert "meta" not in reply.data
        assert [item["id"] for item in reply.document["included"]] == [str(ours.record.id)]

    @pytest.mark.parametrize("id_", ["7", "not-a-uuid", "%00", "0" * 32, "é", "1" * 5000])
    def test_what_is_no_uuid_is_404(self, ours: Tenant, id_: str) -> None:
        reply = get(f"{COMPANIES}/{id_}", ours.caller)
        assert (reply.status, reply.codes) == (404, ["COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND"])

    def test_an_id_may_be_in_capitals(self, ours: Tenant) -> None:
        assert get(f"{COMPANIES}/{str(ours.provenance.id).upper()}", ours.caller).status == 200


def test_no_pk_is_in_any_answer(world: World, ours: Tenant) -> None:
    reply = get(f"{COMPANIES}?include=company,workspace_connector", ours.caller)
    keys: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            keys.update(value)
            for child in value.values():
                walk(child)
        elif isinstance(value, list):
            for child in value:
                walk(child)

    walk(reply.document)
    assert not {key for key in keys if key == "pk" or key.endswith("_pk")}
