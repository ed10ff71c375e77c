"""Lists of all workspaces, for services: what one connector, person or maker has, who is called so, and health.

`GET /v1/fleet` says how well all connectors are, what is parked and what is incomplete, as it was counted last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import update

from maintenance.settle import handler as settle
from tests.support.api import READER, Caller, Context, get, person
from tests.support.databases import AnyDatabase, Database, FreshDatabase, Statements
from tests.support.plans import cheap, sent_for
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Deadline, in_transaction
from wellspring.models import table_of
from wellspring.models.messages import fleet as fleet_table
from wellspring.queries import Operator, Sort
from wellspring.repositories import fleet
from wellspring.repositories.fleet import MOST_TOOLS
from wellspring.repositories.ledger.building import Shape
from wellspring.repositories.ledger.per_parent import PerParentMerge
from wellspring.resources import ACCOUNT, COMPANY, HEALTH, PEOPLE, Resource, resource_of, resources
from wellspring.services.settling import STEPS

OF_ONE = [
    (resource, found) for resource in resources() for found in resource.to_one if found.drives == "one_by_service"
]
ONES = {resource.type: found.name for resource, found in OF_ONE}
# Their dead rows are found, too: of whom somebody was a member is asked.
WITH_DEAD = {"workspace_membership", "workspace_group_membership"}
of_one = pytest.mark.parametrize("type_", ONES)
of_names = pytest.mark.parametrize("resource", [COMPANY, PEOPLE, ACCOUNT], ids=lambda found: found.type)
with_and_without_statistics = pytest.mark.parametrize("is_analyzed", [False, True], ids=["before ANALYZE", "after it"])

MANY = 3000
FLEET = "/v1/fleet"
CONNECTORS = "/v1/workspace-connectors"
LATE = f"{CONNECTORS}?filter[health]=late"


@dataclass(frozen=True)
class Asked:
    """Rows of one parent in two tenants; of the group, and of the first row, the person of the first tenant knows."""

    type: str
    parent: Row
    group: Row
    ours: Row
    theirs: Row

    def url(self, more: str = "") -> str:
        return f"{resource_of(self.type).route}?filter[{ONES[self.type]}]={self.parent.id}{more}"


@pytest.fixture
def rows(world: World, ours: Tenant, theirs: Tenant, type_: str) -> Asked:
    """A row of one parent in each tenant, behind one of another."""
    own, foreign = world.group(), world.group()
    world.group_member(ours.owner, own)
    world.group_member(theirs.owner, foreign)
    makers: dict[str, Callable[[Row, Tenant, Row], Row]] = {
        "workspace_connector": lambda of, tenant, _: world.workspace_connector(tenant.workspace, of),
        "workspace_membership": lambda of, tenant, _: world.member(of, tenant.workspace),
        "workspace_group_membership": lambda of, _, group: world.group_member(of, group),
        "workspace_group_workspace": lambda of, tenant, group: world.enrol(group, tenant.workspace, of),
    }
    parent, unasked = (
        world.connector(name) if type_ == "workspace_connector" else world.people(world.workspace())
        for name in ("Broken", "Whole")
    )
    made = [makers[type_](parent, tenant, group) for tenant, group in ((ours, own), (theirs, foreign))]
    makers[type_](unasked, ours, world.group() if type_ == "workspace_group_workspace" else own)
    return Asked(type_, parent, own, *made)


@of_one
def test_a_service_is_told_what_one_has_in_all_workspaces_the_newest_first(ours: Tenant, rows: Asked) -> None:
    newest_first = [rows.theirs.id, rows.ours.id]
    assert get(rows.url(), READER).ids == newest_first
    assert get(rows.url("&sort=created_at"), READER).ids == newest_first[::-1]
    first = get(rows.url("&page[size]=1&page[total]=true"), READER)
    assert (first.ids, first.document["meta"]["page"]["total"]) == (newest_first[:1], 2)
    second = get(first.document["links"]["next"], READER)
    assert (second.ids, second.document["links"]["next"]) == (newest_first[1:], None)
    assert get(second.document["links"]["prev"], READER).ids == newest_first[:1]
    linked = first.data[0]["relationships"][ONES[rows.type]]["data"]
    assert linked == {"type": rows.parent.type, "id": str(rows.parent.id)}
    assert get(rows.url().replace(str(rows.parent.id), str(ours.workspace.id)), READER).ids == []


@of_one
def test_a_person_is_told_by_it_of_their_own_alone(world: World, ours: Tenant, rows: Asked) -> None:
    for more in ("", "&sort=-updated_at", "&filter[deleted]=include", "&page[size]=500"):
        assert get(rows.url(more), ours.caller).ids == [rows.ours.id], more
    assert get(rows.url("&page[total]=true"), ours.caller).document["meta"]["page"]["total"] == 1
    assert get(rows.url(), person(world.people(world.workspace()))).ids == []


@of_one
def test_beside_a_workspace_or_a_group_it_narrows_in_every_order(world: World, ours: Tenant, rows: Asked) -> None:
    within = f"&filter[workspace]={ours.workspace.id}"
    if rows.type == "workspace_group_membership":
        within = f"&filter[workspace_group]={rows.group.id}"
    for more in ("", "&sort=-updated_at", "&filter[deleted]=include"):
        assert get(rows.url(f"{within}{more}"), READER).ids == [rows.ours.id], more
    assert get(rows.url(f",{world.workspace().id}{within}"), READER).ids == [rows.ours.id]


@of_one
def test_of_all_workspaces_other_orders_lists_and_filters_are_refused(world: World, rows: Asked) -> None:
    refused = {
        "&sort=updated_at": "sort",
        "&sort=-deleted_at&filter[deleted]=only": "sort",
        f",{world.workspace().id}": f"filter[{ONES[rows.type]}]",
    }
    if rows.type not in WITH_DEAD:
        refused |= {f"&filter[deleted]={half}": "filter[deleted]" for half in ("include", "only")}
    if rows.type == "workspace_connector":
        refused["&filter[status]=broken"] = "filter[status]"
    for more, parameter in refused.items():
        reply = get(rows.url(more), READER)
        assert (reply.status, reply.sources) == (400, [{"parameter": parameter}]), more
    # The same id twice is one.
    assert get(rows.url(f",{rows.parent.id}"), READER).ids == [rows.theirs.id, rows.ours.id]


@pytest.mark.parametrize("type_", sorted(WITH_DEAD))
def test_of_whom_somebody_was_a_member_is_told_too(world: World, rows: Asked) -> None:
    world.tombstone(rows.theirs)
    both = [rows.theirs.id, rows.ours.id]
    for half, found in (("exclude", both[1:]), ("include", both), ("only", both[:1])):
        assert get(rows.url(f"&filter[deleted]={half}"), READER).ids == found, half


@of_one
def test_who_has_them_may_be_gone_and_their_workspace_may_not(world: World, theirs: Tenant, rows: Asked) -> None:
    """What guards no row finds it, live or not: as it does within a workspace."""
    world.tombstone(rows.parent)
    assert get(rows.url(), READER).ids == [rows.theirs.id, rows.ours.id]
    world.tombstone(theirs.workspace)
    if rows.type != "workspace_group_membership":
        assert get(rows.url(), READER).ids == [rows.ours.id]


def test_a_membership_of_the_own_workspace_of_somebody_goes_with_it(world: World, ours: Tenant) -> None:
    """The workspace of who leads to a row is not known to be seen."""
    url = f"/v1/workspace-memberships?filter[people]={ours.owner.id}&filter[deleted]=include"
    assert len(get(url, READER).ids) == 1
    world.tombstone(ours.workspace)
    assert get(url, READER).ids == []


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
    form: dict[str, Any] = {"claimed": False, "sort": Sort(), "cursor": False, "backward": False}
    shape = Shape(resource_of(type_), is_person, conditions, None, "exclude", **form)
    assert (PerParentMerge(shape).leading.name == ONES[type_]) is not is_person


# ---- who is so well ----------------------------------------------------------------------------------------------
def test_a_service_is_told_who_is_so_well_the_newest_first(world: World, ours: Tenant, theirs: Tenant) -> None:
    tool, other = world.connector("Mail"), world.connector("Bank")
    late = [judged(world, of.workspace, by, "late").id for of, by in ((ours, tool), (theirs, tool), (theirs, other))]
    judged(world, ours.workspace, tool, "failing")
    world.tombstone(judged(world, ours.workspace, tool, "late"))
    assert get(LATE, READER).ids == late[::-1]
    assert get(f"{LATE}&sort=created_at", READER).ids == late
    assert get(f"{LATE}&filter[connector]={tool.id}", READER).ids == late[1::-1]
    # Within a workspace there are other orders.
    within = f"{LATE}&filter[workspace]={ours.workspace.id}"
    for more in ("", "&sort=updated_at", "&filter[status]=active", f"&filter[connector]={tool.id}&sort=-updated_at"):
        assert get(f"{within}{more}", READER).ids == late[:1], more
    first = get(f"{LATE}&page[size]=2&page[total]=true", READER)
    assert (first.ids, first.document["meta"]["page"]["total"]) == (late[:0:-1], 3)
    assert get(first.document["links"]["next"], READER).ids == late[:1]
    world.tombstone(theirs.workspace)
    assert get(LATE, READER).ids == late[:1]


# ---- what it costs ---------------------------------------------------------------------------------------------
# So many workspaces, and as many groups.
BESIDES = """
(SELECT pk, row_number() OVER (ORDER BY pk) AS n FROM core_api.workspaces WHERE name = 'Another') AS w
JOIN (SELECT pk, row_number() OVER (ORDER BY pk) AS n FROM core_api.workspace_groups WHERE name = 'Many') AS g USING (n)
"""


@with_and_without_statistics
@of_one
def test_it_costs_what_it_shows_whoever_else_has_rows(
    fresh_database: FreshDatabase, world: World, ours: Tenant, type_: str, *, is_analyzed: bool
) -> None:
    """Before thousands of another's, and among thousands of its own, and of its own dead ones, which are the newest."""
    name, resource = ONES[type_], resource_of(type_)
    one, other, rare = (world.connector() if name == "connector" else world.people(ours.workspace) for _ in range(3))

    def filled(of: Row, among: str, at: str, deleted_at: str = "NULL") -> None:
        values = {f"{name}_pk": of.pk, "workspace_pk": "w.pk", "workspace_group_pk": "g.pk"}
        values |= {"role": "'guest'", "status": "'active'"}
        known = {column: value for column, value in values.items() if column in table_of(resource.table).c}
        world.fill(f"core_api.{resource.table}", among, **known, created_at=at, deleted_at=deleted_at)

    world.workspaces(MANY)
    world.fill("core_api.workspace_groups", MANY, name="'Many'")
    filled(one, BESIDES, "now() - n * interval '1 s'")
    if type_ != "workspace_group_workspace":
        filled(other, BESIDES, "now() + n * interval '1 s'")
    filled(one, BESIDES, "now() + n * interval '1 s'", "now() + interval '1 day'")
    ours_alone = f"core_api.workspaces AS w, core_api.workspace_groups AS g WHERE w.pk = {ours.workspace.pk} LIMIT 1"
    filled(rare, ours_alone, "now() - interval '1 day'")
    if is_analyzed:
        world.analyze()
    for parent, count in ((one, 20), (rare, 1)):
        url = f"{resource.route}?filter[{name}]={parent.id}"
        assert len(cheap(fresh_database, url, READER, resource.table)["data"]) >= count


