"""A link is never 404: what a GET would not show has no `links.self` and no `related` (contract, section 4)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.jsonapi.conftest import LISTED, Tenant
from tests.support.api import READER, get, person
from tests.support.world import World

AT = "2026-05-10T08:14:22.123Z"


def links_of(document: Any) -> Iterator[str]:
    """Yield each link of a document and of all resources in it: to themselves, and to what is related to them."""
    data = document["data"]
    items = [*(data if isinstance(data, list) else [data]), *document.get("included", [])]
    for holder in (document, *items):
        link = holder.get("links", {}).get("self")
        if link:
            yield link
    for item in items:
        for related in item.get("relationships", {}).values():
            yield from related.get("links", {}).values()


@pytest.mark.parametrize("resource", LISTED, ids=lambda resource: resource.type)
def test_of_a_list_with_its_tombstones(world: World, ours: Tenant, resource: Any) -> None:
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


def test_of_a_group_that_is_included_for_who_is_no_member_of_it(world: World, ours: Tenant) -> None:
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
