"""Contract, section 3: a row is visible when the caller sees the workspace of every parent that has one."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from tests.reading.conftest import Tenant, tenant
from tests.support.api import PROVENANCE, READER, TYPES, Caller, get, of_every_ledger, person, service
from tests.support.world import RecordType, World
from wellspring.resources import Resource

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
COMPANIES = "/v1/company-workspace-connectors"


@pytest.mark.parametrize("resource", PROVENANCE, ids=TYPES)
class TestWithoutClaims:
    def test_a_list_is_401(self, resource: Resource) -> None:
        reply = get(resource.route)
        assert (reply.status, reply.codes) == (401, ["UNAUTHORIZED"])

    def test_a_row_is_401(self, resource: Resource) -> None:
        assert get(f"{resource.route}/{uuid4()}").status == 401

    @pytest.mark.parametrize("claims", [{}, {"sub": ""}, {"sub": "  "}, {"sub": 7}, {"scope": "system:read"}])
    def test_claims_without_a_subject_are_401(self, resource: Resource, claims: dict[str, object]) -> None:
        assert get(resource.route, Caller(claims)).status == 401


@pytest.mark.parametrize("gone", ["company", "workspace_connector"])
@pytest.mark.parametrize("name", ["company", "workspace_connector"])
def test_a_live_row_of_a_tombstoned_parent_is_not_there_and_a_dead_one_is(
    world: World, ours: Tenant, name: str, gone: str
) -> None:
    """By the record all rows are read together; by the connector either half by itself."""
    dead = world.provenance(ours.record, ours.connector, created_at=NOON, deleted_at=NOON)
    parents = {"company": ours.record, "workspace_connector": ours.connector}
    url = f"{COMPANIES}?filter[deleted]=include&filter[{name}]={parents[name].id}"
    assert set(get(url, ours.caller).ids) == {dead.id, ours.provenance.id}
    world.tombstone(parents[gone])
    for caller in (ours.caller, READER):
        assert get(url, caller).ids == [dead.id]


@of_every_ledger
class TestTheForeignTenant:
    def test_is_absent_from_the_list(self, world: World, type_: RecordType) -> None:
        ours, _theirs = tenant(world, type_), tenant(world, type_)
        assert get(f"/v1/{type_}-workspace-connectors", ours.caller).ids == [ours.provenance.id]

    def test_is_404_by_id_as_if_it_did_not_exist(self, world: World, type_: RecordType) -> None:
        ours, theirs = tenant(world, type_), tenant(world, type_)
        foreign = get(f"/v1/{type_}-workspace-connectors/{theirs.provenance.id}", ours.caller)
        nowhere = uuid4()
        absent = get(f"/v1/{type_}-workspace-connectors/{nowhere}", ours.caller)
        assert foreign.status == 404
        assert foreign.codes == [f"{type_.upper()}_WORKSPACE_CONNECTOR_NOT_FOUND"]
        assert foreign.without(theirs.provenance.id) == absent.without(nowhere)

    def test_gives_an_empty_list_when_a_filter_names_it(self, world: World, type_: RecordType) -> None:
        ours, theirs = tenant(world, type_), tenant(world, type_)
        for name, id_ in ((type_, theirs.record.id), ("workspace_connector", theirs.connector.id)):
            reply = get(f"/v1/{type_}-workspace-connectors?filter[{name}]={id_}", ours.caller)
            assert (reply.status, reply.ids) == (200, [])


class TestBothParentsMustBeVisible:
    """No code writes such rows, and no tenant moves; the rule holds all the same."""

    def test_a_foreign_record_on_our_connector_is_hidden(self, world: World, ours: Tenant, theirs: Tenant) -> None:
        mixed = world.provenance(theirs.record, ours.connector)
        assert get(COMPANIES, ours.caller).ids == [ours.provenance.id]
        assert get(f"{COMPANIES}/{mixed.id}", ours.caller).status == 404
        assert get(f"{COMPANIES}?filter[company]={theirs.record.id}", ours.caller).ids == []

    def test_our_record_on_a_foreign_connector_is_hidden(self, world: World, ours: Tenant, theirs: Tenant) -> None:
        mixed = world.provenance(ours.record, theirs.connector)
        assert get(COMPANIES, ours.caller).ids == [ours.provenance.id]
        assert get(f"{COMPANIES}/{mixed.id}", ours.caller).status == 404
        assert get(f"{COMPANIES}?filter[company]={ours.record.id}", ours.caller).ids == [ours.provenance.id]

    def test_a_row_of_two_workspaces_is_nobodys(self, world: World, ours: Tenant, theirs: Tenant) -> None:
        """What leads to it is asked about, and the rest must be of the same workspace (ADR 0002)."""
        mixed = world.provenance(ours.record, theirs.connector)
        world.member(ours.member, theirs.workspace)
        assert {*get(COMPANIES, ours.caller).ids} == {ours.provenance.id, theirs.provenance.id}
        assert get(f"{COMPANIES}/{mixed.id}", ours.caller).status == 404
        for name, parent in (("company", ours.record), ("workspace_connector", theirs.connector)):
            assert mixed.id not in get(f"{COMPANIES}?filter[{name}]={parent.id}", ours.caller).ids


class TestMembership:
    @pytest.mark.parametrize("role", ["owner", "admin", "member", "guest"])
    def test_any_role_reads(self, world: World, ours: Tenant, role: str) -> None:
        reader = world.people(world.workspace())
        world.member(reader, ours.workspace, role=role)
        assert get(COMPANIES, person(reader)).ids == [ours.provenance.id]

    def test_pending_does_not_read(self, world: World, ours: Tenant) -> None:
        invited = world.people(ours.workspace)
        world.member(invited, ours.workspace, status="pending")
        assert get(COMPANIES, person(invited)).ids == []

    def test_belonging_to_a_workspace_is_not_membership_of_it(self, world: World, ours: Tenant) -> None:
        contact = world.people(ours.workspace)
        assert get(COMPANIES, person(contact)).ids == []

    def test_a_person_nobody_knows_sees_nothing(self, ours: Tenant) -> None:
        assert get(COMPANIES, Caller({"sub": str(uuid4())})).ids == []

    def test_a_live_group_opens_its_live_workspaces(self, world: World, ours: Tenant, theirs: Tenant) -> None:
        colleague, group = world.people(world.workspace()), world.group()
        world.group_member(colleague, group)
        world.enrol(group, ours.workspace)
        assert get(COMPANIES, person(colleague)).ids == [ours.provenance.id]

    def test_a_pending_group_membership_opens_nothing(self, world: World, ours: Tenant) -> None:
        colleague, group = world.people(world.workspace()), world.group()
        world.group_member(colleague, group, status="pending")
        world.enrol(group, ours.workspace)
        assert get(COMPANIES, person(colleague)).ids == []

    def test_a_workspace_seen_in_two_ways_shows_its_rows_once(self, world: World, ours: Tenant) -> None:
        group = world.group()
        world.group_member(ours.member, group)
        world.enrol(group, ours.workspace)
        assert get(COMPANIES, ours.caller).ids == [ours.provenance.id]


class TestATombstoneClosesTheWay:
    @pytest.mark.parametrize("what", ["workspace", "member", "connector", "record", "provenance"])
    def test_on_the_direct_way(self, world: World, ours: Tenant, what: str) -> None:
        world.tombstone(getattr(ours, what))
        assert get(COMPANIES, ours.caller).ids == []
        assert get(f"{COMPANIES}?filter[company]={ours.record.id}", ours.caller).ids == []
        assert get(f"{COMPANIES}/{ours.provenance.id}", ours.caller).status == 404

    def test_on_the_membership(self, world: World, ours: Tenant) -> None:
        reader = world.people(world.workspace())
        world.tombstone(world.member(reader, ours.workspace))
        assert get(COMPANIES, person(reader)).ids == []

    @pytest.mark.parametrize("what", ["group", "membership", "enrolment", "workspace"])
    def test_on_the_way_through_a_group(self, world: World, ours: Tenant, what: str) -> None:
        colleague, group = world.people(world.workspace()), world.group()
        way = {
            "group": group,
            "membership": world.group_member(colleague, group),
            "enrolment": world.enrol(group, ours.workspace),
            "workspace": ours.workspace,
        }
        assert get(COMPANIES, person(colleague)).ids == [ours.provenance.id]
        world.tombstone(way[what])
        assert get(COMPANIES, person(colleague)).ids == []

    @pytest.mark.parametrize("what", ["workspace", "connector", "record", "provenance"])
    def test_for_a_service_too(self, world: World, ours: Tenant, what: str) -> None:
        world.tombstone(getattr(ours, what))
        assert get(COMPANIES, READER).ids == []
        assert get(f"{COMPANIES}/{ours.provenance.id}", READER).status == 404


class TestServices:
    def test_with_system_read_sees_every_workspace(self, ours: Tenant, theirs: Tenant) -> None:
        assert set(get(COMPANIES, READER).ids) == {ours.provenance.id, theirs.provenance.id}
        assert get(f"{COMPANIES}/{theirs.provenance.id}", READER).status == 200

    @pytest.mark.parametrize("scopes", [[], ["sync:write"], ["system:reader"], ["SYSTEM:READ"]])
    def test_without_it_is_403_before_any_row_is_looked_for(self, ours: Tenant, scopes: list[str]) -> None:
        caller = service(*scopes)
        for url in (COMPANIES, f"{COMPANIES}/{ours.provenance.id}", f"{COMPANIES}/{uuid4()}"):
            reply = get(url, caller)
            assert (reply.status, reply.codes) == (403, ["FORBIDDEN"])

    def test_a_person_is_never_a_service_whatever_the_scope_says(self, ours: Tenant, theirs: Tenant) -> None:
        caller = person(ours.member, scope="system:read sync:write")
        assert get(COMPANIES, caller).ids == [ours.provenance.id]

    def test_a_uuid_in_capitals_is_still_a_person(self, ours: Tenant) -> None:
        caller = Caller({"sub": str(ours.member.id).upper(), "scope": "system:read"})
        assert get(COMPANIES, caller).ids == [ours.provenance.id]

    @pytest.mark.parametrize("spelling", [lambda text: text.replace("-", ""), "urn:uuid:{}".format])
    def test_a_uuid_in_another_spelling_is_nobody(self, ours: Tenant, spelling: object) -> None:
        assert callable(spelling)
        caller = Caller({"sub": spelling(str(ours.member.id)), "scope": "system:read"})
        assert get(COMPANIES, caller).status == 401


def test_what_is_included_belongs_to_rows_the_caller_sees(ours: Tenant, theirs: Tenant) -> None:
    reply = get(f"{COMPANIES}?include=company,workspace_connector", ours.caller)
    included = {(item["type"], UUID(item["id"])) for item in reply.document["included"]}
    assert included == {("company", ours.record.id), ("workspace_connector", ours.connector.id)}


def test_a_cursor_of_a_foreign_row_is_a_place_and_not_a_key(world: World, ours: Tenant, theirs: Tenant) -> None:
    cursor = get(COMPANIES, theirs.caller).data[0]["meta"]["page"]["cursor"]
    before = get(f"{COMPANIES}?page[before]={cursor}", ours.caller)
    after = get(f"{COMPANIES}?page[after]={cursor}", ours.caller)
    assert sorted(before.ids + after.ids) == [ours.provenance.id]
