"""A connector's health in the API: to whom it is shown, how connectors are found by it, and what the demos have."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from local import demo_data, large_data
from local.example_ids import demo_id
from tests.health.conftest import Tenant
from tests.support.api import READER, get
from tests.support.databases import CONSUMER, FEEDER, Database, Statements, acting_as
from tests.support.feed import statuses
from tests.support.queue import consume, disconnected
from tests.support.world import World
from wellspring.resources import HEALTH

URL = "/v1/workspace-connectors"
DAY = timedelta(days=1)


def found(url: str, ours: Tenant) -> list[str]:
    return [item["id"] for item in get(url, ours.caller).data]


def test_a_foreign_connector_is_not_found_by_its_health(ours: Tenant, theirs: Tenant) -> None:
    assert found(f"{URL}?filter[health]=new", ours) == [str(ours.connector.id)]
    assert get(f"{URL}?filter[health]=new&filter[workspace]={theirs.workspace.id}", ours.caller).status == 403


def test_all_that_holds_is_told_with_its_time(ours: Tenant, now: datetime) -> None:
    for back in (8, 7, 6, 5):
        ours.sync(now - back * DAY)
    ours.park()
    said = get(f"{URL}/{ours.connector.id}", ours.caller).data["attributes"]
    late = (now - 3 * DAY).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert said["health"] == "failing"
    assert [reason["code"] for reason in said["health_reasons"]] == ["failing", "late"]
    assert said["expected_by"] == said["health_reasons"][1]["at"] == late
    assert said["complete_through"] is None


def test_what_never_synced_is_new_since_it_is_there(ours: Tenant) -> None:
    said = get(f"{URL}/{ours.connector.id}", ours.caller).data["attributes"]
    assert said["health_reasons"] == [{"code": "new", "at": said["created_at"]}]
    assert (said["expected_by"], said["consent_expires_at"]) == (None, None)


@pytest.mark.parametrize("query", ["", "filter[workspace]={workspace}&"])
def test_a_workspace_is_asked_for_what_is_wrong_in_it(
    world: World, ours: Tenant, query: str, statements: Statements
) -> None:
    others = [world.workspace_connector(ours.workspace) for _ in range(3)]
    consume(disconnected(others[0]), disconnected(others[1]))
    url = f"{URL}?{query.format(workspace=ours.workspace.id)}filter[health]=disconnected"
    assert set(found(url, ours)) == {str(one.id) for one in others[:2]}
    first = get(f"{url}&page[size]=1&page[total]=true", ours.caller).document
    assert first["meta"]["page"]["total"] == 2
    assert [item["id"] for item in first["data"]] == [str(others[1].id)]
    statements.clear()
    get(url, ours.caller)
    assert len(statements) == 2 + bool(query)


def test_a_service_asks_within_a_workspace(ours: Tenant) -> None:
    url = f"{URL}?filter[health]=new&filter[workspace]={ours.workspace.id}"
    assert [item["id"] for item in get(url, READER).data] == [str(ours.connector.id)]


def test_there_are_these_healths_and_no_other(ours: Tenant) -> None:
    for health in HEALTH:
        assert get(f"{URL}?filter[health]={health}", ours.caller).status == 200


def test_its_health_is_no_part_of_its_etag_and_its_consent_is(ours: Tenant, world: World, now: datetime) -> None:
    def tag() -> str:
        return get(f"{URL}/{ours.connector.id}", ours.caller).headers["etag"]

    before = tag()
    ours.sync(now)
    ours.park()
    assert tag() == before
    world.database.owner.exec_driver_sql(
        f"UPDATE core_api.workspace_connectors SET consent_expires_at = now() WHERE pk = {ours.connector.pk}"
    )
    world.database.commit()
    assert tag() != before
    said = get(f"{URL}/{ours.connector.id}", ours.caller).data["attributes"]
    assert said["consent_expires_at"].endswith("Z")


def test_the_demo_has_one_of_each_health(world: World) -> None:
    world.database.role = CONSUMER
    with acting_as(FEEDER):
        assert set(statuses(*demo_data.events())) == {"applied"}
    for message in demo_data.messages():
        assert consume(message) == []
    workspace = demo_id("workspace", demo_data.AILING_IN)
    url = f"/v1/workspace-connectors?filter[workspace]={workspace}&page[size]=100"
    said = {item["id"]: item["attributes"]["health"] for item in get(url, READER).data}
    for each in demo_data.AILING:
        assert said[demo_id("workspace_connector", demo_data.AILING_IN, each.number)] == each.health
    assert set(said.values()) == set(HEALTH)


@pytest.mark.long
def test_of_the_large_demo_those_are_late_whose_outage_lasts(database: Database) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    times: dict[str, list[datetime]] = {connection.id: [] for connection in large_data.connections()}
    tool = {connection.id: connection.kind.name for connection in large_data.connections()}
    labelled = large_data.outages(now)
    lasting = {each.connector for each in labelled if each.until is None}
    away = [each for each in labelled if each.until is not None]
    for sync in large_data.syncs(now):
        id_ = sync.body["workspace_connector_id"]
        if sync.body["type"] == "records.synced" and id_ in times:
            times[id_].append(sync.at)
            assert not [one for one in away if one.tool == tool[id_] and one.since < sync.at < (one.until or now)]
    late = (
        "SELECT max(CAST(:last AS timestamptz) + longest) < :now FROM wellspring.rhythm(CAST(:times AS timestamptz[]))"
    )
    found = {
        id_
        for id_, known in times.items()
        if known
        and database.owner.execute(text(late), {"last": known[-1], "times": known[-21:], "now": now}).scalar_one()
    }
    ended = {each.id for each in large_data.connections() if each.rhythm == "disconnected"}
    assert lasting
    assert found - ended == lasting
