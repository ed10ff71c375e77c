"""Did the sync come whole? `GET /v1/sync-runs` (contract, section 7)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import READER, Caller, get, person, service
from tests.support.databases import Database
from tests.support.world import Row, World
from wellspring.resources import RUN_STATES

RUNS, MESSAGES = "/v1/sync-runs", "/v1/sync-messages"
BEGAN = datetime(2026, 5, 10, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Home:
    """A workspace with a member, a connector with a run in each state, and another's connector with one."""

    def __init__(self, world: World) -> None:
        self.workspace, self.elsewhere = world.workspace(), world.workspace()
        self.owner = world.people(self.workspace)
        world.member(self.owner, self.workspace)
        self.connector = world.workspace_connector(self.workspace)
        self.foreign = world.workspace_connector(self.elsewhere)
        self.runs = {
            state: world.run(
                self.connector, self.workspace, f"run {number}", state=state, started_at=BEGAN + timedelta(hours=number)
            )
            for number, state in enumerate(RUN_STATES)
        }
        self.theirs = world.run(self.foreign, self.elsewhere, state="incomplete", started_at=BEGAN)

    @property
    def caller(self) -> Caller:
        return person(self.owner)


@pytest.fixture
def home(world: World) -> Home:
    return Home(world)


def ids(*rows: Row) -> list[Any]:
    return [row.id for row in rows]


def test_without_a_token_it_is_401_and_a_stranger_sees_nothing(home: Home, world: World) -> None:
    run = home.runs["complete"]
    assert get(RUNS, Caller(None)).status == 401
    assert get(f"{RUNS}/{run.id}", Caller(None)).status == 401
    stranger = person(world.people(home.elsewhere))
    assert get(RUNS, stranger).ids == []
    assert get(f"{RUNS}/{run.id}", stranger).codes == ["SYNC_RUN_NOT_FOUND"]
    assert get(f"{RUNS}/{home.theirs.id}", home.caller).codes == ["SYNC_RUN_NOT_FOUND"]
    assert get(f"{RUNS}?filter[workspace]={home.elsewhere.id}", home.caller).status == 403
    assert get(f"{RUNS}?filter[workspace_connector]={home.foreign.id}", home.caller).ids == []
    assert get(RUNS, service("sync:write")).status == 403


def test_the_newest_comes_first_and_each_filter_narrows(home: Home, world: World) -> None:
    newest = list(reversed(home.runs.values()))
    assert get(RUNS, home.caller).ids == ids(*newest)
    assert get(f"{RUNS}?sort=started_at", home.caller).ids == ids(*reversed(newest))
    other = world.run(world.workspace_connector(home.workspace), home.workspace, state="incomplete", started_at=BEGAN)
    assert get(f"{RUNS}?filter[workspace_connector]={home.connector.id}", home.caller).ids == ids(*newest)
    assert get(f"{RUNS}?filter[state]=incomplete", home.caller).ids == ids(home.runs["incomplete"], other)
    both = f"filter[workspace_connector]={home.connector.id}&filter[state]=complete"
    assert get(f"{RUNS}?{both}", home.caller).ids == ids(home.runs["complete"])
    since = f"filter[started_at][gt]={(BEGAN + timedelta(hours=3)).isoformat().replace('+00:00', 'Z')}"
    assert get(f"{RUNS}?{since}", home.caller).ids == ids(*newest[:2])
    assert get(f"{RUNS}?filter[state]=whole", home.caller).status == 400


@pytest.mark.parametrize("time", ["completed_at", "occurred_at"])
def test_runs_are_found_by_when_they_were_over_but_those_that_are_not(home: Home, world: World, time: str) -> None:
    over = [
        world.run(home.connector, home.workspace, f"over {hours}", state="complete", **{time: BEGAN - hours * HOUR})
        for hours in range(3)
    ]
    for caller in (home.caller, READER):
        for beside in (
            "",
            f"filter[workspace]={home.workspace.id}&",
            f"filter[workspace_connector]={home.connector.id}&",
        ):
            assert get(f"{RUNS}?{beside}sort=-{time}", caller).ids == ids(*over)
            since = f"sort={time}&filter[{time}][gte]={(BEGAN - HOUR).isoformat().replace('+00:00', 'Z')}"
            first = get(f"{RUNS}?{beside}{since}&page[size]=1", caller)
            assert first.ids + get(first.document["links"]["next"], caller).ids == ids(*reversed(over[:2]))


@pytest.mark.parametrize("time", ["completed_at", "occurred_at"])
def test_runs_of_one_state_have_the_order_of_their_beginning_alone(home: Home, time: str) -> None:
    for caller in (home.caller, READER):
        reply = get(f"{RUNS}?filter[workspace_connector]={home.connector.id}&filter[state]=open&sort={time}", caller)
        assert (reply.status, set(reply.codes)) == (400, {"INVALID_QUERY_PARAMETER"})
        assert "ask for sort=started_at or sort=-started_at" in reply.document["errors"][0]["detail"]


def test_it_is_walked_page_by_page_in_both_directions(home: Home) -> None:
    newest = ids(*reversed(home.runs.values()))
    first = get(f"{RUNS}?page[size]=4&page[total]=true", home.caller)
    assert (first.ids, first.document["meta"]["page"]["total"]) == (newest[:4], len(newest))
    rest = get(first.document["links"]["next"], home.caller)
    assert rest.ids == newest[4:]
    assert get(rest.document["links"]["prev"], home.caller).ids == newest[:4]


