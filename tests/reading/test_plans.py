"""A page costs what a page holds: the plan walks an index in order, however the planner misjudges a tenant.

The planner knows how many rows a connector has on average, and not that this tenant's has a hundred times as many.
Breadth: the cost of a row does not grow with how many workspaces its reader is a member of. And a page of many
connectors is read by what each brought last, and shows what it would without (ADR 0045).

No time is asserted: the number of ledger rows that Postgres touched is, or of pages that it looked at.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.support.api import READER, Caller, get, one_of_each_kind, person, walked
from tests.support.databases import FreshDatabase, engine_for
from tests.support.plans import Meter, asked, cheap, explain, plan_of
from tests.support.tenants import Tenant, tenant
from tests.support.transactions import enter
from tests.support.world import RecordType, Row, World
from wellspring.access.many_workspaces import FEW

COMPANIES = "/v1/company-workspace-connectors"
LEDGER = "company_workspace_connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
GIANT_ROWS = 30_000
CHOICES = "/v1/workspace-providers"
# Members of that many workspaces. `AT_MOST` are few, and the one above is the first of the many.
ONE, AT_MOST, HUNDREDS, THOUSANDS = 1, FEW, 200, 2_000
# To list the few, or to say that there are more, for the predicate and each policy; and to look one up by the group
# that opens it, for each row of a page and each of its two parents.
TO_LIST, OF_A_ROW = 16 * (FEW + 1), 40
# Of more the policies list none (revision 0003).
MOST = 2000
CONNECTORS, ROWS, MOMENTS = 30, 200, 15
WORKSPACES, OF_EACH, OF_A_PAGE, OF_ALL = 300, 3, 20, 64
# To list the workspaces, by the predicate and for the policies; to find a connector, and when it brought its last row.
OF_A_WORKSPACE, OF_A_CONNECTOR = 8, 5


@pytest.fixture(scope="module")
def giant(module_database: FreshDatabase) -> Tenant:
    """Make a tenant with a connector of 30,000 rows among 1,500 connectors of a single row, and let Postgres know."""
    world = World(module_database)
    ours = tenant(world, "company")
    records = world.companies(ours.workspace, 1000)
    times = [NOON + timedelta(seconds=number // 20) for number in range(GIANT_ROWS)]
    world.provenances([records[number % 1000] for number in range(GIANT_ROWS)], ours.connector, created_at=times)
    small = world.workspace()
    tool = "(SELECT min(pk) FROM core_api.connectors)"
    world.fill("core_api.workspace_connectors", 1500, workspace_pk=small.pk, connector_pk=tool)
    world.fill(
        f"core_api.{LEDGER}",
        f"core_api.workspace_connectors WHERE workspace_pk = {small.pk}",
        company_pk=ours.record.pk,
        workspace_connector_pk="pk",
        direction="'input'",
    )
    world.analyze("core_api.companies", "core_api.workspace_connectors", f"core_api.{LEDGER}")
    return ours


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_a_page_touches_what_it_shows_at_any_depth(module_database: FreshDatabase, giant: Tenant, sort: str) -> None:
    url = f"{COMPANIES}?sort={sort}"
    assert len(cheap(module_database, url, giant.caller, LEDGER)["data"]) == 20
    middle = quote((NOON + timedelta(seconds=GIANT_ROWS // 40)).isoformat())
    operator = "gte" if sort == "created_at" else "lte"
    cursor = get(f"{url}&filter[created_at][{operator}]={middle}", giant.caller).data[-1]["meta"]["page"]["cursor"]
    for parameter in ("page[after]", "page[before]"):
        document = cheap(module_database, f"{url}&{parameter}={cursor}", giant.caller, LEDGER)
        assert len(document["data"]) == 20
        assert document["links"]["prev"]
        assert document["links"]["next"]


def reads(plan: dict[str, Any]) -> int:
    """Return how many reads of the ledger a plan ran."""
    own = plan.get("Relation Name") == LEDGER and plan["Actual Loops"] > 0
    return own + sum(reads(child) for child in plan.get("Plans", []))


def test_a_page_looks_behind_its_cursor_where_that_row_has_gone(module_database: FreshDatabase, giant: Tenant) -> None:
    first = get(COMPANIES, giant.caller)
    after = first.document["links"]["next"]

    def read() -> tuple[list[UUID], int]:
        reply, sent = asked(module_database, after, giant.caller)
        assert reply.document["links"]["prev"]
        (page,) = (each for each in sent if "behind" in each[0])
        return reply.ids, reads(plan_of(module_database, page, giant.caller))

    ids, before = read()
    module_database.owner.exec_driver_sql(
        f"UPDATE core_api.{LEDGER} SET deleted_at = now() WHERE id = %s", (first.ids[-1],)
    )
    module_database.commit()
    assert read() == (ids, before + 1)


def test_a_row_is_found_by_its_id(module_database: FreshDatabase, giant: Tenant) -> None:
    rows, _ = explain(module_database, f"{COMPANIES}/{giant.provenance.id}", giant.caller, LEDGER)
    assert rows == 1


def member_of(world: World, home: Row, workspaces: list[int]) -> Caller:
    somebody = world.people(home)
    world.member(somebody, home)
    world.member_of_all(somebody, workspaces)
    world.database.commit()
    return person(somebody)


@dataclass(frozen=True)
class Breadth:
    """One tenant, and its members of ever more other workspaces, by their number; those of a group's, too.

    They ask for `asked`, with as many rows, and a service for `of_all`: of the tenant, and of a provider that all
    workspaces have chosen.
    """

    meter: Meter
    asked: dict[str, int]
    members: dict[int | str, Caller]
    of_all: tuple[str, str]


@pytest.fixture(scope="module")
def breadth(module_database: FreshDatabase) -> Breadth:
    world = World(module_database)
    workspace = world.workspace()
    connector, company = world.workspace_connector(workspace), world.company(workspace)
    row, *_ = world.provenances([company] * 30, connector)
    provider = world.provider("chosen")
    world.choose(workspace, provider, is_matched=True)
    others = world.workspaces(THOUSANDS - 1)
    members: dict[int | str, Caller] = {
        number: member_of(world, workspace, others[: number - 1]) for number in (ONE, AT_MOST, HUNDREDS, THOUSANDS)
    }
    group, member = world.group(), world.people(workspace)
    world.group_member(member, group)
    world.enrol(group, workspace)
    members["of a group"] = person(member)
    others_too = f"core_api.workspaces WHERE pk <> {workspace.pk}"
    world.fill("core_api.workspace_group_workspaces", others_too, workspace_group_pk=group.pk, workspace_pk="pk")
    choice = {"provider_pk": provider.pk, "is_matched": "true"}
    world.fill("core_api.workspace_providers", others_too, workspace_pk="pk", **choice)
    world.analyze()
    asked = {
        f"{COMPANIES}/{row.id}": 1,
        f"/v1/companies/{company.id}": 1,
        f"/v1/workspaces/{workspace.id}": 1,
        f"{COMPANIES}?filter[workspace_connector]={connector.id}": 20,
        f"{COMPANIES}?filter[company]={company.id}": 20,
        f"{COMPANIES}?filter[workspace]={workspace.id}": 20,
        f"/v1/workspaces/{workspace.id}/providers": 1,
        f"/v1/companies?filter[workspace]={workspace.id}": 1,
    }
    of_all = (f"{CHOICES}?filter[workspace]={workspace.id}", f"{CHOICES}?filter[provider]={provider.id}")
    return Breadth(Meter(module_database), asked, members, of_all)


def test_what_is_asked_for_costs_the_same_whatever_else_is_seen(breadth: Breadth) -> None:
    for url, rows in breadth.asked.items():
        cost = {number: breadth.meter.cost(url, caller, again=True) for number, caller in breadth.members.items()}
        most = cost[ONE] + TO_LIST + OF_A_ROW * rows
        assert cost == {number: found for number, found in cost.items() if found <= most}, url
        # Ten times as many are no more; an index may be a page deeper.
        assert cost[THOUSANDS] <= 1.1 * cost[HUNDREDS] + 10, url


def test_a_services_filter_of_a_provider_is_read_by_the_provider(breadth: Breadth) -> None:
    """All workspaces have chosen it: their rows are walked in the order of the list, until a page is full."""
    plain, wide = (breadth.meter.cost(url, READER, again=True) for url in breadth.of_all)
    assert wide <= plain + 20 * OF_A_ROW


@pytest.mark.parametrize("besides", [0, FEW, MOST], ids=["few", "many", "too many to be listed"])
@pytest.mark.parametrize("type_", one_of_each_kind(["company", "account", "people"]))
def test_its_rows_are_those_of_the_whole_list(fresh_database: FreshDatabase, type_: RecordType, besides: int) -> None:
    """Where the newest rows of most connectors are not shown, too: of a record that has gone, and not yet its rows."""
    world = World(fresh_database)
    chance = random.Random(f"{type_} {besides}")
    home = world.workspace()
    caller = member_of(world, home, world.workspaces(besides))
    connectors = [world.workspace_connector(home) for _ in range(CONNECTORS)]
    shown, hidden = world.record(type_, home), world.record(type_, home)
    stranger = world.workspace()
    world.provenance(world.record(type_, stranger), world.workspace_connector(stranger))
    made: dict[datetime, list[Row]] = {}
    for number in sorted(chance.randrange(MOMENTS) for _ in range(ROWS)):
        at, connector = NOON + timedelta(minutes=number), chance.choice(connectors)
        # What came last is hidden, of all but some connectors; of some all is.
        is_hidden = connector in connectors[-8:] or (number > MOMENTS // 2 and connector not in connectors[:4])
        row = world.provenance(hidden if is_hidden else shown, connector, created_at=at)
        if not is_hidden:
            made.setdefault(at, []).append(row)
    expected = [row.id for at in sorted(made, reverse=True) for row in sorted(made[at], key=lambda row: -row.pk)]
    world.tombstone(hidden)
    for size in (3, 11, 50):
        assert walked(f"/v1/{type_}-workspace-connectors?page[size]={size}", caller) == expected, size


def test_a_page_of_hundreds_of_workspaces_looks_up_one_head_a_connector(fresh_database: FreshDatabase) -> None:
    world = World(fresh_database)
    home = world.workspace()
    others = world.workspaces(WORKSPACES)
    world.connector()
    world.fill(
        "core_api.workspace_connectors",
        f"unnest(ARRAY{[home.pk, *others]}) AS workspace, generate_series(1, {OF_EACH})",
        workspace_pk="workspace",
        connector_pk="(SELECT min(pk) FROM core_api.connectors)",
    )
    world.fill("core_api.companies", "core_api.workspaces", name="'Its'", workspace_pk="pk")
    world.fill(
        "core_api.company_workspace_connectors",
        "core_api.workspace_connectors AS connector JOIN core_api.companies AS company USING (workspace_pk),"
        " generate_series(1, 40) AS turn ORDER BY turn, connector.pk",
        company_pk="company.pk",
        workspace_connector_pk="connector.pk",
        direction="'input'",
        created_at="timestamptz '2026-01-01Z' + turn * interval '1 hour'",
    )
    alone, wide = member_of(world, home, []), member_of(world, home, others)
    engine = engine_for(fresh_database.url)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as apart:
        apart.exec_driver_sql("VACUUM (ANALYZE)")
    engine.dispose()
    meter = Meter(fresh_database)
    most = meter.cost(COMPANIES, alone, again=True)
    more = OF_A_WORKSPACE * WORKSPACES + OF_A_CONNECTOR * OF_EACH * WORKSPACES
    onwards = get(COMPANIES, wide).document["links"]["next"]
    assert meter.cost(COMPANIES, wide, again=True) <= most + more
    assert meter.cost(onwards, wide, again=True) <= 3 * most + more


def test_a_page_of_many_connectors_reads_little_more_than_the_page(fresh_database: FreshDatabase) -> None:
    """Each has brought a page's worth at a time of its own: of the others' rows none is as new as that of the third."""
    world = World(fresh_database)
    home = world.workspace()
    records = world.companies(home, OF_A_PAGE)
    for number in range(CONNECTORS):
        at = NOON + timedelta(minutes=number)
        world.provenances(records, world.workspace_connector(home), created_at=[at] * OF_A_PAGE)
    caller = member_of(world, home, [])
    world.analyze()
    # 231 rows would be read otherwise, and looked at 1,731 pages for; it is 941.
    assert Meter(fresh_database).cost(COMPANIES, caller, again=True) <= 1300
    assert len(walked(COMPANIES, caller)) == CONNECTORS * OF_A_PAGE


def test_of_connectors_that_are_not_told_of_no_row_is_as_new_as_is_said(fresh_database: FreshDatabase) -> None:
    world = World(fresh_database)
    home = world.workspace()
    company = world.company(home)
    times = {}
    for number in range(OF_ALL):
        connector = world.workspace_connector(home)
        # Their last rows are in no order of theirs.
        times[connector.pk] = NOON + timedelta(minutes=number * 37 % OF_ALL)
        world.provenances([company] * 2, connector, created_at=[NOON - timedelta(days=1), times[connector.pk]])
    scope = member_of(world, home, []).scope
    wanted = text("SELECT * FROM wellspring.newest_of_company_workspace_connectors(1, :before, 0)")
    for before in (NOON + timedelta(days=1), NOON + timedelta(minutes=OF_ALL // 2)):
        with fresh_database.engine("wellspring_reader").connect() as session:
            enter(session, scope)
            told = session.execute(wanted, {"before": before}).all()
        (since,) = (row.newest_at for row in told if row.connector_pk is None)
        newest = {row.connector_pk: row.newest_at for row in told if row.connector_pk is not None}
        assert newest == {pk: at for pk, at in times.items() if since <= at < before}
        assert 1 <= len(newest) < OF_ALL // 2
