"""The local bus: what is put on it comes to the queue that gets all, whole; `make events-out` shows it in a line."""

import json
from datetime import datetime

import pytest

from local.events_out import line
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "workspace_connector.health_changed",
            "from=ok  to=late  reasons=late  /v1/workspace-connectors/01990000-0006-7000-8000-a00000000001",
        ),
        ("sync_run.completed", "messages_applied=4  company +1200 -7  /v1/sync-runs/"),
        ("sync_message.parked", "message_type=records.synced  reason=unknown_record  /v1/sync-messages/"),
        # What is over has no link.
        ("workspace_provider.removed", EXAMPLES["workspace_provider.removed"]["subject"]),
    ],
)
def test_an_event_is_a_line_with_its_time_its_type_and_what_it_says(name: str, expected: str) -> None:
    assert line(EXAMPLES[name]).startswith(f"08:14:22.318Z  {name}  {expected}")
