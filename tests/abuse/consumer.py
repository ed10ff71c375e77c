"""One consumer: a process that polls the queue as Lambda does, runs the real handler, and dies or stalls when told.

Or one that settles: it runs the maintenance function again and again, and the same happens to it.

It does to itself what happens to it, so that it happens at a moment which nobody outside could catch: SQLAlchemy's
events say when a transaction has done its work and when it is about to commit. Product code knows nothing of it.
Whatever it does it writes down first, in files that survive it.
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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import IO, Any

# Here and not at their first use: a consumer is forked from a process that has imported them.
import aws_lambda_powertools  # noqa: F401  (loaded once, for all forks)
import boto3  # noqa: F401  (loaded once, for all forks)
import pg8000.legacy  # noqa: F401  (loaded once, for all forks)
import pydantic  # noqa: F401  (loaded once, for all forks)
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Connection, event

from local.poller import Poller
from local.queue import client
from local.template import QueueSource
from tests.support.databases import SCOPE_STATEMENTS
from wellspring.errors import InternalError

# Only a message that was received at most so often is abused: four more receives and it would be a dead letter, and
# one that died while its consumer was only asleep might have its effect later than the next of its group.
MOST_RECEIVES = 2
HIDDEN_SECONDS = 3
RETRY_SECONDS = 1
LONG_STALL_SECONDS = HIDDEN_SECONDS + 1.2
# Deliveries between two strikes of fate.
LONGEST_PEACE = 3
LONGEST_GHOST_SECONDS = 30.0
CHUNK = 5
# What settles has less time than a minute, and here it comes round at once.
SETTLE_SECONDS = 20.0
SETTLE_PAUSE_SECONDS = 0.2

# Files by which the harness tells every consumer that nothing happens to it any more, and that it may end.
PEACE = "peace"
LAST_CALL = "last-call"

MOMENTS = ("delivered", "entered", "worked", "committing", "answering")


@dataclass(frozen=True)
class Life:
    """What one consumer process is told: where things are, its number, and the seed of what happens to it."""

    number: int
    seed: int
    folder: Path
    environment: Mapping[str, str]
    endpoint_url: str
    queue_url: str
    queue_arn: str
    source: QueueSource
    time_limit: float
    module: str = "sync.consume"

    @property
    def diary(self) -> Path:
        """The file of what was delivered to it, what it answered and what happened to it."""
        return self.folder / f"{self.number}.jsonl"

    @property
    def log(self) -> Path:
        """The file of what the handler logged."""
        return self.folder / f"{self.number}.log"

    def is_told(self, word: str) -> bool:
        """Say whether the harness has given the word PEACE or LAST_CALL."""
        return (self.folder / word).exists()


@dataclass(frozen=True)
class Fate:
    """What strikes: `deed` at `moment` of a delivery, `after` so many deliveries."""

    after: int
    deed: str
    moment: str
    seconds: float = 0.0


class Context:
    """Lambda's context of one invocation."""

    def __init__(self, seconds: float) -> None:
        self.aws_request_id = "abused"
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def draw(chance: random.Random) -> Fate:
    """Return what happens next."""
    after = chance.randint(1, LONGEST_PEACE)
    match chance.randrange(10):
        case 0 | 1 | 2 | 3:
            return Fate(after, "killed", chance.choice(MOMENTS))
        case 4 | 5:
            # Some milliseconds into the statement: Postgres is at work and the client gone.
            return Fate(after, "killed soon after", "entered", chance.uniform(0.0005, 0.02))
        case 6 | 7:
            return Fate(after, "stalled", chance.choice(MOMENTS), chance.choice((0.3, LONG_STALL_SECONDS)))
        case 8:
            return Fate(after, "lost the answer", "committing")
    return Fate(after, "hurried", "delivered", chance.choice((1.0, 3.2, 5.0)))