@with_and_without_statistics
@of_names
def test_a_name_is_found_in_all_that_one_sees_by_an_index(
    fresh_database: FreshDatabase, world: World, ours: Tenant, theirs: Tenant, resource: Resource, *, is_analyzed: bool
) -> None:
    assert resource.named is not None
    for workspace in (ours.workspace, theirs.workspace, world.workspace()):
        world.records(resource.type, workspace, MANY)
    rows = {
        name: str(world.record(resource.type, tenant.workspace, **{resource.named.name: name}).id)
        for tenant, name in ((ours, "Zénith B"), (theirs, "zénith a"))
    }
    if is_analyzed:
        world.analyze()

    def listed(query: str, caller: Caller) -> list[str]:
        page = cheap(fresh_database, f"{resource.route}?{query}", caller, resource.table)
        return [item["id"] for item in page["data"]]

    for query, names in (
        (f"filter[name][starts]={quote('zéni')}", ["zénith a", "Zénith B"]),
        (f"filter[name][starts]={quote('zéni')}&sort=-name", ["Zénith B", "zénith a"]),
        (f"filter[name]={quote('zénith a')}", ["zénith a"]),
    ):
        assert listed(query, READER) == [rows[name] for name in names], query
        assert listed(query, ours.caller) == [rows[name] for name in names if name == "Zénith B"], query
    for caller, order in product((READER, ours.caller), ("name", "-name", "created_at", "-created_at")):
        assert len(listed(f"sort={order}", caller)) == 20
    assert len(listed("sort=-updated_at", ours.caller)) == 20


