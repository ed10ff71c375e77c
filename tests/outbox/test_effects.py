"""Events of each effect, in its transaction."""

from typing import Any
from uuid import uuid4

import pytest

from tests.health.conftest import unjudged
from tests.outbox.conftest import Outbox
from tests.support.api import Caller, delete, draft, of_every_ledger, patch, person, post, service
from tests.support.databases import CONSUMER, FEEDER
from tests.support.feed import deleted, statuses, upserted
from tests.support.queue import completed, consume, disconnected, invalidated, matched, reverted, synced
from tests.support.world import Row, World
from tests.sync.conftest import Tenant, of_run
from tests.writing.conftest import route_of
from wellspring.database.retry import Deadline
from wellspring.resources import ledgers
from wellspring.services import settling
from wellspring.services.feed import endings

PROVENANCE, HEALTH = "provenance.changed", "workspace_connector.health_changed"


def linked(number: int, *, named: int | None = None, ended: int = 0) -> dict[str, int]:
    return {"named": number if named is None else named, "made": 0, "linked": number, "ended": ended}


def test_a_message_tells_what_it_linked_and_that_its_connector_is_well(ours: Tenant, outbox: Outbox) -> None:
    assert consume(synced(ours.connector, [*ours.companies, *ours.peoples])) == []
    health, changed = outbox.events()
    connector, workspace = str(ours.connector.id), str(ours.workspace.id)
    assert health["data"] == {
        "workspace_id": workspace,
        "workspace_connector_id": connector,
        "from": "new",
        "to": "ok",
        "reasons": [],
        "link": f"/v1/workspace-connectors/{connector}",
    }
    assert (changed["type"], changed["subject"]) == (f"wellspring.{PROVENANCE}", connector)
    message = changed["data"].pop("sync_message_id")
    assert changed["data"] == {
        "workspace_id": workspace,
        "workspace_connector_id": connector,
        "row_id": None,
        "counts": {"company": linked(4), "people": linked(2)},
        "link": f"/v1/sync-messages/{message}",
    }
    assert health["partitionkey"] == changed["partitionkey"] == connector
    assert health["sequence"] < changed["sequence"]


