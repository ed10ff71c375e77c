"""Lists of all workspaces, for services: what one connector, person or maker has, and who is called so."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from tests.reading.test_plans import ENOUGH
from tests.support.api import READER, Caller, get, person
from tests.support.databases import FreshDatabase
from tests.support.plans import explain
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from wellspring.queries import Operator, Sort
from wellspring.repositories.ledger.per_parent import PerParentMerge
from wellspring.repositories.ledger.shapes import Shape
from wellspring.resources import ACCOUNT, COMPANY, PEOPLE, Resource, resource_of, resources

OF_ONE = [
    (resource, found) for resource in resources() for found in resource.to_one if found.drives == "one_by_service"
]
ONES = {resource.type: found.name for resource, found in OF_ONE}
# Their dead rows are found, too: of whom somebody was a member is asked.
WITH_DEAD = {"workspace_membership", "workspace_group_membership"}
of_one = pytest.mark.parametrize("type_", ONES)
MANY = 3000


@dataclass(frozen=True)
class Asked:
    """Rows of one parent in two tenants, and others between them.

    Attributes:
        route: of their list.
        parent: whose they are.
        ours: one that a person of the first tenant sees.
        theirs: one that they do not see.
        caller: that person.
    """

    route: str
    parent: Row
    ours: Row
    theirs: Row
    caller: Caller

    def url(self, name: str, more: str = "") -> str:
        return f"{self.route}?filter[{name}]={self.parent.id}{more}"


def made(world: World, ours: Tenant, theirs: Tenant, type_: str) -> Asked:
    """Make a row of one parent in each tenant, behind one of another."""
    own, foreign = world.group(), world.group()
    world.group_member(ours.owner, own)
    world.group_member(theirs.owner, foreign)
    # Of neither tenant.
    someone, other = (world.people(world.workspace()) for _ in range(2))
    tool, another = world.connector("Broken"), world.connector("Whole")
    makers: dict[str, tuple[Row, Row, Callable[[Row, Tenant, Row], Row]]] = {
        "workspace_connector": (tool, another, lambda of, tenant, _: world.workspace_connector(tenant.workspace, of)),
        "workspace_membership": (someone, other, lambda of, tenant, _: world.member(of, tenant.workspace)),
        "workspace_group_membership": (someone, other, lambda of, _, group: world.group_member(of, group)),
        "workspace_group_workspace": (
            someone,
            other,
            lambda of, tenant, group: world.enrol(group, tenant.workspace, of),
        ),
    }
    parent, unasked, make = makers[type_]
    rows = [make(parent, tenant, group) for tenant, group in ((ours, own), (theirs, foreign))]
    if type_ != "workspace_group_workspace":
        make(unasked, ours, own)
    else:
        world.enrol(world.group(), ours.workspace, unasked)
    return Asked(resource_of(type_).route, parent, rows[0], rows[1], ours.caller)


@of_one
def test_a_service_is_told_what_one_has_in_all_workspaces_the_newest_first(
    world: World, ours: Tenant, theirs: Tenant, type_: str
) -> None:
    rows, name = made(world, ours, theirs, type_), ONES[type_]
    newest_first = [rows.theirs.id, rows.ours.id]
    assert get(rows.url(name), READER).ids == newest_first
    assert get(rows.url(name, "&sort=created_at"), READER).ids == newest_first[::-1]
    first = get(rows.url(name, "&page[size]=1&page[total]=true"), READER)
    assert (first.ids, first.document["meta"]["page"]["total"]) == (newest_first[:1], 2)
    second = get(first.document["links"]["next"], READER)
    assert (second.ids, second.document["links"]["next"]) == (newest_first[1:], None)
    assert get(second.document["links"]["prev"], READER).ids == newest_first[:1]
    linked = first.data[0]["relationships"][name]["data"]
    assert linked == {"type": resource_of(type_).relationship(name).target, "id": str(rows.parent.id)}  # type: ignore[union-attr]
    assert get(f"{rows.route}?filter[{name}]={ours.workspace.id}", READER).ids == []


@of_one
def test_a_person_is_told_by_it_of_their_own_alone(world: World, ours: Tenant, theirs: Tenant, type_: str) -> None:
    rows, name = made(world, ours, theirs, type_), ONES[type_]
    for more in ("", "&sort=-updated_at", "&filter[deleted]=include", "&page[size]=500"):
        assert get(rows.url(name, more), rows.caller).ids == [rows.ours.id], more
    counted = get(rows.url(name, "&page[total]=true"), rows.caller)
    assert counted.document["meta"]["page"]["total"] == 1
    stranger = world.people(world.workspace())
    assert get(rows.url(name), person(stranger)).ids == []


@of_one
def test_beside_a_workspace_or_a_group_it_narrows_in_every_order(
    world: World, ours: Tenant, theirs: Tenant, type_: str
) -> None:
    rows, name = made(world, ours, theirs, type_), ONES[type_]
    within = f"&filter[workspace]={ours.workspace.id}"
    if type_ == "workspace_group_membership":
        group = get(f"{rows.route}/{rows.ours.id}", READER).data["relationships"]["workspace_group"]["data"]["id"]
        within = f"&filter[workspace_group]={group}"
    for more in ("", "&sort=-updated_at", "&filter[deleted]=include"):
        assert get(rows.url(name, f"{within}{more}"), READER).ids == [rows.ours.id], more
    both = f"{rows.route}?filter[{name}]={rows.parent.id},{world.workspace().id}{within}"
    assert get(both, READER).ids == [rows.ours.id]


@of_one
def test_of_all_workspaces_other_orders_lists_and_filters_are_refused_with_what_there_is_instead(
    world: World, ours: Tenant, theirs: Tenant, type_: str
) -> None:
    rows, name = made(world, ours, theirs, type_), ONES[type_]
    refused = {
        "&sort=updated_at": "sort",
        "&sort=-deleted_at&filter[deleted]=only": "sort",
        f",{world.workspace().id}": f"filter[{name}]",
    }
    if type_ not in WITH_DEAD:
        refused |= {f"&filter[deleted]={half}": "filter[deleted]" for half in ("include", "only")}
    if type_ == "workspace_connector":
        refused["&filter[status]=broken"] = "filter[status]"
    for more, parameter in refused.items():
        reply = get(rows.url(name, more), READER)
        assert (reply.status, reply.sources) == (400, [{"parameter": parameter}]), more
    # The same id twice is one.
    assert get(rows.url(name, f",{rows.parent.id}"), READER).ids == [rows.theirs.id, rows.ours.id]


@pytest.mark.parametrize("type_", sorted(WITH_DEAD))
def test_of_whom_somebody_was_a_member_is_told_too(world: World, ours: Tenant, theirs: Tenant, type_: str) -> None:
    rows = made(world, ours, theirs, type_)
    world.tombstone(rows.theirs)
    for half, found in (
        ("exclude", [rows.ours.id]),
        ("include", [rows.theirs.id, rows.ours.id]),
        ("only", [rows.theirs.id]),
    ):
        assert get(rows.url("people", f"&filter[deleted]={half}"), READER).ids == found, half


@of_one
def test_who_has_them_may_be_gone(world: World, ours: Tenant, theirs: Tenant, type_: str) -> None:
    """What guards no row finds it, live or not: as it does within a workspace."""
    rows, name = made(world, ours, theirs, type_), ONES[type_]
    world.tombstone(rows.parent)
    assert get(rows.url(name), READER).ids == [rows.theirs.id, rows.ours.id]


@pytest.mark.parametrize("type_", ["workspace_connector", "workspace_membership", "workspace_group_workspace"])
def test_what_is_of_a_workspace_that_is_gone_is_not_told(
    world: World, ours: Tenant, theirs: Tenant, type_: str
) -> None:
    rows, name = made(world, ours, theirs, type_), ONES[type_]
    world.tombstone(theirs.workspace)
    assert get(rows.url(name), READER).ids == [rows.ours.id]


def test_a_membership_of_the_own_workspace_of_somebody_is_not_told_once_that_is_gone(
    world: World, ours: Tenant
) -> None:
    """The workspace of who leads to a row is not known to be seen."""
    url = f"/v1/workspace-memberships?filter[people]={ours.owner.id}&filter[deleted]=include"
    assert len(get(url, READER).ids) == 1
    world.tombstone(ours.workspace)
    assert get(url, READER).ids == []


def test_who_leads_to_rows_of_all_workspaces_guards_none_of_them() -> None:
    """Nobody asks whether it is live, nor who sees it."""
    assert ONES == {
        "workspace_connector": "connector",
        "workspace_membership": "people",
        "workspace_group_membership": "people",
        "workspace_group_workspace": "created_by",
    }
    assert not [found for _, found in OF_ONE if found.required and found.guards]


@pytest.mark.parametrize("resource", [found for found in resources() if found.driving], ids=lambda found: found.type)
def test_what_a_service_is_advised_to_ask_for_is_there(world: World, resource: Resource) -> None:
    one, other = world.workspace().id, world.workspace().id
    queries = [f"filter[{found.name}]={one},{other}" for found in resource.to_one if found.is_filter]
    if resource.has_tombstones:
        orders = ("sort=-updated_at", "filter[deleted]=only")
        queries += [*orders, *(f"filter[{name}]={one}&{order}" for name in resource.driving for order in orders)]
    for query in queries:
        reply = get(f"{resource.route}?{query}", READER)
        if reply.status == 200:
            continue
        advised = reply.error["detail"].rpartition("with one of ")[2].rstrip(".").split(", ")
        for name in advised:
            of = world.workspace() if name == "filter[workspace]" else world.people(world.workspace())
            also = get(f"{resource.route}?{query}&{name}={of.id}", READER)
            assert also.status == 200, (query, name, also.body)


@of_one
@pytest.mark.parametrize("is_person", [True, False])
def test_a_persons_page_is_never_read_by_what_is_of_all_tenants(type_: str, *, is_person: bool) -> None:
    """Theirs would lie behind the rows of others, and time would tell how many."""
    conditions: tuple[tuple[str, Operator], ...] = ((ONES[type_], "in"),)
    shape = Shape(
        resource_of(type_),
        is_person,
        conditions,
        None,
        "exclude",
        claimed=False,
        sort=Sort(),
        cursor=False,
        backward=False,
    )
    assert (PerParentMerge(shape).leading.name == ONES[type_]) is not is_person


# ---- names -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("resource", [COMPANY, PEOPLE, ACCOUNT], ids=lambda found: found.type)
def test_a_service_finds_a_name_in_all_workspaces_and_a_person_in_theirs(
    world: World, ours: Tenant, theirs: Tenant, resource: Resource
) -> None:
    assert resource.named is not None
    rows = {
        name: world.record(resource.type, tenant.workspace, **{resource.named.name: name})
        for tenant, name in ((ours, "Zénith B"), (theirs, "zénith a"), (ours, "Zebra"))
    }
    for query, found in (
        (f"filter[name][starts]={quote('zéni')}", ["zénith a", "Zénith B"]),
        (f"filter[name][starts]={quote('zéni')}&sort=-name", ["Zénith B", "zénith a"]),
        (f"filter[name]={quote('zénith a')}", ["zénith a"]),
    ):
        assert get(f"{resource.route}?{query}", READER).ids == [rows[name].id for name in found], query
        own = [rows[name].id for name in found if name != "zénith a"]
        assert get(f"{resource.route}?{query}", ours.caller).ids == own, query


# ---- what it costs ---------------------------------------------------------------------------------------------
BULK = {
    "workspace_connector": ("workspace_connectors (connector_pk, workspace_pk)", "{of}, {workspace}"),
    "workspace_membership": (
        "workspace_memberships (people_pk, role, status, workspace_pk)",
        "{of}, 'guest', 'active', {workspace}",
    ),
    "workspace_group_membership": (
        "workspace_group_memberships (people_pk, role, status, workspace_group_pk)",
        "{of}, 'guest', 'active', {group}",
    ),
    "workspace_group_workspace": (
        "workspace_group_workspaces (created_by_pk, workspace_group_pk, workspace_pk)",
        "{of}, {group}, {workspace}",
    ),
}


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["before ANALYZE", "after it"])
@of_one
def test_it_costs_what_it_shows_whoever_else_has_rows(
    fresh_database: FreshDatabase, world: World, ours: Tenant, type_: str, *, is_analyzed: bool
) -> None:
    """Before thousands of another's, and among thousands of its own, and of its own dead ones, which are the newest."""
    name = ONES[type_]
    table, values = BULK[type_]
    one = world.connector() if name == "connector" else ours.owner
    other = world.connector() if name == "connector" else world.people(ours.workspace)
    rare = world.connector() if name == "connector" else world.people(ours.workspace)
    made_before: Callable[[str, str, str], str] = lambda of, at, gone: (  # noqa: E731  named where it is used
        f"INSERT INTO core_api.{table.replace(')', ', created_at, deleted_at)')}"
        f" SELECT {values.format(of=of, workspace='w.pk', group='g.pk')}, {at}, {gone} FROM"
        " (SELECT pk, row_number() OVER (ORDER BY pk) AS n FROM core_api.workspaces WHERE name = 'Another') AS w"
        " JOIN (SELECT pk, row_number() OVER (ORDER BY pk) AS n FROM core_api.workspace_groups WHERE name = 'Many')"
        " AS g USING (n)"
    )
    owner = fresh_database.owner
    world.workspaces(MANY)
    owner.exec_driver_sql("INSERT INTO core_api.workspace_groups (name) SELECT 'Many' FROM generate_series(1, 3000)")
    owner.exec_driver_sql(made_before(str(one.pk), "now() - w.n * interval '1 s'", "NULL"))
    if type_ != "workspace_group_workspace":
        owner.exec_driver_sql(made_before(str(other.pk), "now() + w.n * interval '1 s'", "NULL"))
    owner.exec_driver_sql(made_before(str(one.pk), "now() + w.n * interval '1 s'", "now() + interval '1 day'"))
    last = f"SELECT {values.format(of=rare.pk, workspace='w.pk', group='g.pk')}, now() - interval '1 day', NULL"
    owner.exec_driver_sql(
        f"INSERT INTO core_api.{table.replace(')', ', created_at, deleted_at)')} {last}"
        f" FROM core_api.workspaces AS w, core_api.workspace_groups AS g WHERE w.pk = {ours.workspace.pk} LIMIT 1"
    )
    owner.commit()
    if is_analyzed:
        world.analyze()
    resource = resource_of(type_)
    for parent, count in ((one, 20), (rare, 1)):
        rows, document = explain(fresh_database, f"{resource.route}?filter[{name}]={parent.id}", READER, resource.table)
        assert len(document["data"]) >= count
        assert rows < ENOUGH
        if document["links"]["next"]:
            deep, _ = explain(fresh_database, document["links"]["next"], READER, resource.table)
            assert deep < ENOUGH


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["before ANALYZE", "after it"])
@pytest.mark.parametrize("resource", [COMPANY, PEOPLE, ACCOUNT], ids=lambda found: found.type)
def test_a_name_in_all_workspaces_is_found_by_an_index(
    fresh_database: FreshDatabase, world: World, ours: Tenant, resource: Resource, *, is_analyzed: bool
) -> None:
    assert resource.named is not None
    for _ in range(3):
        world.records(resource.type, world.workspace(), MANY)
    world.record(resource.type, ours.workspace, **{resource.named.name: "Zénith"})
    fresh_database.commit()
    if is_analyzed:
        world.analyze()
    for query, shown in (
        (f"filter[name][starts]={quote('zén')}", 1),
        (f"filter[name]={quote('Zénith')}", 1),
        ("sort=name", 20),
    ):
        rows, document = explain(fresh_database, f"{resource.route}?{query}", READER, resource.table)
        assert len(document["data"]) == shown
        assert rows < ENOUGH, query
