"""JSON:API 1.1, "Compound Documents" and "Inclusion of Related Resources"; contract, section 4, "Include"."""

from datetime import UTC, datetime
from itertools import product

import pytest

from tests.jsonapi.conftest import (
    LISTS,
    PROVIDERS,
    Tenant,
    add,
    included,
    list_url,
    of_every_list,
    of_every_type,
    refusal,
    types_on,
)
from tests.support.api import READER, Caller, get, person, walk
from tests.support.databases import Statements
from tests.support.world import Row, World
from wellspring.resources import resource_of


def all_of(type_: str) -> str:
    return "include=" + ",".join(resource_of(type_).includes)


@of_every_type
def test_every_path_includes_what_it_goes_through_and_nothing_else(ours: Tenant, type_: str) -> None:
    for path in resource_of(type_).includes:
        expected = {(type_, ours.rows[type_].id) for type_ in types_on(resource_of(type_), path)}
        for url in (resource_of(type_).route, ours.url(type_)):
            for caller in (ours.caller, READER):
                reply = get(f"{url}?include={path}", caller)
                assert set(included(reply)) == expected
                assert len(included(reply)) == len(expected)


@of_every_type
def test_all_paths_at_once_include_everything_once(world: World, ours: Tenant, type_: str) -> None:
    for _ in range(3):
        add(world, ours, type_)
    reply = get(f"{resource_of(type_).route}?{all_of(type_)}", ours.caller)
    assert {type_ for type_, _ in included(reply)} == types_on(resource_of(type_), *resource_of(type_).includes)


@pytest.mark.parametrize(
    ("type_", "paths", "target"),
    [
        ("company_workspace_connector", "company,company", "company"),
        ("company_workspace_connector", "company.workspace,workspace_connector.workspace", "workspace"),
        ("workspace_group_workspace", "workspace_group.created_by,created_by", "people"),
    ],
)
def test_a_row_that_two_paths_lead_to_is_there_once(ours: Tenant, type_: str, paths: str, target: str) -> None:
    reply = get(f"{resource_of(type_).route}?include={paths}", ours.caller)
    assert included(reply).count((target, ours.rows[target].id)) == 1


def test_those_who_made_the_group_and_the_enrolment_are_both_there(world: World, ours: Tenant) -> None:
    colleague = world.people(ours.workspace)
    row = world.enrol(ours.group, world.workspace(), colleague)
    url = f"/v1/workspace-group-workspaces/{row.id}"
    for order in ("workspace_group.created_by,created_by", "created_by,workspace_group.created_by"):
        reply = get(f"{url}?include={order}", ours.caller)
        assert {id_ for type_, id_ in included(reply) if type_ == "people"} == {ours.owner.id, colleague.id}


def test_what_many_rows_share_is_there_once(world: World, ours: Tenant) -> None:
    for _ in range(25):
        add(world, ours, "company_workspace_connector")
    reply = get(f"/v1/company-workspace-connectors?{all_of('company_workspace_connector')}", ours.caller)
    assert len(reply.data) == 20
    assert len(included(reply)) == len(set(included(reply))) == 5


def test_each_page_includes_what_its_own_rows_need(world: World, ours: Tenant) -> None:
    companies = [ours.rows["company"], *world.companies(ours.workspace, 5)]
    world.provenances(companies[1:], ours.connector)
    pages = walk("/v1/company-workspace-connectors?sort=created_at&page[size]=1&include=company", ours.caller)
    assert [included(page) for page in pages] == [[("company", company.id)] for company in companies]


@of_every_list
def test_an_empty_value_includes_nothing_and_says_so(ours: Tenant, name: str) -> None:
    type_ = LISTS[name].type
    for url in (list_url(name, ours), ours.url(type_)):
        assert get(f"{url}?include=", ours.caller).document["included"] == []
    assert "included" not in get(ours.url(type_), ours.caller).document


@of_every_list
def test_a_list_includes_nothing_unasked_but_the_providers_of_a_workspace(ours: Tenant, name: str) -> None:
    reply = get(list_url(name, ours), ours.caller)
    assert reply.document.get("included", []) == [] or name == PROVIDERS
    if name == PROVIDERS:
        assert included(reply) == [("provider", ours.rows["provider"].id)]


@of_every_list
def test_an_empty_page_includes_an_empty_array(ours: Tenant, name: str) -> None:
    query = f"{all_of(LISTS[name].type)}&filter[created_at][lt]=1999-01-01T00:00:00Z"
    reply = get(f"{list_url(name, ours)}?{query}", ours.caller)
    assert (reply.data, reply.document["included"]) == ([], [])


