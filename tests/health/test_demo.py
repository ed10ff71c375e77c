"""The demo has a connector of each health, by the feed and the queue alone."""

from local import demo_data
from tests.support.api import READER, get
from tests.support.databases import CONSUMER, FEEDER
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
    workspace = demo_data.demo_id("workspace", demo_data.AILING_IN)
    url = f"/v1/workspace-connectors?filter[workspace]={workspace}&page[size]=100"
    said = {item["id"]: item["attributes"]["health"] for item in get(url, READER).data}
    for each in demo_data.AILING:
        assert said[demo_data.demo_id("workspace_connector", demo_data.AILING_IN, each.number)] == each.health
    assert set(said.values()) == set(HEALTH)