def test_a_health_costs_what_it_shows(fresh_database: FreshDatabase, world: World, ours: Tenant) -> None:
    """Rare and the oldest, behind thousands that are well; and beside thousands of its tool.

    The table is analysed, as it is a minute after so many were written: which health is common is not known before.
    """
    tool, other = world.connector("Mail"), world.connector("Bank")
    judged(world, ours.workspace, tool, "late")
    world.workspaces(MANY)
    for of, health in ((tool, "ok"), (other, "ok"), (other, "failing")):
        world.fill(
            "core_api.workspace_connectors",
            "core_api.workspaces AS w WHERE w.name = 'Another'",
            workspace_pk="w.pk",
            connector_pk=of.pk,
            health=f"'{health}'",
            created_at="now() + w.pk * interval '1 s'",
        )
    world.analyze()
    failing = f"{CONNECTORS}?filter[health]=failing"
    for url, shown in (
        (LATE, 1),
        (f"{LATE}&filter[connector]={tool.id}", 1),
        (failing, 20),
        (f"{failing}&filter[connector]={tool.id}", 0),
        (f"{failing}&filter[connector]={other.id}", 20),
    ):
        page = cheap(fresh_database, url, READER, "workspace_connectors")
        assert (len(page["data"]), bool(page["links"]["next"])) == (shown, shown == 20), url


