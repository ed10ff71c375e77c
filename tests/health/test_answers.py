"""A connector's health in the API: to whom it is shown, and how connectors are found by it."""

from datetime import datetime, timedelta

import pytest

from tests.health.conftest import Tenant
from tests.support.api import READER, get
from tests.support.databases import Statements
from tests.support.queue import consume, disconnected
from tests.support.world import World
from wellspring.resources import HEALTH

URL = "/v1/workspace-connectors"
DAY = timedelta(days=1)


def found(url: str, ours: Tenant) -> list[str]:
    return [item["id"] for item in get(url, ours.caller).data]


def test_nobody_is_told_nothing() -> None:
    assert get(f"{URL}?filter[health]=late").status == 401


def test_a_foreign_connector_is_not_found_by_its_health(ours: Tenant, theirs: Tenant) -> None:
    assert found(f"{URL}?filter[health]=new", ours) == [str(ours.connector.id)]
    assert get(f"{URL}?filter[health]=new&filter[workspace]={theirs.workspace.id}", ours.caller).status == 403


def test_all_that_holds_is_told_with_its_time(world: World, ours: Tenant, now: datetime) -> None:
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
    world: World, ours: Tenant, now: datetime, query: str, statements: Statements
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
