"""A storm of small messages through the whole local stack: how fast it is worked off, and in how much memory.

`STORM_MESSAGES=100000 make long ARGS="-n 0 tests/local/test_storm.py"` is the large one, and shows its figures.
"""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from local.queue import client
from tests.local.stack_process import StackProcess, command_line
from tests.support.feed import Event, upserted
from tests.support.queue import synced
from tests.support.stack import running
from tests.support.world import Row
from wellspring_producer.messages import Entry, entry_of
from wellspring_producer.sending import Sender

pytestmark = pytest.mark.long

MESSAGES = int(os.environ.get("STORM_MESSAGES", "1000"))
CONNECTORS = min(500, MESSAGES // 10)
# In so many seconds the large storm is over. The small one asserts no clock: a busy machine is no fault, and what a
# step of the queue costs is in test_queue.py.
LARGE = 100_000
MOST_SECONDS = 600
# What a queue cannot that keeps its messages in memory.
MOST_GROWN_MEGABYTES = 40
WORKSPACE, TOOL, COMPANY = UUID(int=1), UUID(int=2), UUID(int=3)
LINKED = """
SELECT count(*), count(DISTINCT row.sync_message_pk) FROM core_api.company_workspace_connectors AS row
JOIN core_api.companies AS company ON company.pk = row.company_pk WHERE company.id = '%s'
"""
SENDERS = 4
EVENTS_IN_A_BODY = 250
PAUSE_SECONDS = 0.5


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running(tmp_path_factory.mktemp("storm")) as started:
        yield started


def connector(number: int) -> UUID:
    return UUID(int=1000 + number)


def platform() -> list[Event]:
    """Return the events of one workspace with one company and all the connectors."""
    return [
        upserted("workspace", WORKSPACE),
        upserted("connector", TOOL),
        upserted("company", COMPANY, workspace_id=WORKSPACE),
        *(
            upserted("workspace_connector", connector(number), workspace_id=WORKSPACE, connector_id=TOOL)
            for number in range(CONNECTORS)
        ),
    ]


def message(number: int) -> Entry:
    """Return the message of a number, which links the company to its connector."""
    company = Row("company", 0, COMPANY)
    return entry_of(synced(connector(number % CONNECTORS), [company], id_=UUID(int=number)))


def megabytes(stack: StackProcess) -> dict[str, int]:
    """Return the memory of the queue's process, and of the stack's own."""
    assert stack.process is not None
    pids = {"queue": next(pid for pid in stack.below if "sqs_server" in command_line(pid)), "stack": stack.process.pid}
    return {
        name: int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True).stdout) // 1024
        for name, pid in pids.items()
    }


def waiting(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


def test_a_storm_is_worked_off_in_flat_memory(stack: StackProcess, capsys: pytest.CaptureFixture[str]) -> None:
    sqs = client(stack.facts["sqs_endpoint_url"])
    url, feed_url = stack.facts["queue_url"], stack.facts["feed_queue_url"]
    for events in itertools.batched(platform(), EVENTS_IN_A_BODY, strict=False):
        sqs.send_message(QueueUrl=feed_url, MessageBody=json.dumps(events))
    while waiting(sqs, feed_url):
        time.sleep(PAUSE_SECONDS)

    def send(numbers: Iterable[int]) -> None:
        Sender(url, sqs).send(*map(message, numbers))

    samples = [megabytes(stack)]
    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        sending = [senders.submit(send, numbers) for numbers in itertools.batched(range(MESSAGES), 10, strict=False)]
        while waiting(sqs, url) or not all(one.done() for one in sending):
            samples.append(megabytes(stack))
            time.sleep(PAUSE_SECONDS)
        seconds = time.monotonic() - began
        for one in sending:
            one.result()
    samples.append(megabytes(stack))
    start, middle, end = samples[0], samples[len(samples) // 2], samples[-1]
    with capsys.disabled():
        # The rate is what it is for, where nothing asserts it.
        print(f"\n{MESSAGES:,} messages in {seconds:.0f} s, {MESSAGES / seconds:.0f} a second")  # noqa: T201  see above
        print(f"MB at its start {start}, middle {middle}, end {end}")  # noqa: T201  the same
    # As many rows as messages, each of one of its own.
    assert stack.sql(LINKED % COMPANY).strip() == f"{MESSAGES}|{MESSAGES}"
    assert stack.dead_letters() == 0
    assert MESSAGES < LARGE or seconds <= MOST_SECONDS
    assert all(end[name] - start[name] < MOST_GROWN_MEGABYTES for name in start), samples
    sqs.close()
