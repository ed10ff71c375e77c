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
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, suppress
from itertools import batched
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
from tests.abuse.ledger import Ledger, bring, owner_of, populate
from tests.abuse.plan import Author, Cast, Send, effective, mended
from tests.abuse.processes import HIDDEN_SECONDS, LAST_CALL, MOST_RECEIVES, PEACE, Delivery, Herd, Life
from tests.abuse.verdict import Verdict, errors
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
# What strikes from outside: at sessions, server processes and all of Postgres, at a consumer, at the queue.
BLOWS = ("session", "session", "server", "cluster", "frozen", "frozen", "consumer", "consumer", "queue")
# Between two blows.
CALM_SECONDS = (2.0, 5.0)
DOWN_SECONDS = (0.0, 1.5)
# A moment; and longer than a delivery stays hidden, so that others have it meanwhile.
FROZEN_SECONDS = (0.5, HIDDEN_SECONDS + 1.2)
PATIENCE_SECONDS = 120.0
# How many deliveries ghosts repeat beside the consumer that has them.
AT_ONCE = 0.15
# How long consumers die and stall while they work off what is sent once more.
MENDING_SECONDS = 10.0


class Run:
    def __init__(self, folder: Path, *, seed: int, messages: int, seconds: int) -> None:
        self._folder = folder
        self._seed, self._messages, self._seconds = seed, messages, seconds
        self._chance = random.Random(f"run {seed}")
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([processes.__name__])
        self._template = Template()
        self._did: Counter[str] = Counter()
        self._to_repeat: list[Delivery] = []
        self._repeating: list[Future[Any]] = []
        # Held by whoever sends: meanwhile the queue is not killed.
        self._sending = threading.Lock()
        self._over = threading.Event()
        self._bodies_sent = 0
        # Processes that are stopped in the midst of what they do, and until when.
        self._asleep: dict[int, float] = {}

    def run(self) -> Verdict:
        with ExitStack() as parts:
            # It must have a port of its own, to be found at again after a restart; and commits that are kept.
            self._cluster = parts.enter_context(temporary(durable=True, port=free_port()))
            self._url = self._cluster.url(DATABASE)
            cast = self._make_databases()
            self._queue = Sqs(parts.enter_context(serve(self._folder)))
            parts.callback(self._queue.api.close)
            sends = Author(self._seed, cast).write(self._messages)
            self._make_processes(sends, parts)
            self._abuse()
            drained = self._drain()
            missed = mended(sends)
            # Half of it nobody sends: what settles releases it, by the ids that are known.
            again, settled = missed[::2], missed[1::2]
            if drained:
                bring(self._url, cast, sends)
                drained = self._send_again(again, settled)
            # Consumers end, each when it has done what it has.
            (self._folder / LAST_CALL).touch()
            drained = all(herd.join(PATIENCE_SECONDS) for herd in (self._consumers, self._settlers)) and drained
            problems: dict[str, Sequence[str]] = {"feed": self._finish_feed()}
            problems["events"] = self._finish_publishing()
            # The server's counters do not outlive a crash, its log does.
            said = (self._cluster.home / "postgres.log").read_text(errors="replace").splitlines()
            problems["deadlock"] = [line for line in said if "deadlock detected" in line]
            after = Ledger.read(self._url)
            bring(self._cluster.url(TWIN), cast, sends)
            self._do_in_peace(effective([*sends, *again, *settled], after.overtaken()))
            logs = [*self._folder.rglob("sync.consume-*.log"), *self._folder.rglob("feed.consume-*.log")]
            logs += [*self._folder.glob("maintenance.settle-*.log"), *self._folder.glob("ghost-*.log")]
            problems["log"] = [error for log in logs for error in errors(log.read_text(errors="replace").splitlines())]
            # Nothing that is done to the system is so bad that a message may end there.
            problems["dead"] = [letter["Body"] for letter in self._take_all(self._queue.dead_letters)]
            problems["stuck"] = [] if drained else ["the queue was not worked off, or a consumer did not end"]
            did = sum((worker.deeds for herd in self._herds for worker in herd.all), +self._did)
            twin = Ledger.read(self._cluster.url(TWIN))
            return Verdict([*sends, *again, *settled], after, twin, problems, did)

    # ---- the stage --------------------------------------------------------------------------------------
    def _make_databases(self) -> Cast:
        self._cluster.create_database(DATABASE)
        migrations.upgrade(self._url)
        self._cluster.let_in(*migrations.ROLES)
        cast = populate(self._url)
        self._cluster.create_database(TWIN, DATABASE)
        return cast

    def _make_processes(self, sends: Sequence[Send], parts: ExitStack) -> None:
        feed_folder = self._folder / "feed"
        feed_folder.mkdir()
        self._herds = [
            Herd(self._processes, main, self._life(module, folder), size)
            for main, module, size, folder in (
                (processes.consume, "sync.consume", CONSUMERS, self._folder),
                (processes.settle, "maintenance.settle", SETTLERS, self._folder),
                (processes.publish, "maintenance.publish", PUBLISHERS, self._folder),
                (processes.consume_feed, "feed.consume", FEEDERS, feed_folder),
            )
        ]
        self._consumers, self._settlers, self._publishers, self._feeders = self._herds
        self._ghosts = parts.enter_context(self._make_ghosts(GHOSTS, "ghost", DATABASE))
        self._told, self._bodies = feeding.plan(self._seed, self._messages)
        entries = [
            {"MessageBody": send.text, "MessageGroupId": send.group, "MessageDeduplicationId": str(number)}
            for number, send in enumerate(sends)
        ]
        bodies = [{"MessageBody": json.dumps(body)} for body in self._bodies]
        urls = self._queue.server.urls
        self._feed_queues = urls["FeedQueue"], urls["FeedDeadLetterQueue"]
        for herd in self._herds:
            parts.callback(herd.end)
        sending = ((self._queue.url, entries), (self._feed_queues[0], bodies))
        self._senders = [threading.Thread(target=self._send, args=each, daemon=True) for each in sending]
        for sender in self._senders:
            sender.start()
            parts.callback(sender.join, PATIENCE_SECONDS)
        parts.callback(self._over.set)

    def _send(self, url: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Send entries in their order, evenly over most of the time."""
        sqs, began = client(self._queue.server.endpoint_url), time.monotonic()
        for some in batched(enumerate(entries), LARGEST_BATCH, strict=False):
            due = began + self._seconds * SENDING * some[0][0] / len(entries)
            if self._over.wait(max(0.0, due - time.monotonic())):
                break
            batch = [{"Id": str(number), **entry} for number, entry in some]
            with self._sending:
                taken = sqs.send_message_batch(QueueUrl=url, Entries=batch)["Successful"]
            self._bodies_sent += len(taken) if url == self._feed_queues[0] else 0
        sqs.close()

    def _make_ghosts(self, size: int, name: str, database: str) -> ProcessPoolExecutor:
        life = self._life("sync.consume", self._folder, name, database)
        return ProcessPoolExecutor(size, self._processes, processes.become_ghost, (life,))

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
        template, server = self._template, self._queue.server
        (function,) = (each for each in template.functions.values() if each.handler == f"{module}.handler")
        queues = [
            (server.urls[source.queue], template.queues[source.queue].arn, source)
            for called, source in template.queue_sources
            if called == function
        ]
        told = (name or module, self._seed, folder, {**function.environment, **environment}, function)
        return Life(*told, server.endpoint_url, *queues)

    # ---- the abuse --------------------------------------------------------------------------------------
    def _abuse(self) -> None:
        end = time.monotonic() + self._seconds
        # First of all one sleeps until others have what it had in hand.
        assert self._tick_while(lambda: not self._freeze_a_consumer(max(FROZEN_SECONDS))), "none had anything in hand"
        blow = time.monotonic() + self._chance.uniform(*CALM_SECONDS)
        while time.monotonic() < end or self._senders[0].is_alive():
            self._tick()
            if time.monotonic() > blow:
                self._strike()
                blow = time.monotonic() + self._chance.uniform(*CALM_SECONDS)

    def _tick(self) -> None:
        """Replace the dead, read what the living wrote, wake who slept, and let the ghosts repeat some of it."""
        time.sleep(TICK_SECONDS)
        self._feeders.tick()
        self._publishers.tick()
        for pid in [pid for pid, until in self._asleep.items() if until < time.monotonic()]:
            del self._asleep[pid]
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._to_repeat += (
            found for found in self._consumers.tick() if found.receives == 1 and self._chance.random() < AT_ONCE
        )
        if self._settlers.all:
            self._settlers.tick()
        for done in [one for one in self._repeating if one.done()]:
            self._repeating.remove(done)
            done.result()
        # What was answered meanwhile may be a dead letter by then, and its effect would come after the next ones'.
        self._to_repeat = [found for found in self._to_repeat if found.failed is None]
        if self._to_repeat and len(self._repeating) < GHOSTS:
            self._did["deliveries repeated while they were worked on"] += 1
            self._repeating.append(self._ghosts.submit(processes.repeat, self._to_repeat.pop(0).event))

    def _tick_while(self, waits: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> bool:
        """Tick until there is nothing to wait for, or time is over; say whether there is nothing."""
        return _wait(lambda: not waits(), seconds, self._tick)

    def _strike(self) -> None:
        match self._chance.choice(BLOWS):
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
        in_hand = [worker.in_hand for worker in self._consumers.living]
        if self._cluster.pid is not None and all(each is None or each.receives <= MOST_RECEIVES for each in in_hand):
            with frozen(self._cluster.pid):
                self._tick_while(lambda: True, seconds)
            self._did[f"Postgres frozen for {seconds:g} s"] += 1

    def _freeze_a_consumer(self, seconds: float) -> bool:
        """Freeze one that has something in hand; say whether there was one."""
        for worker in self._consumers.living:
            given, pid = worker.in_hand, worker.process.pid
            if given is None or given.receives > MOST_RECEIVES or pid is None or pid in self._asleep:
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._asleep[pid] = time.monotonic() + seconds
                self._did[f"consumers frozen for {seconds:g} s"] += 1
                return True
        return False

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
        while left := self._left(self._queue.url):
            if not self._tick_while(lambda: self._left(self._queue.url) >= left):
                return False
        return True

    def _send_again(self, again: Sequence[Send], settled: Sequence[Send]) -> bool:
        """Send what is mended, and have the rest settled, while consumers and what settles die and stall as before.

        Says whether it was worked off.
        """

        def is_left() -> bool:
            return bool(self._left(self._queue.url) or self._waits(settled))

        self._settlers.tick()
        (self._folder / PEACE).unlink()
        for number, send in enumerate(again):
            self._queue.send(send.group, send.text, f"again-{number}")
        if not self._tick_while(is_left, MENDING_SECONDS / 3):
            self._strike()
            self._tick_while(is_left, MENDING_SECONDS * 2 / 3)
        return self._drain() and self._tick_while(is_left)

    def _waits(self, settled: Sequence[Send]) -> int:
        """Return how many of these messages are parked for a record, which has come."""
        digests = {send.digest for send in settled}
        asked = "SELECT encode(digest, 'hex') FROM wellspring.sync_messages WHERE reason = 'unknown_record'"

        def ask() -> int:
            with owner_of(self._url) as owner:
                return sum(digest in digests for digest in owner.exec_driver_sql(asked).scalars())

        return _patiently(ask, DBAPIError)

    def _left(self, url: str) -> int:
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self._queue.api.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _take_all(self, url: str) -> list[Any]:
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
            return self._senders[1].is_alive() or bool(letters or self._left(queue))

        # What waited for the last body's is settled by the next that polls.
        is_done = _wait(lambda: not is_left()) and _wait(lambda: not feeding.judge(self._told, self._url))
        found = [] if is_done else ["it was not worked off", *feeding.judge(self._told, self._url)]
        unsent = len(self._bodies) - self._bodies_sent
        return found + ([f"{unsent} bodies could not be sent"] if unsent else [])

    def _finish_publishing(self) -> list[str]:
        def is_done() -> bool:
            self._publishers.tick()
            return not publishing.unpublished(self._url)

        if not _wait(is_done):
            return ["they are not all published"]
        self._publishers.end()
        took = (self._folder / "bus.jsonl").read_text().splitlines()
        found, did = publishing.judge(self._url, took)
        self._did |= did | {"publishers killed": len(self._publishers.all) - PUBLISHERS}
        return found

    def _do_in_peace(self, sends: Sequence[Send]) -> None:
        """Have the twin take what must have an effect, in its order."""
        with self._make_ghosts(1, TWIN, TWIN) as twin:
            for some in batched(enumerate(sends), LARGEST_BATCH, strict=False):
                event = {"Records": [delivery(send.text, send.group, number) for number, send in some]}
                assert twin.submit(processes.repeat, event).result(PATIENCE_SECONDS) == {"batchItemFailures": []}


def _wait(
    is_done: Callable[[], bool],
    seconds: float = PATIENCE_SECONDS,
    meanwhile: Callable[[], None] = lambda: time.sleep(0.2),
) -> bool:
    """Wait until something is done; say whether it is."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            return False
        meanwhile()
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
