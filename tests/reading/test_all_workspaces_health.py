"""What a service asks of all workspaces: who is so well, of one tool or of all, what is parked, which runs are so."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.reading.test_fleet import judged
from tests.reading.test_of_all_workspaces import MANY
from tests.reading.test_plans import ENOUGH
from tests.support.api import READER, get
from tests.support.databases import Database, FreshDatabase
from tests.support.plans import explain
from tests.support.tenants import Tenant
from tests.support.world import Row, World

CONNECTORS, MESSAGES, RUNS = "/v1/workspace-connectors", "/v1/sync-messages", "/v1/sync-runs"
LATE = f"{CONNECTORS}?filter[health]=late"


@pytest.fixture
def tool(world: World) -> Row:
    return world.connector("Mail")


def test_a_service_is_told_who_is_so_well_the_newest_first_in_all_and_of_one_tool(
    database: Database, world: World, ours: Tenant, theirs: Tenant, tool: Row
) -> None:
    other = world.connector("Bank")
    late = [
        judged(database, world.workspace_connector(of.workspace, by), "late").id
        for of, by in ((ours, tool), (theirs, tool), (theirs, other))
    ]
    judged(database, world.workspace_connector(ours.workspace, tool), "failing")
    world.tombstone(judged(database, world.workspace_connector(ours.workspace, tool), "late"))
    assert get(LATE, READER).ids == late[::-1]
    assert get(f"{LATE}&sort=created_at", READER).ids == late
    assert get(f"{LATE}&filter[connector]={tool.id}", READER).ids == late[1::-1]
    first = get(f"{LATE}&page[size]=2&page[total]=true", READER)
    assert (first.ids, first.document["meta"]["page"]["total"]) == (late[:0:-1], 3)
    assert get(first.document["links"]["next"], READER).ids == late[:1]
    world.tombstone(theirs.workspace)
    assert get(LATE, READER).ids == late[:1]


@pytest.mark.parametrize(
    ("url", "parameter"),
    [
        (f"{LATE}&sort=updated_at", "sort"),
        (f"{LATE}&filter[deleted]=include", "filter[deleted]"),
        (f"{LATE}&filter[status]=active", "filter[status]"),
        (f"{CONNECTORS}?filter[health]=late,failing", "filter[health]"),
        (f"{CONNECTORS}?filter[health]=unwell", "filter[health]"),
        (f"{MESSAGES}?filter[outcome]=applied", "filter[outcome]"),
        (f"{MESSAGES}?filter[outcome]=parked,dismissed", "filter[outcome]"),
        (f"{MESSAGES}?filter[reason]=unknown_record&sort=processed_at", "sort"),
        (f"{RUNS}?filter[state]=open,incomplete", "filter[state]"),
        (f"{RUNS}?filter[state]=open&sort=completed_at", "sort"),
        ("/v1/workspaces?filter[name][starts]=a&sort=-created_at", "filter[name][starts]"),
    ],
)
def test_other_orders_and_lists_of_values_are_refused(world: World, url: str, parameter: str) -> None:
    reply = get(url, READER)
    assert (reply.status, reply.sources) == (400, [{"parameter": parameter}])


def test_within_a_workspace_there_are_other_orders(database: Database, world: World, ours: Tenant, tool: Row) -> None:
    row = judged(database, world.workspace_connector(ours.workspace, tool), "late")
    within = f"{LATE}&filter[workspace]={ours.workspace.id}"
    for more in ("", "&sort=updated_at", "&filter[status]=active", f"&filter[connector]={tool.id}&sort=-updated_at"):
        assert get(f"{within}{more}", READER).ids == [row.id], more


def test_parked_messages_and_runs_of_all_workspaces_are_the_newest_first(
    world: World, ours: Tenant, theirs: Tenant
) -> None:
    rows = [world.workspace_connector(of.workspace) for of in (ours, theirs)]
    began = datetime(2026, 5, 1, tzinfo=UTC)
    messages, runs = [], []
    for number, (of, row) in enumerate(zip((ours, theirs), rows, strict=True)):
        at = began + timedelta(days=number)
        parked = {"reason": "unknown_record", "received_at": at}
        messages.append(world.message(row, of.workspace, "parked", **parked).id)
        world.message(row, of.workspace, "parked", **parked | {"reason": "overtaken"})
        runs.append(world.run(row, of.workspace, state="incomplete", started_at=at).id)
        world.run(row, of.workspace, "another", state="open", started_at=at)
    found = f"{MESSAGES}?filter[outcome]=parked&filter[reason]=unknown_record"
    assert get(found, READER).ids == messages[::-1]
    assert get(f"{found}&sort=received_at", READER).ids == messages
    assert get(found, ours.caller).ids == messages[:1]
    incomplete = f"{RUNS}?filter[state]=incomplete"
    assert get(incomplete, READER).ids == runs[::-1]
    assert get(incomplete, ours.caller).ids == runs[:1]


def test_a_workspace_is_found_by_its_name(world: World, ours: Tenant) -> None:
    rows = [world.workspace(name) for name in ("Zephyr B", "zephyr a")]
    assert get("/v1/workspaces?filter[name][starts]=zephyr", READER).ids == [rows[1].id, rows[0].id]
    assert get("/v1/workspaces?filter[name]=zephyr a", READER).ids == [rows[1].id]
    assert get("/v1/workspaces?filter[name][starts]=zephyr", ours.caller).ids == []


def test_it_costs_what_it_shows_however_many_others_there_are(
    fresh_database: FreshDatabase, world: World, ours: Tenant, tool: Row
) -> None:
    """Rare and the oldest, behind thousands that are well; and beside thousands of its tool.

    The table is analysed, as it is a minute after so many were written: which health is common is not known before.
    """
    rare = judged(fresh_database, world.workspace_connector(ours.workspace, tool), "late")
    other = world.connector("Bank")
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
    for url, found in (
        (LATE, 1),
        (f"{LATE}&filter[connector]={tool.id}", 1),
        (f"{CONNECTORS}?filter[health]=failing", 20),
        (f"{CONNECTORS}?filter[health]=failing&filter[connector]={tool.id}", 0),
        (f"{CONNECTORS}?filter[health]=failing&filter[connector]={other.id}", 20),
    ):
        rows, document = explain(fresh_database, url, READER, "workspace_connectors")
        assert len(document["data"]) == found, url
        assert rows < ENOUGH, url
    assert document["links"]["next"]
    deep, _ = explain(fresh_database, document["links"]["next"], READER, "workspace_connectors")
    assert deep < ENOUGH
    assert get(LATE, READER).ids == [rare.id]
