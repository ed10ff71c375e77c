"""The load generator: reads what to send as JSON from its input, writes what came of it as JSON. A process of its own.

Each client has one connection, which it keeps, and sends its next request as soon as it has read the answer to its
last. It is run by the rivals' virtual environment, which has httptools and uvloop: on a machine with two cores the
generator must be cheap, or it measures itself. Every answer is checked, after its time was taken.
"""

import asyncio
import gc
import json
import math
import sys
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httptools
import orjson
import uvloop

DRAIN_SECONDS = 60.0
TELLING = 3


@dataclass(slots=True)
class Job:
    """What to send and what to expect.

    Attributes:
        host: of the server.
        port: of the server.
        asks: whole requests, which are sent in turns, each with the ids of the resources that its answer must hold, in
            this order; no ids for one new resource, None for any document.
        status: that every answer must have.
        included: how many included resources every answer must hold.
        clients: connections.
        warm_up: seconds before the first request that counts.
        seconds: during which requests are sent that count.
    """

    host: str
    port: int
    asks: list[tuple[str, list[str] | None]]
    status: int
    included: int
    clients: int
    warm_up: float
    seconds: float


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        milliseconds: of each good answer to a request that counts.
        first: when the first of these requests was sent.
        last: when the last of them was answered.
        accepted: good answers in all, also those that do not count.
        errors: answers that were wrong, and connections that were lost, in all.
        problems: what was wrong with the first of them.
    """

    milliseconds: list[float] = field(default_factory=list)
    first: float = math.inf
    last: float = 0.0
    accepted: int = 0
    errors: int = 0
    problems: list[str] = field(default_factory=list)

    def fail(self, problem: str) -> None:
        """Count an error."""
        self.errors += 1
        if len(self.problems) < TELLING:
            self.problems.append(problem)


class Load:
    """One run."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._asks = cycle([(request.encode(), ids) for request, ids in job.asks])
        self.outcome = Outcome()
        self.begin = time.perf_counter() + job.warm_up
        self.end = self.begin + job.seconds
        self.created: set[str] = set()

    def ask(self) -> tuple[bytes, list[str] | None]:
        """Return the next request, and the ids to be answered."""
        return next(self._asks)

    def answered(self, status: int, body: bytes, ids: list[str] | None, sent: float, now: float) -> None:
        """Take an answer into account."""
        problem = self._problem(status, body, ids)
        if problem:
            self.outcome.fail(problem)
            return
        self.outcome.accepted += 1
        if self.begin <= sent < self.end:
            self.outcome.milliseconds.append((now - sent) * 1000)
            self.outcome.first = min(self.outcome.first, sent)
            self.outcome.last = max(self.outcome.last, now)

    def _problem(self, status: int, body: bytes, ids: list[str] | None) -> str:
        if status != self.job.status:
            return f"{status}: {body[:500].decode(errors='replace')}"
        try:
            document = orjson.loads(body)
            return "" if ids is None else self._difference(document, ids)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            return f"not the document that was expected ({error!r})"

    def _difference(self, document: Any, ids: list[str]) -> str:
        data = document["data"]
        if not ids:
            if data["id"] in self.created:
                return f"{data['id']} was created twice"
            self.created.add(data["id"])
            return ""
        found = [item["id"] for item in data] if isinstance(data, list) else [data["id"]]
        included = len(document.get("included", ()))
        if found != ids:
            return f"{len(found)} resources, or others"
        return "" if included == self.job.included else f"{included} included resources"


class Client(asyncio.Protocol):
    """One connection. `closed` is called once it is."""

    def __init__(self, load: Load, closed: asyncio.Future[None]) -> None:
        self._load = load
        self._closed = closed
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._ids: list[str] | None = None
        self._sent = 0.0
        self._transport: Any = None
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request, self._ids = self._load.ask()
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._load.outcome.fail(repr(error))
            self._leave()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the answer."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Take the answer, and send the next request unless the time is over."""
        now = time.perf_counter()
        body = b"".join(self._body)
        self._body.clear()
        self._load.answered(self._parser.get_status_code(), body, self._ids, self._sent, now)
        if now >= self._load.end or not self._parser.should_keep_alive():
            self._leave()
        else:
            self._send()

    def _leave(self) -> None:
        self._done = True
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Say that it is over."""
        if not self._done:
            self._load.outcome.fail(f"connection lost ({error!r})")
        if not self._closed.done():
            self._closed.set_result(None)


async def client(load: Load) -> None:
    """Be one client until the time is over; connect again where the server closes the connection."""
    loop = asyncio.get_running_loop()
    while time.perf_counter() < load.end:
        closed = loop.create_future()
        try:
            await loop.create_connection(lambda: Client(load, closed), load.job.host, load.job.port)  # noqa: B023  used at once
        except OSError as error:
            load.outcome.fail(f"no connection ({error!r})")
            await asyncio.sleep(0.1)
        else:
            await closed


async def run(job: Job) -> Outcome:
    """Let all clients work at once; what is not answered long after the end is an error each."""
    load = Load(job)
    tasks = [asyncio.create_task(client(load)) for _ in range(job.clients)]
    _, hanging = await asyncio.wait(tasks, timeout=job.warm_up + job.seconds + DRAIN_SECONDS)
    for task in hanging:
        load.outcome.fail("no answer")
        task.cancel()
    return load.outcome


def main() -> None:
    """Do one job."""
    job = Job(**json.load(sys.stdin))
    gc.freeze()
    outcome = uvloop.run(run(job))
    json.dump(
        {
            "milliseconds": [round(value, 3) for value in outcome.milliseconds],
            "seconds": max(0.0, outcome.last - outcome.first),
            "accepted": outcome.accepted,
            "errors": outcome.errors,
            "problems": outcome.problems,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
