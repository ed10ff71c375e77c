"""Did the sync come whole? `GET /v1/sync-runs` (contract, section 7)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import READER, get, walked, walked_both_ways
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from wellspring.resources import RUN_STATES

RUNS, MESSAGES = "/v1/sync-runs", "/v1/sync-messages"
BEGAN = datetime(2026, 5, 10, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
type Runs = dict[str, Row]


@pytest.fixture
def runs(world: World, ours: Tenant) -> Runs:
    """A run of our connector in each state, the newest last."""
    return {
        state: world.run(ours.connector, ours.workspace, f"run {number}", state=state, started_at=BEGAN + number * HOUR)
        for number, state in enumerate(RUN_STATES)
    }


def by_connector(ours: Tenant) -> str:
    return f"filter[workspace_connector]={ours.connector.id}"


def ids(*rows: Row) -> list[Any]:
    return [row.id for row in rows]


def written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_the_newest_comes_first_and_each_filter_narrows(world: World, ours: Tenant, theirs: Tenant, runs: Runs) -> None:
    newest = list(reversed(runs.values()))
    assert get(RUNS, ours.caller).ids == ids(*newest)
    assert get(f"{RUNS}?sort=started_at", ours.caller).ids == ids(*reversed(newest))
    other, foreign = (
        world.run(world.workspace_connector(of.workspace), of.workspace, state="incomplete", started_at=BEGAN)
        for of in (ours, theirs)
    )
    assert get(f"{RUNS}?{by_connector(ours)}", ours.caller).ids == ids(*newest)
    assert get(f"{RUNS}?filter[state]=incomplete", ours.caller).ids == ids(runs["incomplete"], other)
    assert get(f"{RUNS}?filter[state]=incomplete", READER).ids == ids(runs["incomplete"], foreign, other)
    both = f"{by_connector(ours)}&filter[state]=complete"
    assert get(f"{RUNS}?{both}", ours.caller).ids == ids(runs["complete"])
    since = f"filter[started_at][gt]={written(BEGAN + 3 * HOUR)}"
    assert get(f"{RUNS}?{since}", ours.caller).ids == ids(*newest[:2])


@pytest.mark.parametrize("time", ["completed_at", "occurred_at"])
@pytest.mark.usefixtures("runs")
def test_runs_are_found_by_when_they_were_over_but_those_that_are_not(world: World, ours: Tenant, time: str) -> None:
    over = [
        world.run(ours.connector, ours.workspace, f"over {hours}", state="complete", **{time: BEGAN - hours * HOUR})
        for hours in range(3)
    ]
    for caller in (ours.caller, READER):
        for beside in ("", f"filter[workspace]={ours.workspace.id}&", f"{by_connector(ours)}&"):
            assert get(f"{RUNS}?{beside}sort=-{time}", caller).ids == ids(*over)
            since = f"sort={time}&filter[{time}][gte]={written(BEGAN - HOUR)}"
            assert walked(f"{RUNS}?{beside}{since}&page[size]=1", caller) == ids(*reversed(over[:2]))
        # Those of one state have the order of their beginning alone.
        reply = get(f"{RUNS}?{by_connector(ours)}&filter[state]=open&sort={time}", caller)
        assert (reply.status, reply.sources) == (400, [{"parameter": "sort"}])
        assert "ask for sort=started_at or sort=-started_at" in reply.error["detail"]


def test_it_is_walked_page_by_page_in_both_directions(ours: Tenant, runs: Runs) -> None:
    newest = [str(row.id) for row in reversed(runs.values())]
    url = f"{RUNS}?page[total]=true"
    assert walked_both_ways(url, ours.caller, 4) == newest
    assert get(url, ours.caller).document["meta"]["page"]["total"] == len(newest)


def test_a_run_shows_what_came_and_what_is_missing(world: World, ours: Tenant) -> None:
    snapshot = {
        "direction": "input",
        "types": ["company"],
        "read_since": "2026-05-10T07:55:00+00:00",
        "endings": [{"type": "company", "records": 4100, "live": 9800}],
    }
    counts = {"company": {"named": 2, "made": 0, "linked": 2, "ended": 0}}
    run = world.run(
        ours.connector,
        ours.workspace,
        state="incomplete",
        messages_expected=3,
        messages_applied=2,
        messages_parked=1,
        snapshot=snapshot,
        counts=counts,
        started_at=BEGAN,
        occurred_at=BEGAN,
    )
    shown = get(f"{RUNS}/{run.id}?include=workspace_connector", ours.caller)
    assert shown.data["attributes"] == {
        "run": "nightly",
        "state": "incomplete",
        "messages_expected": 3,
        "messages_applied": 2,
        "messages_parked": 1,
        "snapshot": snapshot | {"read_since": "2026-05-10T07:55:00.000Z"},
        "counts": counts,
        "occurred_at": "2026-05-10T08:00:00.000Z",
        "started_at": "2026-05-10T08:00:00.000Z",
        "completed_at": None,
    }
    assert [row["type"] for row in shown.document["included"]] == ["workspace_connector"]
    assert shown.headers["etag"]


def test_runs_stay_visible_after_their_connectors_end(world: World, ours: Tenant, runs: Runs) -> None:
    world.tombstone(ours.connector)
    for url in (RUNS, f"{RUNS}?{by_connector(ours)}"):
        assert len(get(url, ours.caller).ids) == len(RUN_STATES)
    world.tombstone(ours.workspace)
    assert get(RUNS, ours.caller).ids == []
    assert get(f"{RUNS}/{runs['open'].id}", ours.caller).status == 404


def test_a_message_leads_to_its_run_and_a_run_to_its_messages(
    world: World, ours: Tenant, theirs: Tenant, runs: Runs
) -> None:
    run, of = runs["open"], (ours.connector, ours.workspace)
    of_run = [world.message(*of, outcome, run="run 0", sync_run_pk=run.pk) for outcome in ("applied", "parked")]
    of_none = world.message(*of)
    shown = get(f"{MESSAGES}/{of_run[0].id}?include=sync_run", ours.caller)
    assert shown.data["relationships"]["sync_run"]["data"] == {"type": "sync_run", "id": str(run.id)}
    assert [row["id"] for row in shown.document["included"]] == [str(run.id)]
    assert get(f"{MESSAGES}/{of_none.id}", ours.caller).data["relationships"]["sync_run"]["data"] is None
    for caller in (ours.caller, READER):
        assert set(get(f"{MESSAGES}?filter[sync_run]={run.id}", caller).ids) == set(ids(*of_run))
        parked = get(f"{MESSAGES}?filter[sync_run]={run.id}&filter[outcome]=parked", caller)
        assert parked.ids == ids(of_run[1])
        assert get(f"{MESSAGES}?filter[sync_run]={uuid4()}", caller).ids == []
    assert get(f"{MESSAGES}?filter[sync_run]={run.id}", theirs.caller).ids == []


@pytest.mark.parametrize(
    ("index", "condition", "order"),
    [
        ("state", "state = 'incomplete'", "started_at"),
        ("completed", "completed_at IS NOT NULL", "completed_at"),
        ("occurred", "occurred_at IS NOT NULL AND occurred_at < now()", "occurred_at"),
    ],
)
def test_a_page_is_read_by_an_index(world: World, ours: Tenant, index: str, condition: str, order: str) -> None:
    """However many there are of others: a plan that sorts, or filters what it reads, is none."""
    own = (ours.connector.pk, ours.workspace.pk)
    world.fill(
        "wellspring.sync_runs",
        "generate_series(1, 2000) AS n, LATERAL (SELECT now() - n * interval '1 hour') AS times (at)",
        workspace_connector_pk=f"{own[0]} + n % 20",
        workspace_pk=f"{own[1]} + n % 20",
        run="'many ' || n",
        state="CASE n % 99 WHEN 0 THEN 'incomplete' ELSE 'complete' END",
        **dict.fromkeys(("started_at", "occurred_at", "completed_at"), "at"),
    )
    world.analyze("wellspring.sync_runs")
    for parent in (f"workspace_connector_pk = {own[0]} AND", f"workspace_pk = {own[1]} AND", ""):
        plan = "\n".join(
            world.database.owner.exec_driver_sql(
                f"EXPLAIN (COSTS off) SELECT pk FROM wellspring.sync_runs WHERE {parent} {condition}"
                f" ORDER BY {order} DESC, pk DESC LIMIT 20"
            ).scalars()
        )
        assert f"_{index}" in plan, plan
        assert {word for word in ("Sort", "Filter", "Seq Scan") if word in plan} == set(), plan
