"""JSON:API 1.1, "Document Structure": what every document of this API looks like; conftest.py looks at each answer."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from tests.jsonapi.conftest import LISTED, LISTS, Tenant, add, list_url, of_every_list, of_every_type
from tests.jsonapi.structure import links_of
from tests.support.api import READER, draft, get, patch, person, post, walk
from tests.support.world import World
from tests.writing.conftest import group_of
from wellspring.resources import resource_of, resources

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
MOMENT = NOON + timedelta(milliseconds=5)
NEW_YEAR = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-5)))


@of_every_list
def test_a_list_is_a_document(world: World, ours: Tenant, name: str) -> None:
    add(world, ours, LISTS[name].type)
    url = list_url(name, ours)
    everything = f"?include={','.join(LISTS[name].includes)}&page[total]=true&filter[deleted]=include"
    for query in ("", everything, f"{everything}&page[size]=1", "?filter[deleted]=only"):
        for caller in (ours.caller, READER):
            reply = get(f"{url}{query}", caller)
            assert reply.status == 200
            assert isinstance(reply.data, list)
            assert reply.document.keys() <= {"jsonapi", "links", "data", "included", "meta"}
            assert reply.document["links"].keys() == {"self", "first", "prev", "next"}


@of_every_type
def test_a_resource_is_a_document(ours: Tenant, type_: str) -> None:
    for query in ("", f"?include={','.join(resource_of(type_).includes)}"):
        reply = get(f"{ours.url(type_)}{query}", ours.caller)
        assert reply.status == 200
        assert reply.document.keys() == {"jsonapi", "links", "data"} | ({"included"} if query else set())
        assert reply.document["links"].keys() == {"self"}


@of_every_type
def test_a_resource_object_has_what_its_declaration_says_in_its_order(ours: Tenant, type_: str) -> None:
    resource = resource_of(type_)
    # All fields are named, for the to-many relationships.
    query = f"fields[{type_}]={','.join(resource.fields)}"
    item = get(f"{ours.url(type_)}?{query}", ours.caller).data
    assert list(item) == ["type", "id", "attributes", "relationships", "links"]
    assert (item["type"], item["id"]) == (type_, str(ours.rows[type_].id))
    assert list(item["attributes"]) == [attribute.name for attribute in resource.attributes]
    assert list(item["relationships"]) == [relationship.name for relationship in resource.relationships]
    (listed,) = get(f"{resource.route}?{query}", ours.caller).data
    assert list(listed.pop("meta")) == ["page"]
    assert listed == item


def test_a_parent_that_is_included_has_what_its_declaration_says(ours: Tenant) -> None:
    seen: dict[str, Any] = {}
    for resource in LISTED:
        reply = get(f"{ours.url(resource.type)}?include={','.join(resource.includes)}", ours.caller)
        seen |= {item["type"]: item for item in reply.document["included"]}
    assert seen.keys() == {
        "workspace_group",
        *(resource.type for resource in resources() if resource not in LISTED),
    } - {"workspace_membership", "sync_run", "feed_event", "feed_status", "fleet"}
    for type_, item in seen.items():
        resource = resource_of(type_)
        shown = [said.name for said in resource.attributes if not (said.service_only or said.computed)]
        assert list(item["attributes"]) == shown
        # A to-many relationship's linkage is read for primary data only; no data is better than wrong data.
        to_one = [relationship.name for relationship in resource.to_one]
        assert [name for name in item.get("relationships", {}) if name in to_one] == to_one
        assert not any("data" in item["relationships"][name] for name in item.get("relationships", {}).keys() - to_one)
        assert ("links" in item) is bool(resource.route)


def test_an_answer_to_a_write_is_a_document(world: World, ours: Tenant) -> None:
    """Those to writes of provenance are looked at with their tags (test_etags.py)."""
    row, group = ours.rows["workspace_provider"], group_of(ours.workspace)
    changed = draft(row.type, {"is_selected": True}, row.id)
    made = draft(row.type, provider=world.provider("new"))
    assert patch(f"{ours.url(row.type)}?include=provider,workspace", ours.caller, changed).status == 200
    assert post(ours.providers, ours.caller, made).status == 201
    url = "/v1/workspace-groups?include=workspaces,memberships,created_by"
    assert post(url, ours.caller, group).status == 201


def test_a_type_and_a_field_have_legal_names_and_no_field_has_two_meanings() -> None:
    for resource in resources():
        assert len(resource.fields) == len(resource.attributes) + len(resource.relationships)
        assert not {"type", "id"} & {*resource.fields}


def test_an_empty_to_one_relationship_is_null(world: World, ours: Tenant) -> None:
    row = world.enrol(ours.group, world.workspace())
    enrolment = get(f"/v1/workspace-group-workspaces/{row.id}", ours.caller).data
    assert enrolment["relationships"]["created_by"] == {"data": None}
    assert enrolment["relationships"]["workspace_group"] == {
        "data": {"type": "workspace_group", "id": str(ours.group.id)}
    }


LINKED = "fields[workspace_group]=workspaces,memberships"


def test_a_to_many_relationship_is_an_array_with_all_of_it(world: World, ours: Tenant) -> None:
    others = [world.workspace() for _ in range(30)]
    for other in others:
        world.enrol(ours.group, other)
    relationships = get(f"{ours.url('workspace_group')}?{LINKED}", ours.caller).data["relationships"]
    expected = [{"type": "workspace", "id": str(row.id)} for row in (ours.workspace, *others)]
    assert relationships["workspaces"] == {
        "data": expected,
        "links": {"related": f"/v1/workspaces?filter%5Bworkspace_group%5D={ours.group.id}"},
    }
    assert relationships["memberships"] == {
        "data": [{"type": "workspace_group_membership", "id": str(ours.rows["workspace_group_membership"].id)}],
        "links": {"related": f"/v1/workspace-group-memberships?filter%5Bworkspace_group%5D={ours.group.id}"},
    }


def test_an_empty_to_many_relationship_is_an_empty_array(world: World, ours: Tenant) -> None:
    world.tombstone(ours.rows["workspace_group_workspace"])
    bare = world.group()
    for url, caller, names in (
        (ours.url("workspace_group"), ours.caller, ["workspaces"]),
        (f"/v1/workspace-groups/{bare.id}", READER, ["workspaces", "memberships"]),
    ):
        relationships = get(f"{url}?{LINKED}", caller).data["relationships"]
        assert [relationships[name]["data"] for name in names] == [[] for _ in names]


def test_each_group_of_a_list_has_its_own_linkage(world: World, ours: Tenant) -> None:
    other, enrolled = world.group(), world.workspace()
    world.group_member(ours.owner, other)
    world.enrol(other, enrolled)
    found = {
        item["id"]: [identifier["id"] for identifier in item["relationships"]["workspaces"]["data"]]
        for item in get("/v1/workspace-groups?include=workspaces", ours.caller).data
    }
    assert found == {str(ours.group.id): [str(ours.workspace.id)], str(other.id): [str(enrolled.id)]}


@of_every_type
def test_a_resource_says_where_it_is(ours: Tenant, type_: str) -> None:
    (item,) = get(resource_of(type_).route, ours.caller).data
    assert item["links"] == {"self": ours.url(type_)}
    assert get(item["links"]["self"], ours.caller).data["id"] == item["id"]


@of_every_list
def test_the_link_of_a_document_carries_the_query_and_leads_to_it_again(ours: Tenant, name: str) -> None:
    url = list_url(name, ours)
    for query, link in (
        ("", ""),
        ("?page[size]=7", "?page%5Bsize%5D=7"),
        ("?page%5Bsize%5D=7&sort=created_at", "?page%5Bsize%5D=7&sort=created_at"),
        (
            "?filter[created_at][gte]=2000-01-01T00:00:00+00:00&include=",
            "?filter%5Bcreated_at%5D%5Bgte%5D=2000-01-01T00:00:00+00:00&include=",
        ),
    ):
        reply = get(f"{url}{query}", ours.caller)
        assert reply.document["links"]["self"] == f"{url}{link}"
        again = get(reply.document["links"]["self"], ours.caller)
        assert (again.status, again.data) == (200, reply.data)


@of_every_type
def test_the_link_of_a_single_resource_carries_the_query_too(ours: Tenant, type_: str) -> None:
    url = f"{ours.url(type_)}?include=&fields[{type_}]=created_at"
    reply = get(url, ours.caller)
    assert reply.document["links"]["self"] == url.replace("[", "%5B").replace("]", "%5D")
    assert get(reply.document["links"]["self"], ours.caller).body == reply.body


def test_links_to_the_pages_beside_carry_the_query_and_no_old_cursor(world: World, ours: Tenant) -> None:
    for _ in range(3):
        add(world, ours, "company_workspace_connector")
    instant = quote("2000-01-01T00:00:00+00:00")
    query = f"page[size]=1&filter[direction]=input&include=company&filter[created_at][gte]={instant}"
    for reply in walk(f"/v1/company-workspace-connectors?{query}", ours.caller):
        assert [item["type"] for item in reply.document["included"]] == ["company"]
        for name in ("first", "prev", "next"):
            link = reply.document["links"][name]
            if link:
                assert "page%5Bsize%5D=1&filter%5Bdirection%5D=input&include=company" in link
                assert link.count("page%5Bafter%5D") == (name == "next")
                assert link.count("page%5Bbefore%5D") == (name == "prev")


# ---- a link is never 404: what a GET would not show has no `links.self` and no `related` (contract, section 4)
@pytest.mark.parametrize("resource", LISTED, ids=lambda resource: resource.type)
def test_no_link_of_a_list_with_its_tombstones_is_404(world: World, ours: Tenant, resource: Any) -> None:
    row = ours.rows[resource.type]
    world.tombstone(row)
    of_ours = "" if resource.tenancy == "membership" else f"&filter[workspace]={ours.workspace.id}"
    url = f"{resource.route}?filter[deleted]=include{of_ours}&include={','.join(resource.includes)}"
    caller = READER if of_ours else ours.caller
    document = get(url, caller).document
    gone = [item for item in document["data"] if item["id"] == str(row.id)]
    # A group that is gone is nobody's to see.
    assert len(gone) == (0 if resource.tenancy == "membership" else 1)
    assert not [item for item in gone if "links" in item]
    for link in links_of(document):
        assert get(link, caller).status == 200, link


def test_no_link_of_a_group_is_404_for_who_is_no_member_of_it(world: World, ours: Tenant) -> None:
    member = world.people(ours.workspace)
    world.member(member, ours.workspace)
    url = "/v1/workspace-group-workspaces?include=workspace_group"
    for caller, status in ((person(member), 404), (ours.caller, 200), (READER, 200)):
        document = get(url, caller).document
        (group,) = document["included"]
        assert ("links" in group) is (status == 200)
        assert get(f"/v1/workspace-groups/{ours.group.id}", caller).status == status
        for link in links_of(document):
            assert get(link, caller).status == 200, link


@of_every_type
def test_a_time_is_in_utc_with_milliseconds(world: World, ours: Tenant, type_: str) -> None:
    for at, updated_at, shown in (
        (NOON, NOON, "2026-05-10T12:00:00.000Z"),
        # What was never updated was updated when it was made.
        (NOON, None, "2026-05-10T12:00:00.000Z"),
        (MOMENT, MOMENT, "2026-05-10T12:00:00.005Z"),
        (NEW_YEAR, NEW_YEAR, "2027-01-01T04:30:00.000Z"),
    ):
        world.change(ours.rows[type_], created_at=at, updated_at=updated_at)
        (listed,) = get(resource_of(type_).route, ours.caller).data
        for item in (listed, get(ours.url(type_), ours.caller).data):
            times = [item["attributes"][name] for name in ("created_at", "updated_at", "deleted_at")]
            assert times == [shown, shown, None]


def test_a_provider_shows_its_countries_as_an_array(world: World, ours: Tenant) -> None:
    world.change(ours.rows["provider"], countries=["FR", "DE"], category=None)
    (provider,) = get(f"{ours.url('workspace_provider')}?include=provider", ours.caller).document["included"]
    shown: dict[str, Any] = provider["attributes"]
    assert (shown["countries"], shown["category"]) == (["FR", "DE"], None)
