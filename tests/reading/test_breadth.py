"""Breadth: the cost of a row does not grow with how many workspaces its reader is a member of."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support.api import READER, Caller, person
from tests.support.databases import FreshDatabase
from tests.support.plans import Meter
from tests.support.world import Row, World
from wellspring.access.many_workspaces import FEW

COMPANIES = "/v1/company-workspace-connectors"
CHOICES = "/v1/workspace-providers"
# Members of that many workspaces. `AT_MOST` are few, and the one above is the first of the many.
ONE, AT_MOST, HUNDREDS, THOUSANDS = 1, FEW, 200, 2_000
# To list the few, or to say that there are more, for the predicate and each policy; and to look one up by the group
# that opens it, for each row of a page and each of its two parents.
TO_LIST, OF_A_ROW = 16 * (FEW + 1), 40


@dataclass(frozen=True)
class Breadth:
    """One tenant, and its members of ever more other workspaces.

    Attributes:
        meter: of what they ask.
        workspace: the tenant.
        company: of it.
        connector: of it, which has brought the company in many times.
        row: one of its rows.
        provider: one that all workspaces have chosen.
        members: by the number of their workspaces; those of a group's, too.
    """

    meter: Meter
    workspace: Row
    company: Row
    connector: Row
    row: Row
    provider: Row
    members: dict[int | str, Caller]


@pytest.fixture(scope="module")
def breadth(module_database: FreshDatabase) -> Breadth:
    database = module_database
    world = World(database)
    workspace = world.workspace()
    connector, company = world.workspace_connector(workspace), world.company(workspace)
    rows = world.provenances([company] * 30, connector)
    provider = world.provider("chosen")
    world.choose(workspace, provider, is_matched=True)
    members: dict[int | str, Caller] = {}
    others = world.workspaces(THOUSANDS - 1)
    for number in (ONE, AT_MOST, HUNDREDS, THOUSANDS):
        member = world.people(workspace)
        world.member(member, workspace)
        world.member_of_all(member, others[: number - 1])
        members[number] = person(member)
    group, member = world.group(), world.people(workspace)
    world.group_member(member, group)
    world.enrol(group, workspace)
    members["of a group"] = person(member)
    others_too = f"core_api.workspaces WHERE pk <> {workspace.pk}"
    world.fill("core_api.workspace_group_workspaces", others_too, workspace_group_pk=group.pk, workspace_pk="pk")
    world.fill(
        "core_api.workspace_providers", others_too, provider_pk=provider.pk, workspace_pk="pk", is_matched="true"
    )
    world.analyze()
    return Breadth(Meter(database), workspace, company, connector, rows[0], provider, members)


ASKED: dict[str, tuple[int, Callable[[Breadth], str]]] = {
    "a row": (1, lambda made: f"{COMPANIES}/{made.row.id}"),
    "a company": (1, lambda made: f"/v1/companies/{made.company.id}"),
    "a workspace": (1, lambda made: f"/v1/workspaces/{made.workspace.id}"),
    "rows of a connector": (20, lambda made: f"{COMPANIES}?filter[workspace_connector]={made.connector.id}"),
    "rows of a record": (20, lambda made: f"{COMPANIES}?filter[company]={made.company.id}"),
    "rows of a workspace": (20, lambda made: f"{COMPANIES}?filter[workspace]={made.workspace.id}"),
    "choices of a workspace": (1, lambda made: f"/v1/workspaces/{made.workspace.id}/providers"),
    "companies of a workspace": (1, lambda made: f"/v1/companies?filter[workspace]={made.workspace.id}"),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_is_asked_for_costs_the_same_whatever_else_is_seen(breadth: Breadth, what: str) -> None:
    rows, url = ASKED[what]
    cost = {number: breadth.meter.cost(url(breadth), caller, again=True) for number, caller in breadth.members.items()}
    most = cost[ONE] + TO_LIST + OF_A_ROW * rows
    assert cost == {number: found for number, found in cost.items() if found <= most}
    # Ten times as many are no more; an index may be a page deeper.
    assert cost[THOUSANDS] <= 1.1 * cost[HUNDREDS] + 10


def test_a_services_filter_of_a_provider_is_read_by_the_provider(breadth: Breadth) -> None:
    """All workspaces have chosen it: their rows are walked in the order of the list, until a page is full."""
    plain = breadth.meter.cost(f"{CHOICES}?filter[workspace]={breadth.workspace.id}", READER, again=True)
    wide = breadth.meter.cost(f"{CHOICES}?filter[provider]={breadth.provider.id}", READER, again=True)
    assert wide <= plain + 20 * OF_A_ROW