def test_a_relationship_that_is_empty_includes_an_empty_array(world: World, ours: Tenant) -> None:
    row = world.enrol(ours.group, world.workspace())
    assert get(f"/v1/workspace-group-workspaces/{row.id}?include=created_by", ours.caller).document["included"] == []
    bare = world.group()
    url = f"/v1/workspace-groups/{bare.id}?include=workspaces,memberships,created_by"
    assert get(url, READER).document["included"] == []


NOWHERE = (
    *("nothing", "company.nothing", "company.workspace.created_by", "workspace_connector.connector.provider"),
    *("workspace", "COMPANY", "company,", ",company", "company, workspace_connector", "company;workspace_connector"),
    *("company.", ".company", "direction", "company_pk", "%00", "account"),
)


def test_a_path_that_leads_nowhere_is_400(ours: Tenant) -> None:
    for path, url in product(NOWHERE, ("/v1/company-workspace-connectors", ours.url("company_workspace_connector"))):
        told = refusal(get(f"{url}?include={path}", ours.caller))
        assert told == (400, "INVALID_QUERY_PARAMETER", {"parameter": "include"}), path


@pytest.fixture
def stranger(world: World, theirs: Tenant) -> Row:
    """Somebody whose workspace the caller does not see."""
    return world.people(theirs.workspace)


class TestAPersonOfAnotherTenant:
    def test_who_made_an_enrolment_is_linked_and_not_included(self, world: World, ours: Tenant, stranger: Row) -> None:
        row = world.enrol(ours.group, world.workspace(), stranger)
        url = f"/v1/workspace-group-workspaces/{row.id}?include=created_by"
        reply = get(url, ours.caller)
        assert reply.data["relationships"]["created_by"]["data"] == {"type": "people", "id": str(stranger.id)}
        assert included(reply) == []
        assert included(get(url, READER)) == [("people", stranger.id)]

    def test_who_made_the_group_is_linked_and_not_included(self, world: World, ours: Tenant, stranger: Row) -> None:
        group = world.group(stranger)
        world.group_member(ours.owner, group)
        url = f"/v1/workspace-groups/{group.id}?include=created_by"
        assert included(get(url, ours.caller)) == []
        assert included(get(url, READER)) == [("people", stranger.id)]
        row = world.enrol(group, ours.workspace)
        deep = get(f"/v1/workspace-group-workspaces/{row.id}?include=workspace_group.created_by", ours.caller)
        assert included(deep) == [("workspace_group", group.id)]

    def test_is_linked_from_a_membership_and_not_included(self, world: World, ours: Tenant, stranger: Row) -> None:
        world.group_member(stranger, ours.group)
        reply = get(f"{ours.url('workspace_group')}?include=memberships", ours.caller)
        assert {type_ for type_, _ in included(reply)} == {"workspace_group_membership"}
        linked = {item["relationships"]["people"]["data"]["id"] for item in reply.document["included"]}
        assert linked == {str(ours.owner.id), str(stranger.id)}


class TestATombstonedRow:
    def test_behind_a_connection_is_linked_and_not_included(self, world: World, ours: Tenant) -> None:
        world.tombstone(ours.rows["connector"])
        for caller in (ours.caller, READER):
            url = "/v1/account-workspace-connectors?include=workspace_connector.connector"
            reply = get(url, caller)
            assert included(reply) == [("workspace_connector", ours.connector.id)]
            (connection,) = reply.document["included"]
            assert connection["relationships"]["connector"]["data"]["id"] == str(ours.rows["connector"].id)

    def test_that_is_listed_includes_its_live_parents(self, world: World, ours: Tenant) -> None:
        world.tombstone(ours.rows["company_workspace_connector"])
        url = "/v1/company-workspace-connectors?filter[deleted]=only&include=company"
        assert included(get(url, ours.caller)) == [("company", ours.rows["company"].id)]


def test_a_workspace_that_left_the_group_is_linked_and_not_included(world: World, ours: Tenant) -> None:
    left = world.workspace()
    row = world.enrol(ours.group, left)
    url = "/v1/workspace-group-workspaces?filter[deleted]=include&include=workspace"
    assert ("workspace", left.id) in included(get(url, ours.caller))
    world.tombstone(row)
    reply = get(url, ours.caller)
    assert row.id in reply.ids
    assert ("workspace", left.id) not in included(reply)
    assert ("workspace", left.id) in included(get(url, READER))


