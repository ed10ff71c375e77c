"""The processes of a run: consumers of both queues, who settles, publishers, and ghosts; and what keeps them running.

A process does to itself what happens to it, so that it happens at a moment which nobody outside could catch:
SQLAlchemy's events say when a transaction has done its work and when it is about to commit. Product code knows nothing
of it. Whatever a process does it writes down first, in files that survive it.
"""

import importlib
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any, NamedTuple

# Here and not at their first use: a process is forked from one that has imported them.
import aws_lambda_powertools  # noqa: F401  (loaded once, for all forks)
import boto3  # noqa: F401  (loaded once, for all forks)
import pydantic  # noqa: F401  (loaded once, for all forks)
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Connection, event

from local.poller import Poller
from local.queue import client
from local.template import Function, QueueSource
from tests.support.api import TickingContext
from tests.support.databases import SCOPE_STATEMENTS
from wellspring.bus import Bus, BusAway
from wellspring.errors import InternalError, WellspringError

# Only a message that was received at most so often is abused: four more receives and it would be a dead letter, and
# one that died while its consumer was only asleep might have its effect later than the next of its group.
MOST_RECEIVES = 2
HIDDEN_SECONDS = 3
RETRY_SECONDS = 1
LONG_STALL_SECONDS = HIDDEN_SECONDS + 1.2
# Deliveries between two strikes of fate.
LONGEST_PEACE = 3
LONGEST_GHOST_SECONDS = 30.0
# Rows that a transaction ends, and events that it applies: so few that what is sent takes several.
CHUNK = 5
# What settles has less time than a minute, and here it comes round at once.
SETTLE_SECONDS = 20.0
PAUSE_SECONDS = 0.2
# How often a consumer of the feed settles what waits, of its polls.
SETTLING = 0.5
# Of a call of the bus: that it reaches nobody, that its answer is lost, that its process dies before or after it, that
# it is slow; and of an entry, that it is refused.
AWAY, UNANSWERED, DIES_BEFORE, DIES_AFTER, SLOW, REFUSED = 0.05, 0.05, 0.02, 0.02, 0.1, 0.1

# Files by which the harness tells every process of a folder that nothing happens to it any more, and that it may end.
PEACE = "peace"
LAST_CALL = "last-call"

MOMENTS = ("delivered", "entered", "worked", "committing", "answering")

type Handler = Callable[[Mapping[str, Any], object], Any]


@dataclass(frozen=True)
class Life:
    """What one process is told: its name, where things are, and the seed of what happens to it.

    `queue` is the one that calls its function: URL, ARN, and how.
    """

    name: str
    seed: int
    folder: Path
    environment: Mapping[str, str]
    function: Function
    endpoint_url: str
    queue: tuple[str, str, QueueSource] | None = None

    @property
    def diary(self) -> Path:
        """The file of what was delivered to it, what it answered and what happened to it."""
        return self.folder / f"{self.name}.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def is_told(self, word: str) -> bool:
        """Say whether the harness has given the word PEACE or LAST_CALL."""
        return (self.folder / word).exists()

    def goes_on(self) -> Iterator[None]:
        """Yield until the harness has said that it is enough, or is gone."""
        parent = os.getppid()
        while not self.is_told(LAST_CALL) and os.getppid() == parent:
            yield


# What strikes, at which moments, and with how many seconds; what is there more often strikes more often.
FATES = (
    *4 * [("killed", MOMENTS, (0.0, 0.0))],
    # Some milliseconds into the statement: Postgres is at work and the client gone.
    *2 * [("killed soon after", ("entered",), (0.0005, 0.02))],
    *2 * [("stalled", MOMENTS, (0.3, LONG_STALL_SECONDS))],
    ("lost the answer", ("committing",), (0.0, 0.0)),
    ("hurried", ("delivered",), (1.0, 5.0)),
)


class Fate(NamedTuple):
    """What strikes: `deed` at `moment` of a delivery, `after` so many deliveries."""

    after: int
    deed: str
    moment: str
    seconds: float


def draw(chance: random.Random) -> Fate:
    deed, moments, seconds = chance.choice(FATES)
    return Fate(chance.randint(1, LONGEST_PEACE), deed, chance.choice(moments), chance.uniform(*seconds))