class Consumer:
    """The consumer in this process."""

    def __init__(self, life: Life) -> None:
        self._handler = _load(life)
        from wellspring.database.engine import engine  # noqa: PLC0415  (in its own environment)

        self._life = life
        self._chance = random.Random(f"life {life.seed} {life.number}")
        self._diary: IO[str] = life.diary.open("a", buffering=1)
        self._fate = draw(self._chance)
        self._waited = 0
        self._struck = False
        self._seconds = 0.0
        event.listen(engine(), "before_cursor_execute", self._before_statement)
        event.listen(engine(), "after_cursor_execute", self._after_statement)
        event.listen(engine(), "commit", self._before_commit)

    def note(self, **said: Any) -> None:
        """Write a line into the diary."""
        self._diary.write(json.dumps({"at": round(time.time(), 3), **said}) + "\n")

    def work_off(self) -> None:
        """Poll until the harness has said that it is enough, or is gone."""
        life = self._life
        poller = Poller(
            client(life.endpoint_url),
            life.queue_url,
            life.queue_arn,
            life.source,
            self._invoke,
            hidden_seconds=HIDDEN_SECONDS,
            retry_seconds=RETRY_SECONDS,
        )
        parent = os.getppid()
        while not life.is_told(LAST_CALL) and os.getppid() == parent:
            try:
                poller.poll_once(1)
            except (BotoCoreError, ClientError) as error:
                # Killed, the queue is away for a moment, and has no queues for another.
                self.note(deed="lost the queue", moment=type(error).__name__, seconds=0.0)
                time.sleep(RETRY_SECONDS / 5)
            self._rest()

    def _rest(self) -> None:
        """Do what is done between two polls."""

    def _invoke(self, delivered: Mapping[str, Any]) -> Any:
        self.note(event=delivered)
        self._seconds = self._life.time_limit
        receives = max(int(record["attributes"]["ApproximateReceiveCount"]) for record in delivered["Records"])
        self._waited += 1
        self._struck = self._waited < self._fate.after or receives > MOST_RECEIVES or self._life.is_told(PEACE)
        self._at("delivered")
        answer = self._handler(delivered, Context(self._seconds))
        self._at("answering")
        self.note(failed=[item["itemIdentifier"] for item in answer["batchItemFailures"]])
        return answer

    def settle(self) -> None:
        """Settle again and again until the harness has said that it is enough, or is gone."""
        parent = os.getppid()
        while not self._life.is_told(LAST_CALL) and os.getppid() == parent:
            self._seconds = SETTLE_SECONDS
            self._waited += 1
            self._struck = self._waited < self._fate.after or self._life.is_told(PEACE)
            self._at("delivered")
            # What failed it has logged, and the next time does it.
            with suppress(InternalError):
                self._handler({}, Context(self._seconds))
            self._at("answering")
            time.sleep(SETTLE_PAUSE_SECONDS)

    # ---- the moments ------------------------------------------------------------------------------------
    def _before_statement(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(SCOPE_STATEMENTS):
            self._at("entered", connection)

    def _after_statement(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(SCOPE_STATEMENTS):
            self._at("worked", connection)

    def _before_commit(self, connection: Connection) -> None:
        self._at("committing", connection)

    def _at(self, moment: str, connection: Connection | None = None) -> None:
        """Let fate strike when it is its moment, once."""
        fate = self._fate
        if self._struck or moment != fate.moment:
            return
        self.note(deed=fate.deed, moment=fate.moment, seconds=fate.seconds)
        self._struck = True
        self._waited = 0
        self._fate = draw(self._chance)
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


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def handler_of(module: str) -> Callable[[Mapping[str, Any], object], Any]:
    """Return the handler of a function by its module, such as `sync.consume`."""
    handler: Callable[[Mapping[str, Any], object], Any] = importlib.import_module(module).handler
    return handler


def _load(life: Life) -> Callable[[Mapping[str, Any], object], Any]:
    """Import the function in its own environment, and return its handler."""
    os.environ.update(life.environment)
    from wellspring.services.sync import applying  # noqa: PLC0415  (in its own environment)

    # So that a connector of some dozens of rows takes several transactions to end, between which all may happen.
    applying.CHUNK = CHUNK
    return handler_of(life.module)


def speak_into(log: Path) -> None:
    """Let what this process says go to `log`, also what was made before the fork to go to the parent's output."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def consume(life: Life) -> None:
    """Be a consumer: the main function of its process."""
    speak_into(life.log)
    Consumer(life).work_off()


def settle(life: Life) -> None:
    """Settle: the main function of its process."""
    speak_into(life.log)
    Consumer(life).settle()


def haunt(life: Life, requests: Pipe) -> None:
    """Be a ghost, the main function of its process: give the handler what was delivered to others, once more."""
    speak_into(life.log)
    handler = _load(life)
    with suppress(EOFError):
        while True:
            delivered = requests.recv()
            handler(delivered, Context(LONGEST_GHOST_SECONDS))
            requests.send(len(delivered["Records"]))