# ---- the fleet -------------------------------------------------------------------------------------------------
def count(database: AnyDatabase) -> int:
    """Do what `settle` does each minute."""
    database.commit()
    was, database.role = database.role, "wellspring_consumer"
    try:
        return in_transaction(fleet.count, PIPELINE_SCOPE, deadline=Deadline(20))
    finally:
        database.role = was


def judged(world: World, workspace: Row, tool: Row, health: str) -> Row:
    """Make a connector of a workspace to a tool, that is so well."""
    row = world.workspace_connector(workspace, tool)
    world.change(row, health=health)
    return row


def shown() -> dict[str, Any]:
    reply = get(FLEET, READER)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.data["attributes"]
    return found


def by_health(found: dict[str, Any]) -> dict[str, int]:
    return {each["health"]: each["number"] for each in found["connectors"] if each["number"]}


def test_before_it_was_counted_there_is_nothing_and_it_says_so(database: Database, ours: Tenant) -> None:
    found = shown()
    assert found["as_of"] is None
    assert found["connectors"] == [{"health": health, "number": 0} for health in HEALTH]
    assert (found["tools"], found["parked"], found["runs_incomplete"], found["is_silent"]) == ([], [], 0, False)


def test_connectors_are_counted_by_health_and_tool_the_most_ill_first(database: Database, world: World) -> None:
    mail, bank, idle = world.connector("Mail"), world.connector("Bank"), world.connector("Idle")
    for tool, health in ((mail, "late"), (mail, "late"), (mail, "ok"), (bank, "failing"), (bank, "ok"), (bank, "new")):
        judged(world, world.workspace(), tool, health)
    gone, hidden = world.workspace_connector(world.workspace(), idle), world.workspace()
    judged(world, hidden, bank, "failing")
    world.tombstone(gone)
    world.tombstone(hidden)
    assert count(database) == 6
    found = shown()
    # What lists do not show is not counted: what is tombstoned, and what is of a workspace that is.
    assert by_health(found) == {"late": 2, "failing": 1, "ok": 2, "new": 1}
    assert [(tool["connector"], tool["name"], tool["number"]) for tool in found["tools"]] == [
        (str(mail.id), "Mail", 3),
        (str(bank.id), "Bank", 3),
    ]
    assert {health: found["tools"][0][health] for health in HEALTH} == dict.fromkeys(HEALTH, 0) | {"late": 2, "ok": 1}


