"""The platform's feed while everything breaks: its own queue and consumers, under the same faults as the syncs.

Resources of all types are told of in random histories: upserts, deletions, revivals and erasures with their versions,
in any order, in bodies of which some come twice. What syncs name is not among them: the syncs' model judges those.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import text

from local.queue import QueueServer, client
from local.template import Function, Template
from tests.abuse import consumer, feed_consumer
from tests.abuse.consumer import Life
from tests.abuse.ledger import Ledger
from tests.support.feed import Event
from tests.support.histories import History, batches, histories, problems

CONSUMERS = 2
# Of the sync messages, for each of which some events are sent: one platform of a dozen resources for so many of them.
MESSAGES_OF_A_PLATFORM = 40
REPEATED = 0.15
PATIENCE_SECONDS = 120.0
LARGEST_BATCH = 10

_KEPT = "SELECT outcome, reason, event_type FROM wellspring.pending_events WHERE outcome <> 'waiting'"
# What waits though what it names has come.
_FORGOTTEN = """
SELECT event.event_type, event.subject FROM wellspring.pending_events AS event
 WHERE outcome = 'waiting' AND CASE missing_type
       WHEN 'workspace' THEN EXISTS (SELECT FROM core_api.workspaces WHERE id::text = missing_key)
       WHEN 'connector' THEN EXISTS (SELECT FROM core_api.connectors WHERE id::text = missing_key)
       WHEN 'people' THEN EXISTS (SELECT FROM core_api.peoples WHERE id::text = missing_key)
       ELSE true END
