"""The local bus: what is put on it comes to the queue that gets all, whole; `make events-out` shows it in a line."""

import json
from datetime import datetime

import pytest

from local.generate.events import outgoing
from local.queue import BUS, client
from tests.local.queues import Sqs

EXAMPLES = {name: event["detail"] for name, event in outgoing().items()}


@pytest.mark.long
def test_what_is_put_on_the_bus_comes_to_its_queue_as_eventbridge_sends_it(sqs: Sqs) -> None:
    url, events = sqs.server.make_bus(), client(sqs.server.endpoint_url, "events")
    entries = [
        {
            "Source": source,
            "DetailType": detail["type"],
            "Detail": json.dumps(detail),
            "Time": datetime.fromisoformat(detail["time"]),
            "EventBusName": f"arn:aws:events:us-east-1:123456789012:event-bus/{BUS}",
        }
        for source, detail in (("wellspring", EXAMPLES["provenance.changed"]), ("others", EXAMPLES["sync_run.parked"]))
    ]
    assert events.put_events(Entries=entries)["FailedEntryCount"] == 0
    (body,) = sqs.bodies(sqs.receive(url))
    # The bus's own: its id, and where it stands.
    own = {"id", "region"}
    expected = outgoing()["provenance.changed"]
    assert {name: value for name, value in json.loads(body).items() if name not in own} == {
        name: value for name, value in expected.items() if name not in own
    }