def test_what_is_parked_is_counted_by_reason_with_the_oldest(database: Database, world: World, ours: Tenant) -> None:
    connector = world.workspace_connector(ours.workspace)
    times = ("2026-05-01T00:00:00Z", "2026-05-03T00:00:00Z", "2026-05-02T00:00:00Z")
    for reason, at in zip(("unknown_record", "unknown_record", "malformed"), times, strict=True):
        world.message(connector, ours.workspace, "parked", reason=reason, received_at=datetime.fromisoformat(at))
    world.message(connector, ours.workspace, "dismissed", reason="malformed")
    world.run(connector, ours.workspace, state="incomplete")
    world.run(connector, ours.workspace, "another", state="open")
    count(database)
    found = shown()
    assert found["parked"] == [
        {"reason": "unknown_record", "number": 2, "oldest_at": "2026-05-01T00:00:00.000Z"},
        {"reason": "malformed", "number": 1, "oldest_at": "2026-05-02T00:00:00.000Z"},
    ]
    assert found["runs_incomplete"] == 1
    for each in found["parked"]:
        url = f"/v1/sync-messages?filter[outcome]=parked&filter[reason]={each['reason']}&page[total]=true"
        assert get(url, READER).document["meta"]["page"]["total"] == each["number"]
    assert len(get("/v1/sync-runs?filter[state]=incomplete", READER).ids) == 1


def test_silence_is_told_with_its_beginning_while_it_lasts(database: Database, ours: Tenant) -> None:
    since = "2026-05-01T08:00:00.000Z"
    values = {"is_silent": True, "silent_since": datetime.fromisoformat(since)}
    database.owner.execute(update(fleet_table).values(**values))
    assert (shown()["is_silent"], shown()["silent_since"]) == (True, since)
    database.owner.execute(update(fleet_table).values(is_silent=False))
    assert (shown()["is_silent"], shown()["silent_since"]) == (False, None)


def test_it_is_as_it_was_counted_until_it_is_counted_again(database: Database, world: World) -> None:
    row = judged(world, world.workspace(), world.connector(), "ok")
    count(database)
    world.change(row, health="late")
    assert by_health(shown()) == {"ok": 1}
    assert shown()["as_of"] is not None
    count(database)
    assert by_health(shown()) == {"late": 1}


def test_a_tool_that_has_gone_since_is_none(database: Database, world: World) -> None:
    tools = [world.connector(f"Tool {number}") for number in range(2)]
    for tool in tools:
        world.workspace_connector(world.workspace(), tool)
    count(database)
    database.owner.exec_driver_sql(
        "UPDATE wellspring.fleet SET counted = jsonb_set(counted, '{tools,0,connector_pk}', '0')"
    )
    assert len(shown()["tools"]) == 1


def test_it_takes_three_statements_whatever_there_is(database: Database, world: World, statements: Statements) -> None:
    for number in range(MOST_TOOLS + 3):
        world.workspace_connector(world.workspace(), world.connector(f"Tool {number}"))
    count(database)
    assert sent_for(statements, FLEET, READER)[0] == 3
    found = shown()
    assert len(found["tools"]) == MOST_TOOLS
    assert sum(by_health(found).values()) == MOST_TOOLS + 3


def test_settle_counts_it_behind_all_else(fresh_database: FreshDatabase, world: World) -> None:
    assert [*STEPS][-1] == "fleet"
    judged(world, world.workspace(), world.connector(), "late")
    fresh_database.role = "wellspring_consumer"
    settled = settle({}, Context())
    fresh_database.role = "wellspring_reader"
    assert settled["fleet"] == {"connectors": 1, "is_all": True}
    assert by_health(shown()) == {"late": 1}
    assert len(shown()["tools"]) == 1
