"""The demo has a connector of each health, by the feed and the queue alone; the large one is late where it says so."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from local import demo_data, large_data
from local.example_ids import demo_id
from tests.support.api import READER, get
from tests.support.databases import CONSUMER, FEEDER, Database
from tests.support.queue import consume
from tests.support.world import World
from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.resources import HEALTH
from wellspring.services.feed import applying


def test_the_demo_has_one_of_each_health(world: World) -> None:
    world.database.role = FEEDER
    told = [feed_events.parse_event(event) for event in demo_data.events()]
    assert {verdict.status for verdict in applying.apply(told, Deadline(60))} == {"applied"}
    world.database.role = CONSUMER
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
