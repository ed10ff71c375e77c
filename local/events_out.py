"""`make events-out`: shows the ledger's events in the terminal as they come.

It has a queue of its own on the bus, so that it takes nothing away from whoever reads `events_queue_url`.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from local.errors import Fault
from local.queue import BUS, add_target, client
from local.running import facts
from local.settings import Settings

WAIT_SECONDS = 10


def follow(settings: Settings, show: Callable[[str], None], *, as_json: bool) -> None:
    """Show each event of the running stack from now on, until Ctrl-C. Raises Fault when none runs any more."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  it comes with boto3, which `client` imports late

    endpoint = facts(settings)["sqs_endpoint_url"]
    sqs = client(endpoint)
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler)
    try:
        with _own_queue(sqs, client(endpoint, "events")) as url:
            while True:
                for event in _receive(sqs, url):
                    show(json.dumps(event) if as_json else line(event))
    except KeyboardInterrupt:
        pass
    except BotoCoreError:
        raise Fault("the stack has stopped") from None


@contextmanager
def _own_queue(sqs: Any, events: Any) -> Iterator[str]:
    name = f"events-out-{os.getpid()}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    try:
        add_target(events, name)
        yield url
    finally:
        # Where the stack has stopped, nothing of it is left.
        with suppress(Exception):
            events.remove_targets(Rule=name, EventBusName=BUS, Ids=["queue"])
            events.delete_rule(Name=name, EventBusName=BUS)
            sqs.purge_queue(QueueUrl=url)
            sqs.delete_queue(QueueUrl=url)


def _receive(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS)
    for message in received.get("Messages", []):
        yield json.loads(message["Body"])["detail"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def line(event: Mapping[str, Any]) -> str:
    """Return an event in a line: when, what, where to look, and what it says beside ids."""
    data = event["data"]
    said = (_said(name, value) for name, value in data.items() if name != "link" and not name.endswith("_id"))
    head = (event["time"][11:], event["type"].removeprefix("wellspring."), *said)
    return "  ".join((*head, data.get("link") or event["subject"]))


def _said(name: str, value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{type_} +{of.get('linked', 0)} -{of.get('ended', 0)}" for type_, of in value.items())
        case list():
            return f"{name}={','.join(each['code'] for each in value) or 'none'}"
    return f"{name}={value}"