def test_a_service_finds_the_runs_of_one_state_in_all_workspaces(home: Home) -> None:
    assert set(get(f"{RUNS}?filter[state]=incomplete", READER).ids) == set(ids(home.runs["incomplete"], home.theirs))
    assert set(get(RUNS, READER).ids) == {*ids(*home.runs.values()), home.theirs.id}
    of_one = get(f"{RUNS}?filter[workspace]={home.elsewhere.id}&filter[state]=incomplete", READER)
    assert of_one.ids == ids(home.theirs)


def test_a_run_shows_what_came_and_what_is_missing(world: World, home: Home) -> None:
    snapshot = {
        "direction": "input",
        "types": ["company"],
        "read_since": "2026-05-10T07:55:00+00:00",
        "endings": [{"type": "company", "records": 4100, "live": 9800}],
    }
    run = world.run(
        home.connector,
        home.workspace,
        state="incomplete",
        messages_expected=3,
        messages_applied=2,
        messages_parked=1,
        snapshot=snapshot,
        counts={"company": {"named": 2, "made": 0, "linked": 2, "ended": 0}},
        started_at=BEGAN,
        occurred_at=BEGAN,
    )
    shown = get(f"{RUNS}/{run.id}?include=workspace_connector", home.caller)
    attributes = shown.data["attributes"]
    assert attributes == {
        "run": "nightly",
        "state": "incomplete",
        "messages_expected": 3,
        "messages_applied": 2,
        "messages_parked": 1,
        "snapshot": snapshot | {"read_since": "2026-05-10T07:55:00.000Z"},
        "counts": {"company": {"named": 2, "made": 0, "linked": 2, "ended": 0}},
        "occurred_at": "2026-05-10T08:00:00.000Z",
        "started_at": "2026-05-10T08:00:00.000Z",
        "completed_at": None,
    }
    assert [row["type"] for row in shown.document["included"]] == ["workspace_connector"]
    assert shown.headers["etag"]


def test_runs_stay_visible_after_their_connectors_end(world: World, home: Home) -> None:
    world.tombstone(home.connector)
    assert len(get(RUNS, home.caller).ids) == len(RUN_STATES)
    assert get(f"{RUNS}?filter[workspace_connector]={home.connector.id}", home.caller).ids != []
    world.tombstone(home.workspace)
    assert get(RUNS, home.caller).ids == []
    assert get(f"{RUNS}/{home.runs['open'].id}", home.caller).status == 404


def test_a_message_leads_to_its_run_and_a_run_to_its_messages(world: World, home: Home) -> None:
    run = home.runs["open"]
    of_run = [
        world.message(home.connector, home.workspace, outcome, run="run 0", sync_run_pk=run.pk)
        for outcome in ("applied", "parked")
    ]
    of_none = world.message(home.connector, home.workspace)
    shown = get(f"{MESSAGES}/{of_run[0].id}?include=sync_run", home.caller)
    assert shown.data["relationships"]["sync_run"]["data"] == {"type": "sync_run", "id": str(run.id)}
    assert [row["id"] for row in shown.document["included"]] == [str(run.id)]
    assert get(f"{MESSAGES}/{of_none.id}", home.caller).data["relationships"]["sync_run"]["data"] is None
    for caller in (home.caller, READER):
        assert set(get(f"{MESSAGES}?filter[sync_run]={run.id}", caller).ids) == set(ids(*of_run))
        parked = get(f"{MESSAGES}?filter[sync_run]={run.id}&filter[outcome]=parked", caller)
        assert parked.ids == ids(of_run[1])
        assert get(f"{MESSAGES}?filter[sync_run]={uuid4()}", caller).ids == []
    stranger = person(world.people(home.elsewhere))
    assert get(f"{MESSAGES}?filter[sync_run]={run.id}", stranger).ids == []


@pytest.mark.parametrize("beside", ["filter[reason]=unknown_record", "filter[run]=nightly", "sort=-occurred_at"])
def test_what_no_index_has_of_a_runs_messages_is_refused(home: Home, beside: str) -> None:
    reply = get(f"{MESSAGES}?filter[sync_run]={home.runs['open'].id}&{beside}", home.caller)
    assert (reply.status, set(reply.codes)) == (400, {"INVALID_QUERY_PARAMETER"})


@pytest.mark.parametrize(
    ("index", "condition", "order"),
    [
        ("state", "state = 'incomplete'", "started_at"),
        ("completed", "completed_at IS NOT NULL", "completed_at"),
        ("occurred", "occurred_at IS NOT NULL AND occurred_at < now()", "occurred_at"),
    ],
)
def test_a_page_is_read_by_an_index(
    database: Database, world: World, home: Home, index: str, condition: str, order: str
) -> None:
    """However many there are of others: a plan that sorts, or filters what it reads, is none."""
    database.owner.exec_driver_sql(
        "INSERT INTO wellspring.sync_runs"
        "       (workspace_connector_pk, workspace_pk, run, state, started_at, occurred_at, completed_at)"
        f" SELECT {home.connector.pk} + n % 20, {home.workspace.pk} + n % 20, 'many ' || n, 'complete', at, at, at"
        "   FROM generate_series(1, 2000) AS n, LATERAL (SELECT now() - n * interval '1 hour') AS times (at)"
    )
    database.owner.exec_driver_sql("ANALYZE wellspring.sync_runs")
    for parent in (f"workspace_connector_pk = {home.connector.pk} AND", f"workspace_pk = {home.workspace.pk} AND", ""):
        plan = "\n".join(
            database.owner.exec_driver_sql(
                f"EXPLAIN (COSTS off) SELECT pk FROM wellspring.sync_runs WHERE {parent} {condition}"
                f" ORDER BY {order} DESC, pk DESC LIMIT 20"
            ).scalars()
        )
        assert f"_{index}" in plan, plan
        assert {word for word in ("Sort", "Filter", "Seq Scan") if word in plan} == set(), plan
