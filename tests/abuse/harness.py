"""One run: Postgres, the queue and consumers as processes, messages into it, and everything going wrong meanwhile.

What goes wrong, and when, comes from the seed; how far each process has got by then does not.
"""

import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pg8000
from sqlalchemy.exc import DBAPIError

from local.errors import Fault
from local.postgres import temporary
from local.processes import free_port
from local.queue import client
from local.settings import HOST
from local.template import Template
from migrations import run as migrations
from tests.abuse import feeding, processes, publishing
from tests.abuse.ledger import FORGOTTEN, Ledger, bring, owner_of, populate
from tests.abuse.plan import Author, Cast, Send, effective, mended
from tests.abuse.processes import LAST_CALL, MOST_RECEIVES, PEACE, Delivery, Ghost, Herd, Life, Worker
from tests.local.queues import Sqs, serve
from tests.support.databases import CONSUMER, FEEDER
from tests.support.freezing import frozen
from tests.support.queue import delivery

DATABASE = "abuse"
# A copy of it, to which the same happens in peace.
TWIN = "twin"
# How many processes there are of each kind, by the module of their function.
CONSUMERS, SETTLERS, FEEDERS, PUBLISHERS, GHOSTS = 4, 2, 2, 2, 2
TICK_SECONDS = 0.02
# The last message is sent when this much of the time is over, so that the abuse goes on while the queue is worked off.
SENDING = 0.75
LARGEST_BATCH = 10
# On a slow machine the time is at most so much longer, until only this part of the messages is left.
OVERTIME = 1.5
REST = 0.1
# What strikes from outside: at sessions, server processes and all of Postgres, at a consumer, at the queue.
BLOWS = ("session", "session", "server", "cluster", "frozen", "frozen", "consumer", "consumer", "queue")
# Between two blows.
CALM_SECONDS = (2.0, 5.0)
DOWN_SECONDS = (0.0, 1.5)
# A moment; and longer than a delivery stays hidden, so that others have it meanwhile.
FROZEN_SECONDS = (0.5, 4.2)
PATIENCE_SECONDS = 120.0
# How many deliveries a ghost repeats: at once, beside the consumer that has them; and late, when all of it is done.
AT_ONCE = 0.1
LATE = 0.15
LATE_SECONDS = (0.5, 15.0)
AT_LAST = 60
# How long consumers die and stall while they work off what is sent once more.
MENDING_SECONDS = 10.0
# What is counted of these, and the least that a run must have to prove anything.
OVERTAKEN = "consumers frozen until others had their messages"


@dataclass(frozen=True)
class Settings:
    """What a run is told. Without `inbox`, the database does not know a message again that it has had."""

    seed: int
    messages: int
    seconds: int
    inbox: bool = True


@dataclass(frozen=True)
class Freeze:
    """A consumer that was frozen while it had a delivery in hand."""

    delivery: Delivery
    since: float
    until: float

    def was_overtaken(self, others: Iterable[Delivery]) -> bool:
        """Say whether others were given some of its messages meanwhile, and it answered for them all the same."""
        given = (other for other in others if self.since < other.at < self.until)
        return self.delivery.failed is not None and any(self.delivery.ids & other.ids for other in given)


@dataclass
class Evidence:
    """What a run leaves behind, for `verdict`."""

    # What nobody sent again, though its record has come, is last, and has no id of SQS.
    sends: Sequence[Send]
    sqs_ids: Sequence[str]
    dead: Counter[str]
    log: Sequence[str]
    before: Ledger
    after: Ledger
    # Of a database to which the same has happened in peace, and in order.
    twin: Ledger
    # What else is wrong, by its kind.
    problems: Mapping[str, Sequence[str]]
    drained: bool
    did: Counter[str]
    took: Mapping[str, float]


