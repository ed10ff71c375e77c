"""The eight types of parents that can be listed and retrieved: who sees which, how they are found, in what order."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import pytest

from tests.jsonapi.structure import links_of
from tests.support.api import READER, Caller, get, person, walked, walked_both_ways, walked_text
from tests.support.databases import Database, Statements
from tests.support.plans import rows_read, sent_for
from tests.support.tenants import Tenant, one_of_each_type
from tests.support.world import Row, World
from wellspring.resources import Resource, records, resources
from wellspring.services.ledger import reading

WORKSPACES, GROUPS = "/v1/workspaces", "/v1/workspace-groups"
RECORDS = tuple(record for record in records() if record.operations)


def of(found: Callable[[Resource], object], name: str = "resource", **options: Any) -> pytest.MarkDecorator:
    """Try a test with each readable parent that fits."""
    fitting = [resource for resource in resources() if resource.policy == "none" and found(resource)]
    return pytest.mark.parametrize(name, fitting, ids=lambda resource: resource.type, **options)


of_each = of(lambda _: True)
of_records = of(lambda resource: resource in RECORDS)
of_names = of(lambda resource: resource.named, "named", indirect=True)


def made(world: World, resource: Resource, workspace: Row, name: str) -> Row:
    """Make a row of a type with a name; a workspace is another one then."""
    assert resource.named is not None
    makers: dict[str, Callable[[], Row]] = {
        "workspace": lambda: world.workspace(name),
        "connector": lambda: world.connector(name),
        "provider": lambda: world.provider(f"slug-{quote(name)}", name),
    }
    column = resource.named.name
    return makers.get(resource.type, lambda: world.record(resource.type, workspace, **{column: name}))()


def test_a_membership_of_a_foreign_person_is_seen_and_they_are_not(world: World, ours: Tenant, theirs: Tenant) -> None:
    membership = world.member(theirs.owner, ours.workspace)
    reply = get("/v1/workspace-memberships?include=people,workspace", ours.caller)
    assert membership.id in reply.ids
    included = {item["id"] for item in reply.document["included"]}
    assert str(theirs.owner.id) not in included
    assert {str(ours.owner.id), str(ours.workspace.id)} <= included
    url_ = f"/v1/workspace-memberships?filter[people]={theirs.owner.id},{ours.owner.id}"
    assert len(get(url_, ours.caller).ids) == 2


type Named = tuple[Resource, dict[str, Row], str]


# ---- names ---------------------------------------------------------------------------------------------------
NAMES = ["ÄRGER & Söhne", "alder Bank", "Alder Trading", "ALDER", "Zander", "Alderney", "O'Neill 100%_"]
FOLDED_ORDER = ["ALDER", "alder Bank", "Alder Trading", "Alderney", "O'Neill 100%_", "Zander", "ÄRGER & Söhne"]


@pytest.fixture
def named(world: World, ours: Tenant, request: pytest.FixtureRequest) -> Named:
    """A type, a row of each name, and what narrows its list to them."""
    resource: Resource = request.param
    rows = {name: made(world, resource, ours.workspace, name) for name in NAMES}
    if resource.type == "workspace":
        for row in rows.values():
            world.member(ours.owner, row)
    return resource, rows, f"filter[workspace]={ours.workspace.id}&" if resource in RECORDS else ""


@of_names
def test_names_are_found_exactly_by_their_beginning_and_by_a_part(ours: Tenant, named: Named) -> None:
    resource, rows, within = named

    def found(query: str, caller: Caller) -> list[str]:
        reply = get(f"{resource.route}?{within}{query}", caller)
        assert reply.status == 200, reply.body
        names = {str(row.id): name for name, row in rows.items()}
        return [names[item["id"]] for item in reply.data]

    for caller in (ours.caller, READER):
        assert found("filter[name]=Alder%20Trading", caller) == ["Alder Trading"]
        assert found("filter[name]=alder%20trading", caller) == []
        assert found("filter[name][starts]=aLDER", caller) == ["ALDER", "alder Bank", "Alder Trading", "Alderney"]
        assert found(f"filter[name][starts]={quote('ärg')}", caller) == ["ÄRGER & Söhne"]
        assert found(f"filter[name][contains]={quote('SÖH')}", caller) == ["ÄRGER & Söhne"]
        assert found("filter[name][contains]=0%25_", caller) == ["O'Neill 100%_"]
        assert found("filter[name][starts]=al&sort=-name&page[total]=true", caller)[0] == "Alderney"


@of_names
@pytest.mark.parametrize("size", [1, 3, 60])
def test_a_walk_by_name_shows_each_row_once_both_ways(ours: Tenant, named: Named, size: int) -> None:
    resource, rows, within = named
    ids = {str(row.id): name for name, row in rows.items()}
    for sort in ("name", "-name"):
        ahead = walked_both_ways(f"{resource.route}?{within}sort={sort}", ours.caller, size)
        shown = [ids[id_] for id_ in ahead if id_ in ids]
        assert shown == (FOLDED_ORDER if sort == "name" else FOLDED_ORDER[::-1])


def test_a_name_longer_than_its_order_is_found_by_every_part_of_it(world: World, ours: Tenant) -> None:
    company = world.company(ours.workspace, "Ä" * 300 + " Needle")
    within = f"/v1/companies?filter[workspace]={ours.workspace.id}"
    for query in ("filter[name][contains]=NEEDLE", f"filter[name]={quote('Ä' * 300 + ' Needle')}"):
        assert get(f"{within}&{query}", ours.caller).ids == [company.id]
    last = world.company(ours.workspace, "Ä" * 301)
    found = walked(f"{within}&filter[name][starts]={quote('ä')}&page[size]=1", ours.caller)
    assert found == [company.id, last.id]


def test_a_name_that_changes_is_found_by_the_new_one(world: World, ours: Tenant) -> None:
    company = world.company(ours.workspace, "Before")
    world.change(company, name="After")
    assert get("/v1/companies?filter[name][starts]=after", ours.caller).ids == [company.id]
    assert get("/v1/companies?filter[name][starts]=before", ours.caller).ids == []


@of_records
def test_a_part_of_a_name_is_searched_for_among_so_many(
    monkeypatch: pytest.MonkeyPatch, world: World, ours: Tenant, resource: Resource
) -> None:
    world.records(resource.type, ours.workspace, 5)
    monkeypatch.setattr(reading, "MAX_SEARCHED", 3)
    parameter = "filter[name][contains]"
    reply = get(f"{resource.route}?filter[workspace]={ours.workspace.id}&{parameter}=abc", ours.caller)
    assert (reply.status, reply.error["source"]) == (400, {"parameter": parameter})
    assert "more than 3" in reply.error["detail"]


# ---- other filters -------------------------------------------------------------------------------------------
def test_the_catalogue_tells_its_categories_and_countries_when_asked(world: World, ours: Tenant) -> None:
    world.provider("a-bank", "A bank", category="banking", countries=["FR", "DE"])
    world.provider("a-mail", "A mail", category="mail", countries=["DE"])
    world.provider("another", "Another", category=None, countries=[])
    world.tombstone(world.provider("gone", "Gone", category="gone", countries=["ES"]))
    known = {"category": ["banking", "mail"], "country": ["DE", "FR"]}
    for caller in (READER, ours.caller):
        # Of the whole catalogue, whatever is listed of it.
        for query in ("with_choices=true", "with_choices=true&filter[category]=mail&page[size]=1"):
            assert get(f"/v1/providers?{query}", caller).document["meta"] == {"choices": known}
        both = get("/v1/providers?with_choices=true&page[total]=true", caller)
        assert both.document["meta"] == {"page": {"total": 3}, "choices": known}
        for query in ("", "with_choices=false"):
            assert "meta" not in get(f"/v1/providers?{query}", caller).document


def test_the_choices_are_bounded(world: World, ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        world.provider(f"p-{number}", f"P {number}", category=f"c-{number}", countries=["FR"])
    monkeypatch.setattr("wellspring.repositories.ledger.pages.MAX_CHOICES", 2)
    told = get("/v1/providers?with_choices=true", ours.caller).document["meta"]["choices"]
    assert told == {"category": ["c-0", "c-1"], "country": ["FR"]}


def test_providers_are_found_by_slug_category_and_country(world: World, ours: Tenant) -> None:
    bank = world.provider("a-bank", "A bank", category="banking", countries=["FR", "DE"])
    other = world.provider("a-mail", "A mail", category="mail", countries=["DE"])
    for query, found in (
        ("filter[slug]=a-bank", [bank]),
        ("filter[category]=mail", [other]),
        ("filter[country]=FR", [bank]),
        ("filter[country]=DE&sort=name", [bank, other]),
        ("filter[country]=DE&filter[category]=banking", [bank]),
        ("filter[country]=ES", []),
        ("filter[country]=fr", [bank]),
        ("filter[country]=ES,fr", [bank]),
        ("filter[country]=FR,de&sort=name", [bank, other]),
        ("filter[country]=es&filter[country]=Fr", [bank]),
    ):
        reply = get(f"/v1/providers?{query}", ours.caller)
        assert reply.status == 200, reply.body
        assert reply.ids == [row.id for row in found], query


def test_connectors_of_a_workspace_are_found_by_status_and_connector(world: World, ours: Tenant) -> None:
    stripe = world.connector("Stripe")
    paused = world.workspace_connector(ours.workspace, stripe, status="paused")
    route = "/v1/workspace-connectors"
    assert get(f"{route}?filter[status]=paused", ours.caller).ids == [paused.id]
    assert get(f"{route}?filter[status]=active", ours.caller).ids == [ours.connector.id]
    assert get(f"{route}?filter[connector]={stripe.id}", ours.caller).ids == [paused.id]
    narrowed = f"{route}?filter[workspace]={ours.workspace.id}&filter[connector]={stripe.id}"
    assert get(narrowed, READER).ids == [paused.id]


@of(lambda resource: resource.attribute("source"))
def test_whose_it_is_is_shown_to_services_that_ask_by_its_id(world: World, resource: Resource) -> None:
    rows = one_of_each_type(world, "Ours")
    row = rows[resource.type]
    world.change(row, source="/well/owner")
    link = f"{resource.route}/{row.id}"
    assert get(link, READER).data["attributes"]["source"] == "/well/owner"
    assert "source" not in get(link, person(rows["people"])).data["attributes"]
    listed = get(f"{resource.route}?page[size]=100", READER).data
    assert not [item for item in listed if "source" in item["attributes"]]


@of_each
@pytest.mark.parametrize("sort", ["created_at", "-updated_at"])
def test_what_was_deleted_is_listed_where_asked_for(world: World, resource: Resource, sort: str) -> None:
    rows = one_of_each_type(world, "Ours")
    row, workspace, colleague = rows[resource.type], rows["workspace"], world.people(rows["workspace"])
    world.member(colleague, workspace)
    caller = READER if resource.type == "workspace" else person(colleague)
    within = f"&filter[workspace]={workspace.id}" if resource.driving else ""
    world.tombstone(row)
    for deleted, shown in (("exclude", False), ("include", True), ("only", True)):
        listed = get(f"{resource.route}?sort={sort}&filter[deleted]={deleted}&page[size]=500{within}", caller)
        if resource.type == "workspace":
            assert get(resource.route, person(colleague)).ids == []
        assert (row.id in listed.ids) is shown, deleted
    assert get(f"{resource.route}/{row.id}", caller).status == 404


# ---- links ---------------------------------------------------------------------------------------------------
@of_each
def test_what_a_parent_links_to_is_there(world: World, theirs: Tenant, resource: Resource) -> None:
    rows = one_of_each_type(world, "Ours")
    caller = person(rows["people"])
    world.member(theirs.owner, rows["workspace"])
    for include in ("", f"&include={','.join(resource.includes)}" if resource.includes else ""):
        page = get(f"{resource.route}?page[size]=100{include}", caller).document
        links = {*links_of(page)}
        assert f"{resource.route}/{rows[resource.type].id}" in links
        for link in links:
            assert get(link, caller).status == 200, link


def test_a_to_one_is_linked_where_the_row_proves_it_or_it_is_included(world: World, ours: Tenant) -> None:
    route = f"/v1/workspace-connectors/{ours.connector.id}"
    plain = get(route, ours.caller).data["relationships"]
    assert plain["workspace"]["links"] == {"related": f"/v1/workspaces/{ours.workspace.id}"}
    assert "links" not in plain["connector"]
    included = get(f"{route}?include=connector", ours.caller).data["relationships"]
    connector = included["connector"]["data"]["id"]
    assert included["connector"]["links"] == {"related": f"/v1/connectors/{connector}"}
    row = get("/v1/company-workspace-connectors?include=company", ours.caller).data[0]["relationships"]
    assert row["company"]["links"] == {"related": f"/v1/companies/{ours.record.id}"}
    assert row["workspace_connector"]["links"] == {"related": route}


def test_a_connector_of_a_workspace_outlives_its_connector_and_does_not_link_to_it(world: World, ours: Tenant) -> None:
    connector = world.connector("Gone")
    row = world.workspace_connector(ours.workspace, connector)
    world.tombstone(connector)
    for suffix in ("", "?include=connector"):
        reply = get(f"/v1/workspace-connectors/{row.id}{suffix}", ours.caller)
        assert reply.data["relationships"]["connector"] == {"data": {"type": "connector", "id": str(connector.id)}}
    assert row.id in get("/v1/workspace-connectors", ours.caller).ids


# ---- the workspaces of a group, in the order of their enrolment, to which the group's linkage leads ----------
@pytest.fixture
def group(world: World, ours: Tenant) -> Row:
    """A group of the caller's."""
    made = world.group()
    world.group_member(ours.owner, made)
    return made