"""


@dataclass(frozen=True)
class Plan:
    """What is told: everything that happens to any resource, and the bodies in which it is sent."""

    told: Sequence[History]
    bodies: Sequence[Sequence[Event]]


def plan(seed: int, messages: int) -> Plan:
    """Return what a run beside so many sync messages tells; the same for the same numbers."""
    chance = random.Random(f"feed {seed}")
    told = [one for _ in range(max(2, messages // MESSAGES_OF_A_PLATFORM)) for one in histories(chance)]
    bodies = batches(chance, [event for history in told for event in history.events()])
    bodies += chance.sample(bodies, int(len(bodies) * REPEATED))
    chance.shuffle(bodies)
    return Plan(told, bodies)


def judge(told: Sequence[History], url: str) -> list[str]:
    """Return where the database is not as `told` says: parents, sums, what waits and what is parked."""
    with Ledger.owner(url) as owner:
        found = list(problems(told, lambda statement: owner.execute(text(statement)).all()))
        found += [f"is kept: {tuple(row)}" for row in owner.exec_driver_sql(_KEPT)]
        found += [f"waits for nothing: {tuple(row)}" for row in owner.exec_driver_sql(_FORGOTTEN)]
    return found


class Feeding:
    """The feed in a run.

    Args:
        seed: of the run.
        messages: how many sync messages it has.
        folder: for the diaries and logs of its consumers; it is made.
        processes: makes them.
        template: whose functions and queues they are.
        environment: what a function is told of where things are.
        server: of the queues.
        sending: held by whoever sends: meanwhile the queue is not killed.
        url: of the database, as its owner.
    """

    def __init__(
        self,
        *,
        seed: int,
        messages: int,
        folder: Path,
        processes: ForkServerContext,
        template: Template,
        environment: Callable[[Function], dict[str, str]],
        server: QueueServer,
        sending: AbstractContextManager[object],
        url: str,
    ) -> None:
        self._url = url
        self._sending = sending
        self._plan = plan(seed, messages)
        self._processes = processes
        functions = {function.handler: function for function in template.functions.values()}
        function, self._settler = functions["feed.consume.handler"], functions["feed.settle.handler"]
        source = next(source for fed, source in template.queue_sources if fed == function)
        folder.mkdir()
        self._first_life = Life(
            number=0,
            seed=seed,
            folder=folder,
            environment=environment(function),
            endpoint_url=server.endpoint_url,
            queue_url=server.urls[source.queue],
            queue_arn=template.queues[source.queue].arn,
            source=source,
            time_limit=float(function.timeout),
            module="feed.consume",
        )
        self._dead_letters = server.urls["FeedDeadLetterQueue"]
        self._sqs = client(server.endpoint_url)
        self._lives: list[Life] = []
        self._living: list[BaseProcess] = []
        self._over = threading.Event()
        self._producer: threading.Thread | None = None
        self._unsent = len(self._plan.bodies)
        self._redriven = 0

    def start(self, seconds: float) -> None:
        """Begin to send everything, evenly over so many seconds."""
        self._producer = threading.Thread(target=self._send, args=(seconds,), daemon=True)
        self._producer.start()

    def tick(self) -> None:
        """Replace the dead."""
        for process in [process for process in self._living if not process.is_alive()]:
            self._living.remove(process)
            process.close()
        while self._producer is not None and len(self._living) < CONSUMERS:
            life = replace(self._first_life, number=len(self._lives))
            life.log.touch()
            self._lives.append(life)
            process = self._processes.Process(target=feed_consumer.consume, args=(life, self._settler), daemon=True)
            process.start()
            self._living.append(process)

    def finish(self) -> list[str]:
        """Let the consumers work off the rest in peace, dead letters too; return what is wrong in the end."""
        (self._first_life.folder / consumer.PEACE).touch()
        assert self._producer is not None
        self._producer.join(PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (self._left() or self._redrive()) and time.monotonic() < deadline:
            self.tick()
            time.sleep(0.1)
        found = [f"{self._unsent} bodies could not be sent"] if self._unsent else []
        found += ["the queue was not worked off"] if self._left() else []
        # What waited for the last body's is settled by the next that polls.
        while (wrong := judge(self._plan.told, self._url)) and time.monotonic() < deadline:
            self.tick()
            time.sleep(0.5)
        return found + wrong + self._errors()

    @property
    def did(self) -> Counter[str]:
        """What was sent, and what was done to the consumers."""
        did = Counter({"feed: bodies sent": len(self._plan.bodies) - self._unsent, "feed: redriven": self._redriven})
        for life in self._lives:
            lines = life.diary.read_text().splitlines() if life.diary.exists() else []
            for deed in said(lines):
                if "deed" in deed:
                    did[f"feed: {deed['deed']} ({deed['moment']})"] += 1
        return +did

    def end(self) -> None:
        """End all that it began."""
        self._over.set()
        if self._producer is not None:
            self._producer.join(PATIENCE_SECONDS)
        for process in self._living:
            process.kill()
            process.join()
            process.close()
        self._sqs.close()

    def _send(self, seconds: float) -> None:
        sqs = client(self._first_life.endpoint_url)
        began, bodies = time.monotonic(), self._plan.bodies
        for first in range(0, len(bodies), LARGEST_BATCH):
            if self._over.wait(max(0.0, began + seconds * first / len(bodies) - time.monotonic())):
                break
            entries = [
                {"Id": str(place), "MessageBody": json.dumps(body)}
                for place, body in enumerate(bodies[first : first + LARGEST_BATCH])
            ]
            with self._sending:
                answer = sqs.send_message_batch(QueueUrl=self._first_life.queue_url, Entries=entries)
            self._unsent -= len(answer["Successful"])
        sqs.close()

    def _left(self) -> int:
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._first_life.queue_url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _redrive(self) -> int:
        """Send the dead letters again, as an operator does; return how many there were.

        A body whose consumers died again and again is one: that is what the queue promises, and no fault.
        """
        answer = self._sqs.receive_message(QueueUrl=self._dead_letters, MaxNumberOfMessages=LARGEST_BATCH)
        found = answer.get("Messages", [])
        for letter in found:
            self._sqs.send_message(QueueUrl=self._first_life.queue_url, MessageBody=letter["Body"])
            self._sqs.delete_message(QueueUrl=self._dead_letters, ReceiptHandle=letter["ReceiptHandle"])
        self._redriven += len(found)
        return len(found)

    def _errors(self) -> list[str]:
        lines = [line for life in self._lives for line in life.log.read_text(errors="replace").splitlines()]
        return errors(said(lines))


def errors(lines: Iterable[Mapping[str, object]]) -> list[str]:
    """Return what of a log is an error, and is none that must be said where Postgres is away for a moment."""
    found = [line for line in lines if line.get("level") in {"ERROR", "CRITICAL"}]
    # It is done at the next batch, or a minute later.
    settling = {"message": "settling failed", "code": "SERVICE_UNAVAILABLE"}
    return [f"says {line}" for line in found if not settling.items() <= line.items()]


def said(lines: Sequence[str]) -> list[Mapping[str, object]]:
    """Return what is whole of lines of JSON: whoever is killed does not end its line; a word of it is no line."""
    found: list[Mapping[str, object]] = []
    for line in lines:
        with suppress(ValueError):
            whole = json.loads(line)
            found += [whole] if isinstance(whole, dict) else []
    return found