class Sending:
    """A thread that sends entries in their order, evenly over some time; `lock` is held meanwhile."""

    def __init__(self, endpoint_url: str, queue_url: str, entries: Sequence[Mapping[str, Any]], lock: Any) -> None:
        self.ids: list[str] = []
        self.entries = entries
        self._of = endpoint_url, queue_url
        self._lock = lock
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, seconds: float) -> None:
        self._thread = threading.Thread(target=self._send, args=(seconds,), daemon=True)
        self._thread.start()

    @property
    def goes_on(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def end(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)

    def _send(self, seconds: float) -> None:
        endpoint_url, queue_url = self._of
        sqs, began = client(endpoint_url), time.monotonic()
        for first in range(0, len(self.entries), LARGEST_BATCH):
            due = began + seconds * first / len(self.entries)
            if self._over.wait(max(0.0, due - time.monotonic())):
                break
            batch = [
                {"Id": str(number), **entry} for number, entry in enumerate(self.entries[first : first + LARGEST_BATCH])
            ]
            with self._lock:
                answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=batch)
            self.ids += [sent["MessageId"] for sent in sorted(answer["Successful"], key=lambda sent: int(sent["Id"]))]
        sqs.close()


class Run:
    """The system under abuse."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._chance = random.Random(f"run {settings.seed}")
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([processes.__name__])
        self._did: Counter[str] = Counter()
        self._late: list[tuple[float, Delivery]] = []
        self._at_once: deque[Delivery] = deque()
        self._took: dict[str, float] = {}
        # Held by whoever sends: meanwhile the queue is not killed.
        self._sending = threading.Lock()
        # Processes that are stopped in the midst of what they do, and until when.
        self._asleep: dict[int, float] = {}
        self._freezes: list[Freeze] = []
        self._blows = 0

    def run(self) -> Evidence:
        """Do all of it, and return what there is to judge."""
        with ExitStack() as parts:
            # It must have a port of its own, to be found at again after a restart; and commits that are kept.
            self._cluster = parts.enter_context(temporary(durable=True, port=free_port()))
            cast = self._make_databases()
            before, health = Ledger.read(self._url), publishing.health(self._url)
            self._queue = Sqs(parts.enter_context(serve(self._folder)))
            parts.callback(self._queue.api.close)
            sends = Author(self._settings.seed, cast).write(self._settings.messages)
            self._make_processes(sends, parts)
            with self._timed("abuse"):
                self._abuse()
            with self._timed("working off the rest"):
                drained = self._drain()
            missed = mended(sends)
            # Half of it nobody sends: what settles releases it, by the ids that are known.
            again, settled = (missed[::2], missed[1::2]) if self._settings.inbox else (missed, [])
            with self._timed("sending once more what missed something, and settling"):
                if drained:
                    bring(self._url, cast, sends)
                    drained = self._send_again(again, settled)
            drained = self._dismiss() and drained
            with self._timed("working off the rest of the feed"):
                feed = self._finish_feed()
            with self._timed("repeating"):
                self._repeat_at_last()
            with self._timed("publishing the rest"):
                events = self._finish_publishing(health)
            after = Ledger.read(self._url)
            with self._timed("doing the same in peace"):
                bring(self._cluster.url(TWIN), cast, sends)
                self._do_in_peace(effective([*sends, *again, *settled], after.overtaken()))
            self._did[OVERTAKEN] = self._overtaken()
            return Evidence(
                sends=[*sends, *again, *settled],
                sqs_ids=self._sender.ids,
                dead=Counter(letter["MessageId"] for letter in self._take_all(self._queue.dead_letters)),
                log=[
                    *(line for herd in (self._consumers, self._settlers) for line in herd.lines()),
                    *(line for ghost in self._ghosts for line in ghost.life.log.read_text().splitlines()),
                ],
                before=before,
                after=after,
                twin=Ledger.read(self._cluster.url(TWIN)),
                problems={"feed": feed, "events": events, "deadlock": self._deadlocks()},
                drained=drained,
                did=sum((herd.did for herd in self._herds), +self._did),
                took=self._took,
            )

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._took[part] = time.monotonic() - began

    # ---- the stage --------------------------------------------------------------------------------------
    @property
    def _url(self) -> str:
        return self._cluster.url(DATABASE)

    def _make_databases(self) -> Cast:
        self._cluster.create_database(DATABASE)
        migrations.upgrade(self._url)
        self._cluster.let_in(*migrations.ROLES)
        cast = populate(self._url)
        self._cluster.create_database(TWIN, DATABASE)
        if not self._settings.inbox:
            self._switch_the_inbox_off()
        return cast

    def _switch_the_inbox_off(self) -> None:
        """Take its id from each message when it is written down, so that none is ever a duplicate.

        The id goes where nobody looks for it but `Ledger`. What is done in chunks keeps it: how far it has come is
        known by it, and without it that would never end.
        """
        with owner_of(self._url) as owner:
            owner.exec_driver_sql(
                "CREATE FUNCTION wellspring.forget() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN NEW.{FORGOTTEN} := NEW.message_id; NEW.message_id := NULL; RETURN NEW; END $$"
            )
            owner.exec_driver_sql(
                "CREATE TRIGGER forget BEFORE INSERT ON wellspring.sync_messages"
                " FOR EACH ROW"
                " WHEN (NEW.message_type NOT IN ('connector.disconnected', 'run.completed', 'sync.reverted'))"
                " EXECUTE FUNCTION wellspring.forget()"
            )

    def _make_processes(self, sends: Sequence[Send], parts: ExitStack) -> None:
        def herd(main: Callable[[Life], None], module: str, size: int, folder: Path = self._folder) -> Herd:
            return Herd(self._processes, main, self._life(module, folder), size)

        feed_folder = self._folder / "feed"
        feed_folder.mkdir()
        self._consumers = herd(processes.consume, "sync.consume", CONSUMERS)
        self._settlers = herd(processes.settle, "maintenance.settle", SETTLERS)
        self._publishers = herd(processes.publish, "maintenance.publish", PUBLISHERS)
        self._feeders = herd(processes.consume_feed, "feed.consume", FEEDERS, feed_folder)
        self._herds = [self._consumers, self._settlers, self._publishers, self._feeders]
        self._ghosts = [
            Ghost(self._processes, self._life("sync.consume", self._folder, f"ghost-{number}"))
            for number in range(GHOSTS)
        ]
        self._plan = feeding.plan(self._settings.seed, self._settings.messages)
        server = self._queue.server
        self._feed_queues = server.urls["FeedQueue"], server.urls["FeedDeadLetterQueue"]
        entries = [
            {"MessageBody": send.text, "MessageGroupId": send.group, "MessageDeduplicationId": str(number)}
            for number, send in enumerate(sends)
        ]
        self._sender = Sending(server.endpoint_url, self._queue.url, entries, self._sending)
        bodies = [{"MessageBody": json.dumps(body)} for body in self._plan.bodies]
        self._feed_sender = Sending(server.endpoint_url, self._feed_queues[0], bodies, self._sending)
        ends = [*(herd.end for herd in self._herds), *(ghost.end for ghost in self._ghosts)]
        for end in (*ends, self._sender.end, self._feed_sender.end):
            parts.callback(end)

    def _life(self, module: str, folder: Path, name: str | None = None, database: str = DATABASE) -> Life:
        environment = {
            "DB_HOST": HOST,
            "DB_PORT": str(self._cluster.port),
            "DB_NAME": database,
            "DB_AUTH": "password",
            "DB_PASSWORD": self._cluster.password,
            "DB_TLS": "off",
            "LOG_LEVEL": "INFO",
            "EVENT_BUS": "abused",
        }
        functions = {function.handler: function for function in Template().functions.values()}
        function = functions[f"{module}.handler"]
        return Life.of(function, name or module, self._settings.seed, folder, environment, self._queue.server)

    # ---- the abuse --------------------------------------------------------------------------------------
    def _abuse(self) -> None:
        self._feed_sender.start(self._settings.seconds * SENDING)
        self._sender.start(self._settings.seconds * SENDING)
        began = time.monotonic()
        blow = began + self._chance.uniform(*CALM_SECONDS)
        while self._goes_on(time.monotonic() - began) or self._sender.goes_on:
            self._tick()
            if time.monotonic() > blow:
                self._strike()
                blow = time.monotonic() + self._chance.uniform(*CALM_SECONDS)

    def _goes_on(self, seconds: float) -> bool:
        """Say whether to abuse on: a slow machine has most of its work before it when the time is over."""
        over = self._settings.seconds
        return seconds < over or (seconds < OVERTIME * over and self._left() > self._settings.messages * REST)

    def _tick(self) -> None:
        """Replace the dead, read what the living wrote, wake who slept, and let the ghosts repeat some of it."""
        time.sleep(TICK_SECONDS)
        self._feeders.tick()
        self._publishers.tick()
        for pid in [pid for pid, until in self._asleep.items() if until < time.monotonic()]:
            del self._asleep[pid]
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for found in self._consumers.tick():
            self._look_at(found)
        if self._settlers.all:
            self._settlers.tick()
        for ghost in self._ghosts:
            if ghost.is_free():
                self._haunt(ghost)

    def _tick_while(self, waits: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> bool:
        """Tick until there is nothing to wait for, or time is over; say whether there is nothing."""
        deadline = time.monotonic() + seconds
        while waits():
            if time.monotonic() > deadline:
                return False
            self._tick()
        return True

    def _look_at(self, found: Delivery) -> None:
        """Remember a delivery that a ghost is to repeat. Which they are, their messages and the seed say."""
        chance = random.Random(f"ghost {self._settings.seed} {found.event['Records'][0]['body']}")
        repeated, late = chance.random(), chance.uniform(*LATE_SECONDS)
        if found.failed is None and found.receives == 1 and repeated < AT_ONCE:
            self._at_once.append(found)
        # What had no effect yet may be a dead letter by then, and its effect would come after the next ones'.
        if found.failed == set() and AT_ONCE <= repeated < AT_ONCE + LATE:
            self._late.append((time.monotonic() + late, found))

    def _haunt(self, ghost: Ghost) -> None:
        while self._at_once:
            found = self._at_once.popleft()
            if found.failed is None:
                self._did["deliveries repeated while they were worked on"] += 1
                ghost.give(found.event)
                return
        for entry in self._late:
            if entry[0] < time.monotonic():
                self._late.remove(entry)
                self._did["deliveries repeated late"] += 1
                ghost.give(entry[1].event)
                return

    def _strike(self) -> None:
        blow = self._chance.choice(BLOWS)
        # Until it is proven that it was done for long enough, each third is this.
        self._blows += 1
        if self._blows % 3 == 1 and not self._overtaken():
            self._tick_while(lambda: not self._freeze_a_consumer(max(FROZEN_SECONDS)), min(CALM_SECONDS))
            return
        match blow:
            case "frozen":
                self._freeze_the_database(self._chance.choice(FROZEN_SECONDS))
            case "consumer":
                self._freeze_a_consumer(self._chance.choice(FROZEN_SECONDS))
            case "queue":
                self._kill_the_queue()
            case "session":
                for pid in self._sessions()[:1]:
                    self._did["sessions terminated"] += len(self._ask(f"SELECT 1 WHERE pg_terminate_backend({pid})"))
            case "server":
                # One server process killed takes all sessions with it: Postgres trusts its shared memory no more.
                for pid in self._sessions()[:1]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        self._did["server processes of Postgres killed"] += 1
            case _:
                self._restart(self._chance.uniform(*DOWN_SECONDS))

    def _freeze_the_database(self, seconds: float) -> None:
        """Let Postgres say nothing for a while, and take nothing in."""
        # A delivery more for each of those that are being worked on, which none must have that has had its share.
        in_hand = filter(None, map(_in_hand, self._consumers.living))
        if self._cluster.pid is not None and all(each.receives <= MOST_RECEIVES for each in in_hand):
            with frozen(self._cluster.pid):
                self._tick_while(lambda: True, seconds)
            self._did[f"Postgres frozen for {seconds:g} s"] += 1

    def _freeze_a_consumer(self, seconds: float) -> bool:
        """Freeze one that has something in hand; say whether there was one."""
        for worker in self._consumers.living:
            given, pid = _in_hand(worker), worker.process.pid
            if given is None or given.receives > MOST_RECEIVES or pid is None or pid in self._asleep:
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._asleep[pid] = time.monotonic() + seconds
                self._did[f"consumers frozen for {seconds:g} s"] += 1
                self._freezes.append(Freeze(given, time.time(), time.time() + seconds))
                return True
        return False

    def _overtaken(self) -> int:
        """Return how many frozen consumers woke to find that others had been given what they had."""
        return sum(freeze.was_overtaken(self._consumers.deliveries) for freeze in self._freezes)

    def _kill_the_queue(self) -> None:
        """Kill the queue's process, and start it again with what it had: what it has answered is in its file."""
        server = self._queue.server
        with self._sending:
            server.kill()
            server.stop()
            server.start()
            server.make_queues()
        self._did["queue's processes killed"] += 1

    def _sessions(self) -> list[int]:
        """Return the server processes of the consumers, those in a transaction first."""
        found = self._ask(
            "SELECT pid FROM pg_stat_activity WHERE usename IN (:consumer, :feeder) ORDER BY xact_start NULLS LAST",
            consumer=CONSUMER,
            feeder=FEEDER,
        )
        return [int(pid) for (pid,) in found]

    def _ask(self, sql: str, **values: str) -> list[list[Any]]:
        """Ask Postgres as its superuser, also while it is coming to itself again."""
        return _patiently(lambda: self._cluster._execute(sql, **values), pg8000.Error, OSError)

    def _restart(self, down_seconds: float) -> None:
        assert self._cluster.pid is not None
        os.kill(self._cluster.pid, signal.SIGQUIT)
        while self._cluster.is_running:
            time.sleep(TICK_SECONDS)
        self._did["immediate shutdowns of Postgres"] += 1
        time.sleep(down_seconds)
        # Somebody may have the port for a moment: a client looks for the server at it all the time.
        _patiently(self._cluster.revive, Fault)

    # ---- the end ----------------------------------------------------------------------------------------
    def _drain(self) -> bool:
        """Let the consumers work in peace until nothing is left; say whether they managed it."""
        (self._folder / PEACE).touch()
        while left := self._left():
            if not self._tick_while(lambda: self._left() >= left):
                return False
        return True

    def _send_again(self, again: Sequence[Send], settled: Sequence[Send]) -> bool:
        """Send what is mended, and have the rest settled, while consumers and what settles die and stall as before.

        Says whether it was worked off.
        """
        if self._settings.inbox:
            self._settlers.tick()
        (self._folder / PEACE).unlink()
        for number, send in enumerate(again, len(self._sender.ids)):
            self._sender.ids.append(self._queue.send(send.group, send.text, str(number)))
        if not self._tick_while(lambda: self._left() or self._waits(settled), MENDING_SECONDS / 3):
            self._strike()
            self._tick_while(lambda: self._left() or self._waits(settled), MENDING_SECONDS * 2 / 3)
        return self._drain() and self._tick_while(lambda: self._waits(settled))

    def _waits(self, settled: Sequence[Send]) -> int:
        """Return how many of these messages are parked for a record, which has come."""
        digests = {send.digest for send in settled}
        asked = "SELECT encode(digest, 'hex') FROM wellspring.sync_messages WHERE reason = 'unknown_record'"

        def ask() -> int:
            with owner_of(self._url) as owner:
                return sum(digest in digests for digest in owner.exec_driver_sql(asked).scalars())

        return _patiently(ask, DBAPIError)

    def _dismiss(self) -> bool:
        """End the consumers, each when it has done what it has; say whether they managed it."""
        (self._folder / LAST_CALL).touch()
        ended = [herd.join(PATIENCE_SECONDS) for herd in (self._consumers, self._settlers)]
        return all(ended)

    def _left(self, url: str | None = None) -> int:
        """Return how many messages are in a queue, whoever may see them."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self._queue.api.get_queue_attributes(QueueUrl=url or self._queue.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _take_all(self, url: str) -> list[Any]:
        """Return what is in a queue, and empty it."""
        taken: list[Any] = []
        while found := self._queue.receive(url):
            taken += found
            for message in found:
                self._queue.api.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def _finish_feed(self) -> list[str]:
        """Let the consumers work off the rest in peace, dead letters too; return what is wrong in the end.

        A body whose consumers died again and again is a dead letter: that is what the queue promises, and no fault. It
        is sent again, as an operator does.
        """
        (self._folder / "feed" / PEACE).touch()
        queue, dead_letters = self._feed_queues

        def is_left() -> bool:
            letters = self._take_all(dead_letters)
            for letter in letters:
                self._queue.api.send_message(QueueUrl=queue, MessageBody=letter["Body"])
            self._did["feed: redriven"] += len(letters)
            self._feeders.tick()
            return self._feed_sender.goes_on or bool(letters or self._left(queue))

        # What waited for the last body's is settled by the next that polls.
        is_done = _wait(lambda: not is_left()) and _wait(lambda: not feeding.judge(self._plan.told, self._url))
        unsent = len(self._plan.bodies) - len(self._feed_sender.ids)
        found = [] if is_done else ["it was not worked off", *feeding.judge(self._plan.told, self._url)]
        found += [f"{unsent} bodies could not be sent"] if unsent else []
        return found + feeding.errors(feeding.said(self._feeders.lines()))

    def _finish_publishing(self, health: Mapping[str, str]) -> list[str]:
        """Let what is left be published in peace, and return what is wrong."""

        def is_done() -> bool:
            self._publishers.tick()
            return not publishing.unpublished(self._url)

        if not _wait(is_done):
            return ["they are not all published"]
        self._publishers.end()
        took = (self._folder / "bus.jsonl").read_text().splitlines()
        found, did = publishing.judge(self._url, took, health)
        self._did |= did | {"publishers killed": len(self._publishers.all) - PUBLISHERS}
        return found

    def _repeat_at_last(self) -> None:
        """Repeat some deliveries when all is over, each by every ghost at the same time."""
        over = [found for found in self._consumers.deliveries if found.failed == set()]
        self._chance.shuffle(over)
        for found in over[:AT_LAST]:
            assert all(ghost.is_free(PATIENCE_SECONDS) for ghost in self._ghosts), "a ghost does not come back"
            for ghost in self._ghosts:
                ghost.give(found.event)
            self._did["deliveries repeated when all was over, twice at the same time"] += 1
        assert all(ghost.is_free(PATIENCE_SECONDS) for ghost in self._ghosts), "a ghost does not come back"

    def _do_in_peace(self, sends: Sequence[Send]) -> None:
        """Have the twin take what must have an effect, in its order."""
        ghost = Ghost(self._processes, self._life("sync.consume", self._folder, TWIN, TWIN))
        for first in range(0, len(sends), LARGEST_BATCH):
            batch = enumerate(sends[first : first + LARGEST_BATCH], first)
            ghost.give({"Records": [delivery(send.text, send.group, number) for number, send in batch]})
            assert ghost.is_free(PATIENCE_SECONDS), "the twin does not come back"
            assert ghost.answer == {"batchItemFailures": []}
        ghost.end()

    def _deadlocks(self) -> list[str]:
        """Return what Postgres logged of deadlocks: its counters do not outlive a crash, its log does."""
        lines = (self._cluster.home / "postgres.log").read_text(errors="replace").splitlines()
        return [line for line in lines if "deadlock detected" in line]


def _in_hand(worker: Worker) -> Delivery | None:
    """Return the delivery that a consumer is working on, as far as its diary was read."""
    last = worker.deliveries[-1] if worker.deliveries else None
    return last if last is not None and last.failed is None else None


def _wait(is_done: Callable[[], bool]) -> bool:
    """Wait until something is done; say whether it is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _patiently[Result](ask: Callable[[], Result], *errors: type[Exception]) -> Result:
    """Do something until it does not fail so: Postgres comes to itself again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except errors:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
