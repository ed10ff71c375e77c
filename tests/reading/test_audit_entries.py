"""The audit of a workspace: for its owners and admins, and for services (contract, section 7)."""

from typing import Any

import pytest

from tests.jsonapi.structure import check
from tests.support.api import MATCHER, READER, delete, draft, get, post, walked_both_ways
from tests.support.databases import Database, Statements
from tests.support.plans import rows_read, sent_for
from tests.support.tenants import Tenant, tenant
from tests.support.world import World
from tests.writing.conftest import CHOICES, GROUPS, identifier

AUDIT = "/v1/audit-entries"


def of(tenant: Tenant, more: str = "") -> str:
    return f"{AUDIT}?filter[workspace]={tenant.workspace.id}{more}"


def chooses(world: World, tenant: Tenant, slug: str = "stripe") -> Any:
    """Have the owner choose a provider, and return the choice's id."""
    made = post(tenant.providers, tenant.caller, draft("workspace_provider", provider=world.provider(slug)))
    assert made.status == 201, made.body
    return made.data["id"]


def test_an_entry_says_when_who_did_what_to_what(world: World, ours: Tenant) -> None:
    chosen = chooses(world, ours)
    for caller in (ours.caller, READER):
        reply = get(of(ours, "&include=caller,workspace"), caller)
        check(reply.document)
        (entry,) = reply.data
        assert entry["attributes"].pop("at").endswith("Z")
        assert entry["attributes"] == {
            "operation": "create",
            "resource": {"type": "workspace_provider", "id": chosen},
            "service": None,
            "note": None,
        }
        assert {name: each["data"] for name, each in entry["relationships"].items()} == {
            "caller": identifier(ours.owner),
            "workspace": identifier(ours.workspace),
        }
        assert {item["type"] for item in reply.document["included"]} == {"people", "workspace"}


def test_what_a_service_did_names_it_and_no_person(world: World, ours: Tenant) -> None:
    assert post(ours.providers, MATCHER, draft("workspace_provider", provider=world.provider("stripe"))).status == 201
    (entry,) = get(of(ours), ours.caller).data
    assert entry["attributes"]["service"] == "provider-matcher"
    assert entry["relationships"]["caller"]["data"] is None
    assert len(get(of(ours, "&filter[service]=provider-matcher"), ours.caller).data) == 1
    assert get(of(ours, "&filter[service]=another"), ours.caller).data == []


def test_the_filters_narrow_it(world: World, ours: Tenant, theirs: Tenant) -> None:
    first = chooses(world, ours)
    assert delete(f"{CHOICES}/{first}", ours.caller).status == 204
    chooses(world, theirs, "qonto")
    assert post(GROUPS, ours.caller, draft("workspace_group", {"name": "Holding"})).status == 201
    asked = {
        "": 4,
        f"filter[workspace]={ours.workspace.id}": 2,
        f"filter[caller]={ours.owner.id}": 3,
        f"filter[resource]={first}": 2,
        f"filter[workspace]={theirs.workspace.id}&filter[resource]={first}": 0,
        f"filter[workspace]={theirs.workspace.id}&filter[caller]={theirs.owner.id}": 1,
        "filter[at][gte]=2020-01-01T00:00:00Z": 4,
        "filter[at][lt]=2020-01-01T00:00:00Z": 0,
    }
    assert {query: len(get(f"{AUDIT}?{query}", READER).data) for query in asked} == asked
    assert get(AUDIT, ours.caller).status == 403
    # A group is of no workspace.
    newest = get(AUDIT, READER).data[0]
    assert newest["attributes"]["resource"]["type"] == "workspace_group"
    assert newest["relationships"]["workspace"]["data"] is None


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_walk_meets_each_entry_once_the_newest_first_and_back_again_by_two_statements_a_page(
    world: World, ours: Tenant, statements: Statements, size: int
) -> None:
    made = [chooses(world, ours, f"provider-{number}") for number in range(4)]
    entries = get(of(ours), ours.caller).data
    assert [item["attributes"]["resource"]["id"] for item in entries] == made[::-1]
    assert walked_both_ways(of(ours), ours.caller, size) == [item["id"] for item in entries]
    # The workspace with the caller's roles in it, and the page.
    assert sent_for(statements, of(ours, f"&page[size]={size}"), ours.caller)[0] == 2


def test_a_page_reads_as_much_of_many_entries_as_of_few(untouched_database: Database, world: World) -> None:
    ours, database = tenant(world), untouched_database
    name = f"person:{ours.owner.id}"
    costs: list[list[int]] = []
    for rows in (100, 5000):
        world.fill(
            "wellspring.audit",
            rows,
            caller=f"'{name}'",
            operation="'update'",
            resource_type="'workspace_provider'",
            resource_id="uuidv7()",
            workspace_pk=ours.workspace.pk,
        )
        world.analyze("wellspring.audit")
        asked = (
            (of(ours), ours.caller),
            (of(ours, f"&filter[caller]={ours.owner.id}"), ours.caller),
            (AUDIT, READER),
            (f"{AUDIT}?filter[caller]={ours.owner.id}", READER),
        )
        read = [rows_read(database, url, caller) for url, caller in asked]
        assert [len(reply.data) for _, reply in read] == [20] * len(asked)
        costs.append([cost for cost, _ in read])
    assert all(many <= 2 * few for few, many in zip(*costs, strict=True))