def test_a_group_is_named_to_a_member_of_the_workspace_alone_while_it_is_enrolled(world: World, ours: Tenant) -> None:
    guest = world.people(world.workspace())
    world.member(guest, ours.workspace, role="guest")
    url = "/v1/workspace-group-workspaces?filter[deleted]={}&include=workspace_group.created_by,workspace"
    assert "workspace_group" in {type_ for type_, _ in included(get(url.format("exclude"), person(guest)))}
    world.tombstone(ours.rows["workspace_group_workspace"])
    for deleted in ("include", "only"):
        reply = get(url.format(deleted), person(guest))
        # Which group it was is still said, by its id alone.
        (row,) = reply.data
        assert row["relationships"]["workspace_group"]["data"]["id"] == str(ours.group.id)
        assert {type_ for type_, _ in included(reply)} == {"workspace"}
    for caller in (ours.caller, READER):
        assert "workspace_group" in {type_ for type_, _ in included(get(url.format("only"), caller))}


def test_the_row_behind_a_page_tells_nothing_of_the_group_of_a_row_on_it(world: World, ours: Tenant) -> None:
    guest = world.people(world.workspace())
    world.member(guest, ours.workspace, role="guest")
    ended = ours.rows["workspace_group_workspace"]
    world.tombstone(ended)
    alive = world.enrol(ours.group, ours.workspace, created_at=datetime(2020, 1, 1, tzinfo=UTC))
    url = "/v1/workspace-group-workspaces?filter[deleted]=include&include=workspace_group&page[size]="
    assert get(f"{url}2", person(guest)).ids == [ended.id, alive.id]
    reply = get(f"{url}1", person(guest))
    assert (reply.ids, included(reply)) == ([ended.id], [])
    assert included(get(f"{url}2", person(guest))) == [("workspace_group", ours.group.id)]
    assert included(get(f"{url}1", ours.caller)) == [("workspace_group", ours.group.id)]


ROWS = 50


def expected_statements(name: str, *, more: int = 0) -> int:
    """Return what a list with all includes may send: the page, one for each type, and what the type itself needs."""
    resource = LISTS[name]
    of_types = len(types_on(resource, *resource.includes))
    linkage = any(relationship.many for relationship in resource.relationships)
    return 1 + of_types + linkage + (name == PROVIDERS) + more


@pytest.fixture
def many(world: World, ours: Tenant, name: str) -> Tenant:
    """The caller's tenant with so many rows of the list's type, each with parents of its own where it can have."""
    type_ = LISTS[name].type
    for _ in range(ROWS - 1):
        colleague = {"created_by": world.people(ours.workspace)} if "group" in type_ else {}
        row = add(world, ours, type_, **colleague)
        if type_ == "workspace_group":
            world.enrol(row, world.workspace())
    return ours


@of_every_list
@pytest.mark.parametrize("who", ["person", "service"])
def test_a_list_sends_one_statement_and_one_for_each_included_type_whatever_its_size(
    many: Tenant, statements: Statements, name: str, who: str
) -> None:
    caller = READER if who == "service" else many.caller
    url = f"{list_url(name, many)}?{all_of(LISTS[name].type)}"
    get(url, caller)  # the first answer of a process also reads the cursor keys
    for size in (1, ROWS):
        statements.clear()
        reply = get(f"{url}&page[size]={size}", caller)
        assert len(reply.data) == size
        assert len(statements) == expected_statements(name)
    for sort in ("created_at", "-updated_at"):
        link = get(f"{url}&sort={sort}&page[size]=3", caller).document["links"]["next"]
        for beside in ("next", "prev"):
            statements.clear()
            reply = get(link, caller)
            assert len(statements) == expected_statements(name)
            link = reply.document["links"][beside]
        statements.clear()
        assert get(f"{url}&sort={sort}&page[total]=true", caller).document["meta"]["page"]["total"] == ROWS
        assert len(statements) == expected_statements(name, more=1)


@pytest.mark.parametrize("name", [name for name in LISTS if name not in {PROVIDERS, "workspace_group"}])
def test_one_statement_more_for_the_workspace_that_is_claimed(ours: Tenant, statements: Statements, name: str) -> None:
    url = f"{list_url(name, ours)}?{all_of(LISTS[name].type)}&filter[workspace]={ours.workspace.id}"
    get(url, ours.caller)
    statements.clear()
    assert len(get(url, ours.caller).data) == 1
    assert len(statements) == expected_statements(name, more=1)


@of_every_type
@pytest.mark.parametrize("who", ["person", "service"])
def test_of_a_single_resource_one_statement_and_one_for_each_included_type(
    world: World, ours: Tenant, statements: Statements, type_: str, who: str
) -> None:
    caller: Caller = READER if who == "service" else ours.caller
    for _ in range(10):
        enrolled = world.workspace()
        world.enrol(ours.group, enrolled, ours.owner)
        world.group_member(world.people(enrolled), ours.group)
    for query, expected in (("", 1), (f"?{all_of(type_)}", expected_statements(type_))):
        statements.clear()
        assert get(f"{ours.url(type_)}{query}", caller).status == 200
        assert len(statements) == expected