def test_nothing_is_written_where_events_are_off(ours: Tenant, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENT_BUS")
    assert consume(synced(ours.connector, ours.companies), synced(uuid4(), ours.companies)) == []
    assert outbox.rows() == []


def test_a_message_that_changes_nothing_and_one_that_comes_again_tell_nothing(ours: Tenant, outbox: Outbox) -> None:
    message = synced(ours.connector, ours.companies)
    consume(message)
    outbox.taken()
    consume(message, invalidated(ours.connector, ours.peoples))
    assert outbox.types() == []


def test_each_message_of_a_batch_tells_its_own(ours: Tenant, world: World, outbox: Outbox) -> None:
    other = world.workspace_connector(ours.workspace)
    consume(
        synced(ours.connector, ours.companies[:1]),
        synced(other, ours.companies),
        synced(ours.connector, ours.companies, mode="relink"),
    )
    told = [(data["workspace_connector_id"], data["counts"]) for type_, data in outbox.taken() if type_ == PROVENANCE]
    of_ours, of_other = str(ours.connector.id), str(other.id)
    # Of one transaction in any order.
    assert sorted(told[:2]) == sorted([(of_ours, {"company": linked(1)}), (of_other, {"company": linked(4)})])
    assert told[2:] == [(of_ours, {"company": linked(4, ended=1)})]


def test_what_is_parked_is_told_once_for_each_reason(ours: Tenant, world: World, outbox: Outbox) -> None:
    theirs = world.company(world.workspace("Theirs"))
    message = synced(ours.connector, [theirs])
    consume(message)
    consume(message)
    (type_, data), (health, verdict) = sorted(outbox.taken())
    assert (type_, health) == ("sync_message.parked", HEALTH)
    assert (verdict["from"], verdict["to"]) == ("new", "failing")
    assert data["workspace_id"] == str(ours.workspace.id)
    # Nobody is told that it is another tenant's.
    assert data["reason"] == "unknown_record"
    assert data["message_type"] == "records.synced"


def test_nobody_is_told_of_a_body_that_is_dropped(ours: Tenant, world: World, outbox: Outbox) -> None:
    consume(synced(ours.connector, [Row("company", 0, uuid4())]))
    world.database.owner.exec_driver_sql("UPDATE wellspring.sync_messages SET received_at = now() - interval '46 days'")
    world.database.commit()
    outbox.taken()
    assert settling.STEPS["expire"](Deadline(30)).numbers == {"expired": 1}
    assert outbox.types() == []


def test_what_is_of_nobody_here_is_parked_by_its_own_id(outbox: Outbox, ours: Tenant) -> None:
    consume(synced(uuid4(), ours.companies), matched(uuid4(), [uuid4()]), "no message")
    events = outbox.events()
    assert {event["data"]["reason"] for event in events} == {"unknown_connector", "unknown_workspace", "malformed"}
    for event in events:
        assert event["data"]["workspace_id"] is event["data"]["workspace_connector_id"] is None
        assert event["partitionkey"] == event["subject"] == event["data"]["sync_message_id"]


def test_a_run_is_parked_and_completed(ours: Tenant, outbox: Outbox) -> None:
    one, two = (of_run(synced(ours.connector, [company])) for company in ours.companies[:2])
    consume(one)
    outbox.taken()
    end = completed(ours.connector, "nightly", one["id"], two["id"])
    consume(end)
    told = dict(outbox.taken())
    assert set(told) == {"sync_run.parked", HEALTH}
    assert told["sync_run.parked"]["reason"] == "incomplete_run"
    consume(two)
    told = dict(outbox.taken())
    run = told["sync_run.completed"]
    assert set(told) == {PROVENANCE, HEALTH, "sync_run.completed"}
    assert run["messages_applied"] == 2
    assert run["counts"]["company"] == linked(2)
    assert run["link"] == f"/v1/sync-runs/{run['sync_run_id']}"


@pytest.mark.parametrize("chunk", [2, 5000])
def test_chunks_are_told_when_done(ours: Tenant, outbox: Outbox, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wellspring.services.sync.applying.CHUNK", chunk)
    message = synced(ours.connector, [*ours.companies, *ours.peoples])
    consume(message)
    outbox.taken()
    undone = disconnected(ours.connector)
    for body, expected in (
        (undone, {"company": {"ended": 4}, "people": {"ended": 2}, "account": {"ended": 0}}),
        (
            reverted(ours.connector, undone["id"]),
            {"company": {"ended": 0, "linked": 4}, "people": {"ended": 0, "linked": 2}, "account": {"ended": 0}},
        ),
    ):
        consume(body)
        told = [data["counts"] for type_, data in outbox.taken() if type_ == PROVENANCE]
        assert told == [expected]


def test_a_snapshot_tells_its_run_and_what_it_ended(ours: Tenant, world: World, outbox: Outbox) -> None:
    companies = world.companies(ours.workspace, 30)
    consume(synced(ours.connector, companies))
    of_before = "UPDATE core_api.company_workspace_connectors SET created_at = '2026-05-01', updated_at = '2026-05-01'"
    world.database.owner.exec_driver_sql(of_before)
    world.database.commit()
    one = of_run(synced(ours.connector, companies[1:]))
    consume(one)
    outbox.taken()
    consume(completed(ours.connector, "nightly", one["id"], types=["company"]))
    told = dict(outbox.taken())
    assert told[PROVENANCE]["counts"] == {"company": {"ended": 1}}
    assert told["sync_run.completed"]["counts"]["company"]["ended"] == 1


def owner_of(world: World, workspace: Row) -> Caller:
    owner = world.people(workspace)
    world.member(owner, workspace, role="owner")
    return person(owner)


def test_a_match_a_choice_and_its_end_are_told_apart(ours: Tenant, world: World, outbox: Outbox) -> None:
    one, other = world.provider("one"), world.provider("other")
    consume(matched(ours.workspace, [one]))
    caller = owner_of(world, ours.workspace)
    route = f"/v1/workspaces/{ours.workspace.id}/providers"
    for provider, status in ((one, 200), (other, 201), (other, 200)):
        assert post(route, caller, draft("workspace_provider", provider=provider)).status == status
    assert delete(f"{route}/{one.id}", caller).status == 204
    told = [(type_.removeprefix("workspace_provider."), data) for type_, data in outbox.taken()]
    assert [(what, data["provider_id"], data["link"] is None) for what, data in told] == [
        ("matched", str(one.id), False),
        ("selected", str(one.id), False),
        ("selected", str(other.id), False),
        ("removed", str(one.id), True),
    ]


def test_enrolments_are_told_one_by_one(ours: Tenant, world: World, outbox: Outbox) -> None:
    caller = owner_of(world, ours.workspace)
    enrolling: Any = draft("workspace_group", {"name": "Group"})
    enrolling["data"]["relationships"] = {"workspaces": {"data": [{"type": "workspace", "id": str(ours.workspace.id)}]}}
    group = post("/v1/workspace-groups", caller, enrolling).data["id"]
    assert delete(f"/v1/workspace-groups/{group}/workspaces/{ours.workspace.id}", caller).status == 204
    again = draft("workspace_group_workspace", workspace=ours.workspace)
    assert post(f"/v1/workspace-groups/{group}/workspaces", caller, again).status == 201
    assert delete(f"/v1/workspace-groups/{group}", caller).status == 204
    events = outbox.events()
    what = [event["type"].rpartition(".")[2] for event in events]
    assert what == ["enrolled", "withdrawn", "enrolled", "withdrawn"]
    assert {event["partitionkey"] for event in events} == {group}
    assert {event["data"]["workspace_id"] for event in events} == {str(ours.workspace.id)}


@of_every_ledger
def test_a_write_over_http_tells_of_its_row(type_: str, ours: Tenant, world: World, outbox: Outbox) -> None:
    writer = service("system:read", "sync:write")
    resource = ledgers()[type_]
    record = world.record(type_, ours.workspace)
    of = {type_: record, "workspace_connector": ours.connector}
    route = route_of(type_)
    made = post(route, writer, draft(resource.type, {"direction": "input"}, **of))
    assert made.status == 201, made.body
    row = made.data
    link = f"{route}/{row['id']}"
    assert delete(link, writer).status == 204
    for value in (row["attributes"]["created_at"], None, None):
        assert patch(link, writer, draft(resource.type, {"deleted_at": value}, row["id"])).status == 200
    told = outbox.taken()
    # That it ended at another time is no change.
    assert [(data["counts"], data["link"]) for _, data in told] == [
        ({type_: {"linked": 1, "ended": 0}}, link),
        ({type_: {"linked": 0, "ended": 1}}, None),
        ({type_: {"linked": 1, "ended": 0}}, link),
    ]
    assert {(type_, data["row_id"], data["sync_message_id"]) for type_, data in told} == {(PROVENANCE, row["id"], None)}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements are over at once here; sweeps go in small chunks."""
    monkeypatch.setattr(endings, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(endings, "CHUNK", 3)


def sweep(world: World) -> None:
    world.database.role = CONSUMER
    for _ in range(3):
        endings.sweep(Deadline(30))


@pytest.mark.usefixtures("at_once")
def test_a_sweep_tells_once_for_each_connector(ours: Tenant, world: World, outbox: Outbox) -> None:
    other = world.workspace_connector(ours.workspace)
    for connector, times in ((ours.connector, 5), (other, 2)):
        world.provenances(ours.companies[:1] * times, connector)
    world.provenances(ours.peoples, other)
    world.database.role = FEEDER
    assert statuses(deleted("company", ours.companies[0])) == ["applied"]
    sweep(world)
    told = {data["workspace_connector_id"]: data["counts"] for _, data in outbox.taken()}
    assert told == {
        str(ours.connector.id): {"company": {"linked": 0, "ended": 5}},
        str(other.id): {"company": {"linked": 0, "ended": 2}},
    }
    world.database.role = FEEDER
    assert statuses(deleted("workspace_connector", other)) == ["applied"]
    sweep(world)
    health, changed = outbox.taken()
    assert (health[1]["to"], health[1]["link"]) == ("disconnected", None)
    assert changed[1]["counts"] == {"people": {"linked": 0, "ended": 2}}


@pytest.mark.usefixtures("at_once")
def test_a_provider_that_ends_removes_its_choices(world: World, outbox: Outbox) -> None:
    provider = world.provider("gone")
    for _ in range(4):
        world.choose(world.workspace(), provider, is_matched=True)
    world.database.role = FEEDER
    assert statuses(deleted("provider", provider)) == ["applied"]
    sweep(world)
    assert outbox.types() == ["workspace_provider.removed"] * 4


def test_what_the_platform_tells_changes_health(ours: Tenant, world: World, outbox: Outbox) -> None:
    consume(synced(ours.connector, ours.companies))
    outbox.taken()
    world.database.role = FEEDER
    connector = world.connector()
    for version, status in enumerate(("error", "error", "active"), 1):
        told = upserted(
            "workspace_connector",
            ours.connector,
            version,
            status=status,
            workspace_id=ours.workspace,
            connector_id=connector,
        )
        assert statuses(told) == ["applied"]
    assert [(data["from"], data["to"]) for _, data in outbox.taken()] == [("ok", "failing"), ("failing", "ok")]


def test_who_is_disconnected_tells_that_it_goes_and_comes_back(ours: Tenant, world: World, outbox: Outbox) -> None:
    consume(disconnected(ours.connector))
    link = f"/v1/workspace-connectors/{ours.connector.id}"
    assert [data["link"] for type_, data in outbox.taken() if type_ == HEALTH] == [link]
    consume(disconnected(ours.connector))
    told: dict[str, Any] = {"workspace_id": ours.workspace, "connector_id": world.connector()}
    world.database.role = FEEDER
    for event in (
        deleted("workspace_connector", ours.connector, 2),
        deleted("workspace_connector", ours.connector, 3),
        upserted("workspace_connector", ours.connector, 4, **told),
        upserted("workspace_connector", ours.connector, 5, **told),
    ):
        statuses(event)
    health = [data for type_, data in outbox.taken() if type_ == HEALTH]
    assert [(data["from"], data["to"], data["link"]) for data in health] == [
        ("disconnected", "disconnected", None),
        ("disconnected", "disconnected", link),
    ]


def test_who_is_late_is_told_by_the_clock_and_once(ours: Tenant, world: World, outbox: Outbox) -> None:
    consume(synced(ours.connector, ours.companies))
    expected = "expected_by = now() - interval '1 hour', health_changes_at = now()"
    with unjudged(world.database) as owner:
        owner.exec_driver_sql(f"UPDATE wellspring.connector_state SET {expected}")
    world.database.commit()
    outbox.taken()
    for _ in range(2):
        settling.judge(Deadline(30))
    ((type_, data),) = outbox.taken()
    assert (type_, data["from"], data["to"]) == (HEALTH, "ok", "late")
    assert [reason["code"] for reason in data["reasons"]] == ["late"]