@pytest.fixture
def enrolled(world: World, group: Row) -> Sequence[Row]:
    """Workspaces of the group in the order of their enrolment, which is not that of their making."""
    workspaces = [world.workspace() for _ in range(5)][::-1]
    for workspace in workspaces:
        world.enrol(group, workspace)
    return workspaces


def leaves(world: World, workspace: Row) -> None:
    left = "UPDATE core_api.workspace_group_workspaces SET deleted_at = now() WHERE workspace_pk = %s"
    world.database.owner.exec_driver_sql(left, (workspace.pk,))
    world.database.commit()


def of_group(group: Row | str, query: str = "") -> str:
    return f"{WORKSPACES}?filter[workspace_group]={group if isinstance(group, str) else group.id}{query}"


@pytest.mark.parametrize("size", [1, 2, 20])
def test_they_are_listed_as_they_were_enrolled(ours: Tenant, group: Row, enrolled: Sequence[Row], size: int) -> None:
    for caller in (ours.caller, READER):
        assert walked_both_ways(of_group(group), caller, size) == [str(row.id) for row in enrolled]


def test_each_is_shown_as_in_every_list_of_workspaces(ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    listed = {item["id"]: item for item in get(f"{WORKSPACES}?page[size]=500", ours.caller).data}
    for item in get(of_group(group), ours.caller).data:
        other = listed[item["id"]]
        assert {**item, "meta": None} == {**other, "meta": None}
    (named, *_) = get(of_group(group, "&fields[workspace]=name"), ours.caller).data
    assert named["attributes"].keys() == {"name"}


def test_a_group_links_to_them(ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    for path in (f"{GROUPS}/{group.id}", f"{GROUPS}/{group.id}?include=workspaces"):
        said = get(path, ours.caller).data["relationships"]["workspaces"]
        assert get(said["links"]["related"], ours.caller).ids == [row.id for row in enrolled]
        assert "next" not in said["links"]


def test_a_walk_goes_on_where_one_has_left(world: World, ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    page = get(of_group(group, "&page[size]=2"), ours.caller).document
    leaves(world, enrolled[1])
    assert walked_text(page["links"]["next"], ours.caller) == [str(each.id) for each in enrolled[2:]]


def test_one_enrolled_again_is_the_last(world: World, ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    leaves(world, enrolled[0])
    world.enrol(group, enrolled[0])
    assert get(of_group(group), ours.caller).ids == [row.id for row in (*enrolled[1:], enrolled[0])]


def test_they_are_counted_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, ours: Tenant, group: Row, enrolled: Sequence[Row]
) -> None:
    counted = of_group(group, "&page[total]=true&page[size]=1")
    assert get(counted, ours.caller).document["meta"] == {"page": {"total": len(enrolled)}}
    monkeypatch.setattr(reading, "MAX_TOTAL", 3)
    assert get(counted, ours.caller).document["meta"] == {"page": {"total": 3, "total_is_capped": True}}


@pytest.mark.usefixtures("enrolled")
def test_a_page_is_one_statement_that_reads_so_many_enrolments(
    untouched_database: Database, world: World, ours: Tenant, group: Row, statements: Statements
) -> None:
    database = untouched_database
    world.fill("core_api.workspaces", 3000, name="'Many'")
    # For one group alone, or at one time, an index of all groups would do as well.
    groups = [group.pk, *(world.group().pk for _ in range(20))]
    world.fill(
        "core_api.workspace_group_workspaces",
        f"core_api.workspaces, unnest(ARRAY{groups}::bigint[]) AS enrolling"
        f" WHERE name = 'Many' AND (enrolling = {group.pk} OR mod(pk, 10) = 0)",
        workspace_group_pk="enrolling",
        workspace_pk="pk",
        created_at="now() + pk * interval '1 second'",
    )
    world.analyze("core_api.workspace_group_workspaces", "core_api.workspaces")
    deep = get(of_group(group, "&page[size]=500"), READER).document["links"]["next"]
    for path in (of_group(group, "&page[size]=10"), deep.replace("%5Bsize%5D=500", "%5Bsize%5D=10")):
        assert sent_for(statements, path, READER)[0] == 1
        looked_at, reply = rows_read(database, path, READER, "core_api")
        assert len(reply.data) == 10
        assert looked_at < 150
