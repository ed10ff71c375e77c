"""Timing: a foreign row takes the same work as an absent one. No clock is asked: Postgres says what it ran."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.api import Caller, person
from tests.support.databases import FreshDatabase
from tests.support.plans import asked, plan_of
from tests.support.tenants import Tenant, tenant
from tests.support.world import World
from wellspring.access.many_workspaces import FEW

COMPANIES = "/v1/company-workspace-connectors"


@dataclass(frozen=True)
class Scene:
    """A tenant, members of it who see few and many workspaces, and the ids of a foreign one."""

    database: FreshDatabase
    ours: Tenant
    callers: Mapping[str, Caller]
    foreign: Mapping[str, UUID]

    def plans(self, url: str, who: str, status: int, options: str = "ANALYZE") -> list[dict[str, Any]]:
        """Ask for `url`; return the plan of each statement that was sent."""
        caller = self.callers[who]
        reply, sent = asked(self.database, url, caller)
        assert reply.status == status, reply.body
        assert status != 200 or reply.document["data"] == []
        return [plan_of(self.database, each, caller, options) for each in sent]


@pytest.fixture(scope="module")
def scene(module_database: FreshDatabase) -> Scene:
    world = World(module_database)
    ours, theirs = tenant(world, "company"), tenant(world, "company")
    many = world.people(ours.workspace)
    world.member(many, ours.workspace)
    world.member_of_all(many, world.workspaces(FEW + 1))
    # The planner's choice for large tables.
    world.member_of_all(theirs.owner, world.workspaces(500))
    group = world.group(theirs.owner)
    world.group_member(theirs.owner, group)
    world.enrol(group, world.workspace())
    foreign = {
        "workspace": theirs.workspace,
        "company": theirs.record,
        "workspace_connector": theirs.connector,
        "sync_message": world.message(theirs.connector, theirs.workspace),
        "workspace_group": group,
        "people": theirs.owner,
        "row": theirs.provenance,
    }
    module_database.owner.exec_driver_sql("ANALYZE")
    module_database.commit()
    callers = {"few": ours.caller, "many": person(many)}
    return Scene(module_database, ours, callers, {name: row.id for name, row in foreign.items()})


def nodes(plan: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return what ran of a plan, each as its kind, what it read, and which part of the statement it is."""
    if plan["Actual Loops"]:
        read = plan.get("Relation Name") or plan.get("CTE Name") or ""
        yield plan["Node Type"], read, plan.get("Subplan Name", "")
        for child in plan.get("Plans", []):
            yield from nodes(child)


@pytest.mark.parametrize("who", ["few", "many"])
@pytest.mark.parametrize(
    ("url", "status"), [("/v1/workspaces/{}/providers", 404), (COMPANIES + "?filter[workspace]={}", 403)]
)
def test_of_a_foreign_workspace_and_of_none_the_same_is_run(scene: Scene, url: str, status: int, who: str) -> None:
    foreign, absent = (
        [list(nodes(plan)) for plan in scene.plans(url.format(id_), who, status)]
        for id_ in (scene.foreign["workspace"], uuid4())
    )
    assert foreign == absent
    assert any(read == "workspace_memberships" for _, read, _ in foreign[0])


ID_FILTERS = [
    f"{COMPANIES}?filter[company]={{company}}",
    f"{COMPANIES}?filter[workspace_connector]={{workspace_connector}}",
    f"{COMPANIES}?filter[sync_message]={{sync_message}}",
    f"{COMPANIES}?filter[deleted]=include&filter[workspace_connector]={{workspace_connector}}",
    "/v1/workspace-group-workspaces?filter[workspace_group]={workspace_group}",
    "/v1/workspace-group-memberships?filter[workspace_group]={workspace_group}",
    "/v1/workspaces?filter[workspace_group]={workspace_group}",
    "/v1/sync-messages?filter[workspace_connector]={workspace_connector}",
    "/v1/companies?filter[sole_source]={workspace_connector}",
    "/v1/connector-activity?filter[workspace_connector]={workspace_connector}",
    "/v1/connector-activity?filter[workspace_connector]={workspace_connector}&sum[by]=connector",
    "/v1/workspace-memberships?filter[people]={people}",
    f"{COMPANIES}?filter[company]={{ours}}&filter[workspace_connector]={{workspace_connector}}",
    "/v1/workspace-group-workspaces?filter[workspace]={home}&filter[workspace_group]={workspace_group}",
]


@pytest.mark.parametrize("who", ["few", "many"])
@pytest.mark.parametrize("url", ID_FILTERS)
def test_of_a_foreign_id_in_a_filter_and_of_none_the_same_is_run(scene: Scene, url: str, who: str) -> None:
    own = {"ours": scene.ours.record.id, "home": scene.ours.workspace.id}
    absent = {name: uuid4() for name in scene.foreign} | own
    # What a process asks once, such as the cursor keys, is asked before.
    scene.plans(url.format(**absent), who, 200)
    told, not_told = (
        scene.plans(url.format(**ids), who, 200, "ANALYZE, BUFFERS") for ids in ({**scene.foreign, **own}, absent)
    )
    assert [list(nodes(plan)) for plan in told] == [list(nodes(plan)) for plan in not_told]
    # A row that is found is a page of its table, and no more.
    looked_at = [
        [each["Shared Hit Blocks"] + each["Shared Read Blocks"] for each in plans] for plans in (told, not_told)
    ]
    assert all(abs(one - other) <= 2 for one, other in zip(*looked_at, strict=True)), looked_at


def test_of_a_foreign_row_and_of_none_what_the_caller_sees_is_computed(scene: Scene) -> None:
    def tenancy(id_: UUID) -> set[str]:
        (plan,) = scene.plans(f"{COMPANIES}/{id_}", "few", 404)
        tables = {"workspace_memberships", "workspace_group_memberships", "workspace_groups"}
        return {read for _, read, _ in nodes(plan)} & tables

    assert tenancy(scene.foreign["row"]) == tenancy(uuid4()) != set()
