"""Timing: a foreign row takes the same work as an absent one. No clock is asked: Postgres says what it ran."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.reading.conftest import Tenant, tenant
from tests.support.databases import FreshDatabase
from tests.support.plans import asked, plan_of
from tests.support.world import World
from wellspring.access.many_workspaces import FEW

COMPANIES = "/v1/company-workspace-connectors"


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "company")


@pytest.fixture
def theirs(fresh_database: FreshDatabase, world: World) -> Tenant:
    made = tenant(world, "company")
    # The planner's choice for large tables.
    for _ in range(3):
        world.workspace()
    fresh_database.commit()
    return made


def nodes(plan: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return what ran of a plan, each as its kind, what it read, and which part of the statement it is."""
    if plan["Actual Loops"]:
        read = plan.get("Relation Name") or plan.get("CTE Name") or ""
        yield plan["Node Type"], read, plan.get("Subplan Name", "")
        for child in plan.get("Plans", []):
            yield from nodes(child)


def ran(database: FreshDatabase, url: str, caller: Tenant, status: int) -> list[list[tuple[str, str, str]]]:
    """Ask for `url`; return for each statement that was sent what Postgres ran for it."""
    reply, sent = asked(database, url, caller.caller)
    assert reply.status == status
    return [list(nodes(plan_of(database, each, caller.caller))) for each in sent]


@pytest.mark.parametrize(
    ("url", "status"),
    [("/v1/workspaces/{id}/providers", 404), (COMPANIES + "?filter[workspace]={id}", 403)],
)
@pytest.mark.parametrize("others", [0, FEW + 1], ids=["few", "many"])
def test_of_a_foreign_workspace_and_of_none_the_same_is_run(
    fresh_database: FreshDatabase, world: World, ours: Tenant, theirs: Tenant, url: str, status: int, others: int
) -> None:
    world.member_of_all(ours.member, world.workspaces(others))
    # The planner's choice for large tables.
    world.member_of_all(theirs.member, world.workspaces(500))
    fresh_database.owner.exec_driver_sql("ANALYZE core_api.workspace_memberships")
    fresh_database.commit()
    foreign, absent = (ran(fresh_database, url.format(id=id_), ours, status) for id_ in (theirs.workspace.id, uuid4()))
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


@pytest.mark.parametrize("url", ID_FILTERS)
@pytest.mark.parametrize("others", [0, FEW + 1], ids=["few", "many"])
def test_of_a_foreign_id_in_a_filter_and_of_none_the_same_is_run(
    fresh_database: FreshDatabase, world: World, ours: Tenant, theirs: Tenant, url: str, others: int
) -> None:
    world.member_of_all(ours.member, world.workspaces(others))
    # The planner's choice for large tables.
    world.member_of_all(theirs.member, world.workspaces(500))
    group = world.group(theirs.member)
    world.group_member(theirs.member, group)
    world.enrol(group, world.workspace())
    foreign = {
        "company": theirs.record,
        "workspace_connector": theirs.connector,
        "sync_message": world.message(theirs.connector, theirs.workspace),
        "workspace_group": group,
        "people": theirs.member,
    }
    own = {"ours": ours.record.id, "home": ours.workspace.id}
    fresh_database.owner.exec_driver_sql("ANALYZE")
    fresh_database.commit()
    there = {name: row.id for name, row in foreign.items()} | own
    absent = {name: uuid4() for name in foreign} | own
    # What a process asks once, such as the cursor keys, is asked before.
    explained(fresh_database, url.format(**absent), ours)
    told, not_told = (explained(fresh_database, url.format(**ids), ours) for ids in (there, absent))
    assert [list(nodes(plan)) for plan in told] == [list(nodes(plan)) for plan in not_told]
    # A row that is found is a page of its table, and no more.
    looked_at = [
        [each["Shared Hit Blocks"] + each["Shared Read Blocks"] for each in plans] for plans in (told, not_told)
    ]
    assert all(abs(one - other) <= 2 for one, other in zip(*looked_at, strict=True)), looked_at


def explained(database: FreshDatabase, url: str, caller: Tenant) -> list[dict[str, Any]]:
    """Ask for `url`, which finds nothing; return the plan of each statement that was sent."""
    reply, sent = asked(database, url, caller.caller)
    assert (reply.status, reply.document.get("data")) == (200, []), reply.body
    return [plan_of(database, each, caller.caller, "ANALYZE, BUFFERS") for each in sent]


def test_of_a_foreign_row_and_of_none_what_the_caller_sees_is_computed(
    fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant
) -> None:
    def tenancy(id_: UUID) -> set[str]:
        ((*found,),) = ran(fresh_database, f"{COMPANIES}/{id_}", ours, 404)
        return {read for _, read, _ in found} & {
            "workspace_memberships",
            "workspace_group_memberships",
            "workspace_groups",
        }

    assert tenancy(theirs.provenance.id) == tenancy(uuid4()) != set()