class Struck:
    """A handler in this process, and what happens to it."""

    def __init__(self, life: Life) -> None:
        self._handler = prepare(life)
        from wellspring.database.engine import engine  # noqa: PLC0415  (in its own environment)

        self.life = life
        self.chance = random.Random(f"life {life.seed} {life.name}")
        self._diary: IO[str] = life.diary.open("a", buffering=1)
        self._fate = draw(self.chance)
        self._waited = 0
        self._spared = True
        self._seconds = 0.0
        for name, moment in (("before_cursor_execute", "entered"), ("after_cursor_execute", "worked")):
            event.listen(engine(), name, partial(self._statement, moment))
        event.listen(engine(), "commit", lambda connection: self.at("committing", connection))

    def note(self, **said: Any) -> None:
        self._diary.write(json.dumps(said) + "\n")

    def call(self, delivered: Mapping[str, Any], seconds: float, *, is_spared: bool = False) -> Any:
        """Call the handler; fate may strike, when it is its time."""
        self._seconds = seconds
        self._waited += 1
        self._spared = self._waited < self._fate.after or is_spared or self.life.is_told(PEACE)
        self.at("delivered")
        answer = self._handler(delivered, context(self._seconds))
        self.at("answering")
        return answer

    def _statement(self, moment: str, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(SCOPE_STATEMENTS):
            self.at(moment, connection)

    def at(self, moment: str, connection: Connection | None = None) -> None:
        """Let fate strike when it is its moment, once."""
        fate = self._fate
        if self._spared or moment != fate.moment:
            return
        self.note(deed=f"{fate.deed} ({fate.moment})")
        self._spared = True
        self._waited = 0
        self._fate = draw(self.chance)
        match fate.deed:
            case "killed":
                die()
            case "killed soon after":
                threading.Timer(fate.seconds, die).start()
            case "stalled":
                time.sleep(fate.seconds)
            case "hurried":
                self._seconds = fate.seconds
            case "lost the answer":
                assert connection is not None
                connection.connection.dbapi_connection._usock.shutdown(socket.SHUT_RD)  # type: ignore[union-attr]  # pg8000's


def context(seconds: float) -> TickingContext:
    return TickingContext(milliseconds=int(seconds * 1000))


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def prepare(life: Life) -> Handler:
    """Have what this process says go to its log, and import the function in its own environment."""
    with life.log.open("ab") as file:
        # Also what was made before the fork to go to the parent's output.
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.update(life.environment)
    from wellspring.services.feed import applying as of_feed  # noqa: PLC0415  (in its own environment)
    from wellspring.services.sync import applying as of_syncs  # noqa: PLC0415  (in its own environment)

    of_feed.CHUNK = of_syncs.CHUNK = CHUNK
    handler: Handler = importlib.import_module(life.function.handler.removesuffix(".handler")).handler
    return handler


# ---- the main functions of processes -----------------------------------------------------------------------
def consume(life: Life, between: Callable[[Struck], None] = lambda _: None) -> None:
    """Poll a queue as Lambda does, and do something between two polls."""
    struck = Struck(life)

    def invoke(delivered: Mapping[str, Any]) -> Any:
        struck.note(event=delivered)
        answer = struck.call(delivered, life.function.timeout, is_spared=Delivery(delivered).receives > MOST_RECEIVES)
        struck.note(failed=[item["itemIdentifier"] for item in answer["batchItemFailures"]])
        return answer

    assert life.queue is not None
    poller = Poller(
        client(life.endpoint_url), *life.queue, invoke, hidden_seconds=HIDDEN_SECONDS, retry_seconds=RETRY_SECONDS
    )
    for _ in life.goes_on():
        try:
            poller.poll_once(1)
        except (BotoCoreError, ClientError) as error:
            # Killed, the queue is away for a moment, and has no queues for another.
            struck.note(deed=f"lost the queue ({type(error).__name__})")
            time.sleep(PAUSE_SECONDS)
        between(struck)


def consume_feed(life: Life) -> None:
    """Poll the feed's queue, and settle now and then as its schedule does: whoever has a delivery may be struck so."""

    def settle_now_and_then(struck: Struck) -> None:
        if struck.chance.random() < SETTLING or life.is_told(PEACE):
            # What failed it has logged.
            with suppress(WellspringError):
                importlib.import_module("feed.settle").handler({}, context(life.function.timeout))

    consume(life, settle_now_and_then)


def settle(life: Life) -> None:
    struck = Struck(life)
    for _ in life.goes_on():
        # What failed it has logged, and the next time does it.
        with suppress(InternalError):
            struck.call({}, SETTLE_SECONDS)
        time.sleep(PAUSE_SECONDS)


HANDLERS: list[Handler] = []


def become_ghost(life: Life) -> None:
    """Be a process of a pool that gives the handler what was delivered to others."""
    HANDLERS.append(prepare(replace(life, name=f"{life.name}-{os.getpid()}")))


def repeat(delivered: Mapping[str, Any]) -> Any:
    return HANDLERS[0](delivered, context(LONGEST_GHOST_SECONDS))


class UnkindBus(Bus):
    """A bus in a file that all publishers share, which does what a bus may do."""

    def __init__(self, life: Life) -> None:
        self._chance = random.Random(f"bus {life.seed} {life.name}")
        self._life = life
        self._file = os.open(life.folder / "bus.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def put(self, entries: Sequence[Mapping[str, Any]]) -> list[str | None]:
        is_kind = self._life.is_told(PEACE)

        def happens(odds: float) -> bool:
            return not is_kind and self._chance.random() < odds

        if happens(AWAY):
            raise BusAway("abused")
        if happens(SLOW):
            time.sleep(self._chance.uniform(0, 1))
        if happens(DIES_BEFORE):
            die()
        codes = ["InternalFailure" if happens(REFUSED) else None for _ in entries]
        for entry, code in zip(entries, codes, strict=True):
            if code is None:
                os.write(self._file, entry["Detail"].encode() + b"\n")
        if happens(DIES_AFTER):
            die()
        if happens(UNANSWERED):
            raise BusAway("unanswered")
        return codes


def publish(life: Life) -> None:
    prepare(life)
    from wellspring.database.retry import Deadline  # noqa: PLC0415  (in its own environment)
    from wellspring.services import publishing  # noqa: PLC0415  (in its own environment)

    bus = UnkindBus(life)
    parent = os.getppid()
    while os.getppid() == parent:
        # Postgres is away for a moment, again and again.
        with suppress(WellspringError):
            publishing.publish(bus, Deadline(20))
        time.sleep(PAUSE_SECONDS / 4)


# ---- those who start them ----------------------------------------------------------------------------------
@dataclass
class Delivery:
    """A batch as a consumer had it; `failed` is what it answered, None when it never did."""

    event: Mapping[str, Any]
    failed: set[str] | None = None

    @property
    def receives(self) -> int:
        """How often the most received message of it has been received."""
        return max(int(record["attributes"]["ApproximateReceiveCount"]) for record in self.event["Records"])


@dataclass
class Worker:
    """A process, and what it wrote down as far as that was read."""

    life: Life
    process: BaseProcess
    deliveries: list[Delivery] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    _read: int = 0

    @property
    def in_hand(self) -> Delivery | None:
        last = self.deliveries[-1] if self.deliveries else None
        return last if last is not None and last.failed is None else None

    def read(self) -> Iterator[Delivery]:
        """Read on; return each delivery that is new."""
        with suppress(FileNotFoundError), self.life.diary.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                match json.loads(line):
                    case {"deed": deed}:
                        self.deeds[f"{self.life.function.name}: {deed}"] += 1
                    case {"failed": failed}:
                        self.deliveries[-1].failed = set(failed)
                    case {"event": event}:
                        self.deliveries.append(Delivery(event))
                        yield self.deliveries[-1]


class Herd:
    """Processes of one kind, of which so many live: who dies is replaced."""

    def __init__(self, processes: ForkServerContext, main: Callable[[Life], None], life: Life, size: int) -> None:
        self._processes, self._main, self._life, self._size = processes, main, life, size
        self.living: list[Worker] = []
        self.all: list[Worker] = []

    def tick(self) -> list[Delivery]:
        """Replace the dead, and return the deliveries that are new."""
        found = [delivery for worker in self.living for delivery in worker.read()]
        for worker in [worker for worker in self.living if not worker.process.is_alive()]:
            found += worker.read()
            self.living.remove(worker)
            worker.process.close()
        while len(self.living) < self._size:
            life = replace(self._life, name=f"{self._life.name}-{len(self.all)}")
            life.log.touch()
            process = self._processes.Process(target=self._main, args=(life,), daemon=True)
            process.start()
            self.living.append(Worker(life, process))
            self.all.append(self.living[-1])
        return found

    def join(self, seconds: float) -> bool:
        """Wait until they end by themselves; say whether they did. One may have been killed when it had done all."""
        for worker in self.living:
            worker.process.join(seconds)
            list(worker.read())
        return all(worker.process.exitcode in {0, -signal.SIGKILL} for worker in self.living)

    def end(self) -> None:
        for worker in self.living:
            worker.process.kill()
            worker.process.join()
            worker.process.close()
        self.living = []
