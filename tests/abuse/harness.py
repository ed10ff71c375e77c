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
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pg8000
from sqlalchemy.exc import DBAPIError

from local.errors import Fault
from local.postgres import temporary
from local.processes import free_port
from local.queue import client
from local.settings import HOST
from local.template import Function, Template
from migrations import run as migrations
from tests.abuse import consumer
from tests.abuse.consumer import MOST_RECEIVES, Life
from tests.abuse.faults import FROZEN_SECONDS, Sleepers, freeze, kill_the_queue
from tests.abuse.feeding import Feeding
from tests.abuse.ledger import FORGOTTEN, Ledger, bring, populate
from tests.abuse.plan import Author, Cast, Send, mended
from tests.abuse.publishing import PUBLISHING, Publishing
from tests.local.queues import Sqs, serve
from tests.support.databases import CONSUMER, FEEDER
from wellspring import messages

DATABASE = "abuse"
SETTLING = "MaintenanceSettleFunction"
CONSUMERS = 4
GHOSTS = 2
SETTLERS = 2
TICK_SECONDS = 0.02
# The last message is sent when this much of the time is over, so that the abuse goes on while the queue is worked off.
SENDING = 0.75
# On a slow machine the time is at most so much longer, until only this part of the messages is left.
OVERTIME = 1.5
REST = 0.1
# What strikes from outside: at sessions, server processes and all of Postgres, at a consumer, at the queue.
BLOWS = ("session", "session", "server", "cluster", "frozen", "frozen", "consumer", "consumer", "queue")
# Between two blows.
CALM_SECONDS = (2.0, 5.0)
DOWN_SECONDS = (0.0, 1.5)
PATIENCE_SECONDS = 120.0
# How many deliveries a ghost repeats: at once, beside the consumer that has them; and late, when all of it is done.
AT_ONCE = 0.1
LATE = 0.15
LATE_SECONDS = (0.5, 15.0)
AT_LAST = 60
# How long consumers die and stall while they work off what is sent once more.
MENDING_SECONDS = 10.0


@dataclass(frozen=True)
class Settings:
    """What a run is told. Without `inbox`, the database does not know a message again that it has had."""

    seed: int
    messages: int
    seconds: int
    inbox: bool = True

    @property
    def command(self) -> str:
        """The command that does the same again."""
        without = "" if self.inbox else "ABUSE_WITHOUT_INBOX=1 "
        numbers = f"ABUSE_SEED={self.seed} ABUSE_MESSAGES={self.messages} ABUSE_SECONDS={self.seconds}"
        return f"{without}{numbers} make abuse"


@dataclass
class Delivery:
    """A batch as a consumer had it `at` a time; `failed` is what it answered, None when it never did."""

    at: float
    event: Mapping[str, Any]
    failed: set[str] | None = None

    @property
    def receives(self) -> int:
        """How often the most received message of it has been received."""
        return max(int(record["attributes"]["ApproximateReceiveCount"]) for record in self.event["Records"])

    @property
    def ids(self) -> set[str]:
        """The ids that SQS gave to its messages."""
        return {record["messageId"] for record in self.event["Records"]}


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


# What is counted of these, and the least that a run must have to prove anything.
OVERTAKEN = "consumers frozen until others had their messages"


class Diary:
    """What one consumer wrote down, read as it grows."""

    def __init__(self, life: Life) -> None:
        self._path = life.diary
        self._read = 0
        self.deliveries: list[Delivery] = []
        self.deeds: Counter[str] = Counter()

    def read(self) -> Iterator[Delivery]:
        """Read on; return each delivery that is new or has been answered."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                said = json.loads(line)
                if "deed" in said:
                    stalled = f" for {said['seconds']:.2g} s" if said["deed"] == "stalled" else ""
                    self.deeds[f"{said['deed']}{stalled} ({said['moment']})"] += 1
                    continue
                if "event" in said:
                    self.deliveries.append(Delivery(said["at"], said["event"]))
                else:
                    self.deliveries[-1].failed = set(said["failed"])
                yield self.deliveries[-1]


@dataclass
class Ghost:
    """A process that repeats deliveries, one at a time."""

    process: BaseProcess
    pipe: Pipe
    busy: bool = False

    def is_free(self) -> bool:
        """Say whether it has done what it was last given."""
        if self.busy and self.pipe.poll():
            self.pipe.recv()
            self.busy = False
        return not self.busy

    def give(self, delivery: Delivery) -> None:
        """Have it repeat `delivery`."""
        self.busy = True
        self.pipe.send(delivery.event)


@dataclass
class Evidence:
    """What a run leaves behind, for `verdict`: `settled` is what nobody sent again when its record had come."""

    sends: Sequence[Send]
    sqs_ids: Sequence[str]
    settled: Sequence[Send]
    dead: Counter[str]
    deliveries: Sequence[Delivery]
    log: Sequence[str]
    deadlocks: Sequence[str]
    before: Ledger
    after: Ledger
    drained: bool
    did: Counter[str]
    took: Mapping[str, float]
    feed: Sequence[str] = ()
    events: Sequence[str] = ()


class Run:
    """The system under abuse."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._chance = random.Random(f"run {settings.seed}")
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([consumer.__name__])
        self._template = Template()
        self._function, self._source = self._template.queue_sources[0]
        self._did: Counter[str] = Counter()
        self._lives: list[Life] = []
        self._diaries: list[Diary] = []
        self._consumers: list[tuple[BaseProcess, Diary]] = []
        self._settlers: list[tuple[BaseProcess, Diary]] = []
        self._ghosts: list[Ghost] = []
        self._late: list[tuple[float, Delivery]] = []
        self._at_once: deque[Delivery] = deque()
        self._sqs_ids: list[str] = []
        self._took: dict[str, float] = {}
        self._over = threading.Event()
        self._sending = threading.Lock()
        self._sleepers = Sleepers()
        self._freezes: list[Freeze] = []
        self._blows = 0
        self._producer: threading.Thread | None = None

    def run(self) -> Evidence:
        """Do all of it, and return what there is to judge."""
        with ExitStack() as parts:
            # It must have a port of its own, to be found at again after a restart; and commits that are kept.
            self._cluster = parts.enter_context(temporary(durable=True, port=free_port()))
            self._make_database()
            cast = populate(self._url)
            if not self._settings.inbox:
                self._switch_the_inbox_off()
            before = Ledger.read(self._url)
            self._queue = Sqs(parts.enter_context(serve(self._folder)))
            parts.callback(self._queue.api.close)
            sends = self._write(cast)
            self._feeding = self._make_feeding()
            parts.callback(self._feeding.end)
            self._publishing = self._make_publishing()
            parts.callback(self._publishing.end)
            parts.callback(self._end_all)
            with self._timed("abuse"):
                self._abuse(sends)
            with self._timed("working off the rest"):
                drained = self._drain()
            missed = mended(sends)
            # Half of it nobody sends: what settles releases it, by the ids that are known.
            again, settled = (missed[::2], missed[1::2]) if self._settings.inbox else (missed, [])
            with self._timed("sending once more what missed something, and settling"):
                if drained:
                    before = self._bring(cast, sends, before)
                    drained = self._send_again(again, settled)
            drained = self._dismiss() and drained
            with self._timed("working off the rest of the feed"):
                problems = self._feeding.finish()
            with self._timed("repeating"):
                self._repeat_at_last()
            with self._timed("publishing the rest"):
                events = self._publishing.finish()
            self._did[OVERTAKEN] = self._overtaken()
            return Evidence(
                sends=[*sends, *again],
                sqs_ids=self._sqs_ids,
                settled=settled,
                dead=self._dead_letters(),
                deliveries=[delivery for diary in self._diaries for delivery in diary.deliveries],
                log=[line for life in self._lives for line in life.log.read_text().splitlines()],
                deadlocks=self._deadlocks(),
                before=before,
                after=Ledger.read(self._url),
                drained=drained,
                did=self._did
                + self._feeding.did
                + self._publishing.did
                + sum((diary.deeds for diary in self._diaries), Counter()),
                took=self._took,
                feed=problems,
                events=events,
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

    def _make_database(self) -> None:
        self._cluster.create_database(DATABASE)
        migrations.upgrade(self._url)
        self._cluster.let_in(*migrations.ROLES)

    def _make_feeding(self) -> Feeding:
        return Feeding(
            seed=self._settings.seed,
            messages=self._settings.messages,
            folder=self._folder / "feed",
            processes=self._processes,
            template=self._template,
            environment=self._environment,
            server=self._queue.server,
            sending=self._sending,
            url=self._url,
        )

    def _environment(self, function: Function) -> dict[str, str]:
        return dict(function.environment) | {
            "DB_HOST": HOST,
            "DB_PORT": str(self._cluster.port),
            "DB_NAME": DATABASE,
            "DB_AUTH": "password",
            "DB_PASSWORD": self._cluster.password,
            "DB_TLS": "off",
            "LOG_LEVEL": "INFO",
            "EVENT_BUS": "abused",
        }

    def _make_publishing(self) -> Publishing:
        environment = self._environment(self._template.functions[PUBLISHING])
        return Publishing(self._settings.seed, self._folder, self._processes, environment, self._url)

    def _write(self, cast: Cast) -> list[Send]:
        return Author(self._settings.seed, cast, known_types()).write(self._settings.messages)

    def _switch_the_inbox_off(self) -> None:
        """Take its id from each message when it is written down, so that none is ever a duplicate.

        The id goes where nobody looks for it but `Ledger`. What is done in chunks keeps it: how far it has come is
        known by it, and without it that would never end.
        """
        with Ledger.owner(self._url) as owner:
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

    # ---- the abuse --------------------------------------------------------------------------------------
    def _abuse(self, sends: Sequence[Send]) -> None:
        for _ in range(GHOSTS):
            self._ghosts.append(self._raise_a_ghost())
        self._feeding.start(self._settings.seconds * SENDING)
        self._producer = producer = threading.Thread(target=self._send, args=(sends,), daemon=True)
        producer.start()
        began = time.monotonic()
        blow = began + self._chance.uniform(*CALM_SECONDS)
        while self._goes_on(time.monotonic() - began) or producer.is_alive():
            self._tick()
            if time.monotonic() > blow:
                self._strike()
                blow = time.monotonic() + self._chance.uniform(*CALM_SECONDS)

    def _goes_on(self, seconds: float) -> bool:
        """Say whether to abuse on: a slow machine has most of its work before it when the time is over."""
        over = self._settings.seconds
        return seconds < over or (seconds < OVERTIME * over and self._left() > self._settings.messages * REST)

    def _send(self, sends: Sequence[Send]) -> None:
        """Send all in their order, evenly over the time there is; the ids that SQS gives them go to `_sqs_ids`."""
        sqs = client(self._queue.server.endpoint_url)
        began = time.monotonic()
        pace = self._settings.seconds * SENDING / max(1, len(sends))
        for first in range(0, len(sends), 10):
            if self._over.wait(max(0.0, began + first * pace - time.monotonic())):
                break
            entries = [
                {
                    "Id": str(number),
                    "MessageBody": send.text,
                    "MessageGroupId": send.group,
                    "MessageDeduplicationId": str(number),
                }
                for number, send in enumerate(sends[first : first + 10], first)
            ]
            with self._sending:
                answer = sqs.send_message_batch(QueueUrl=self._queue.url, Entries=entries)
            sent = {int(entry["Id"]): entry["MessageId"] for entry in answer["Successful"]}
            self._sqs_ids += [sent[number] for number in sorted(sent)]
        sqs.close()

    def _tick(self) -> None:
        """Replace the dead, read what the living wrote, and let the ghosts repeat some of it."""
        time.sleep(TICK_SECONDS)
        self._feeding.tick()
        self._publishing.tick()
        self._sleepers.wake()
        for slot, (process, _) in enumerate(self._consumers):
            if not process.is_alive():
                self._look_into(slot)
                process.close()
                self._consumers[slot] = self._raise_a_consumer()
        while len(self._consumers) < CONSUMERS:
            self._consumers.append(self._raise_a_consumer())
        for slot in range(CONSUMERS):
            self._look_into(slot)
        for slot, (process, diary) in enumerate(self._settlers):
            deque(diary.read(), 0)
            if not process.is_alive():
                process.close()
                self._settlers[slot] = self._raise_a_settler()
        for ghost in self._ghosts:
            if ghost.is_free():
                self._haunt(ghost)

    def _look_into(self, slot: int) -> None:
        """Remember the new deliveries that a ghost is to repeat. Which they are, their messages and the seed say."""
        for delivery in self._consumers[slot][1].read():
            chance = random.Random(f"ghost {self._settings.seed} {delivery.event['Records'][0]['body']}")
            repeated, late = chance.random(), chance.uniform(*LATE_SECONDS)
            if delivery.failed is None and delivery.receives == 1 and repeated < AT_ONCE:
                self._at_once.append(delivery)
            # What had no effect yet may be a dead letter by then, and its effect would come after the next ones'.
            if delivery.failed == set() and AT_ONCE <= repeated < AT_ONCE + LATE:
                self._late.append((time.monotonic() + late, delivery))

    def _haunt(self, ghost: Ghost) -> None:
        while self._at_once:
            delivery = self._at_once.popleft()
            if delivery.failed is None:
                self._did["deliveries repeated while they were worked on"] += 1
                ghost.give(delivery)
                return
        for entry in self._late:
            if entry[0] < time.monotonic():
                self._late.remove(entry)
                self._did["deliveries repeated late"] += 1
                ghost.give(entry[1])
                return

    def _strike(self) -> None:
        blow = self._chance.choice(BLOWS)
        # Until it is proven that it was done for long enough, each third is this.
        self._blows += 1
        if self._blows % 3 == 1 and not self._overtaken():
            deadline = time.monotonic() + min(CALM_SECONDS)
            while not self._freeze_a_consumer(max(FROZEN_SECONDS)) and time.monotonic() < deadline:
                self._tick()
            return
        match blow:
            case "frozen":
                self._freeze_the_database(self._chance.choice(FROZEN_SECONDS))
            case "consumer":
                self._freeze_a_consumer(self._chance.choice(FROZEN_SECONDS))
            case "queue":
                with self._sending:
                    kill_the_queue(self._queue.server)
                self._did["queue's processes killed"] += 1
            case "session":
                self._end_a_session()
            case "server":
                # One server process killed takes all sessions with it: Postgres trusts its shared memory no more.
                for pid in self._sessions()[:1]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        self._did["server processes of Postgres killed"] += 1
            case _:
                self._restart(self._chance.uniform(*DOWN_SECONDS))

    def _freeze_the_database(self, seconds: float) -> None:
        process = self._cluster._process
        assert process is not None
        # A delivery more for each of those that are being worked on, which none must have that has had its share.
        if not any(delivery.receives > MOST_RECEIVES for delivery in self._in_hand()):
            freeze(process.pid, seconds, self._tick)
            self._did[f"Postgres frozen for {seconds:g} s"] += 1

    def _freeze_a_consumer(self, seconds: float) -> bool:
        """Freeze one that has something in hand; say whether there was one."""
        for process, diary in self._consumers:
            last = diary.deliveries[-1] if diary.deliveries else None
            if last is None or last.failed is not None or last.receives > MOST_RECEIVES:
                continue
            if process.pid is not None and self._sleepers.stop(process.pid, seconds):
                self._did[f"consumers frozen for {seconds:g} s"] += 1
                now = time.time()
                self._freezes.append(Freeze(last, now, now + seconds))
                return True
        return False

    def _overtaken(self) -> int:
        """Return how many frozen consumers woke to find that others had been given what they had."""
        deliveries = [delivery for diary in self._diaries for delivery in diary.deliveries]
        return sum(freeze.was_overtaken(deliveries) for freeze in self._freezes)

    def _in_hand(self) -> Iterator[Delivery]:
        """Return the deliveries that are being worked on, as far as the diaries were read."""
        for _, diary in self._consumers:
            if diary.deliveries and diary.deliveries[-1].failed is None:
                yield diary.deliveries[-1]

    def _sessions(self) -> list[int]:
        """Return the server processes of the consumers, those in a transaction first."""
        found = self._ask(
            "SELECT pid FROM pg_stat_activity WHERE usename IN (:consumer, :feeder) ORDER BY xact_start NULLS LAST",
            consumer=CONSUMER,
            feeder=FEEDER,
        )
        return [int(pid) for (pid,) in found]

    def _end_a_session(self) -> None:
        for pid in self._sessions()[:1]:
            if self._ask(f"SELECT 1 WHERE pg_terminate_backend({pid})"):
                self._did["sessions terminated"] += 1

    def _ask(self, sql: str, **values: str) -> list[list[Any]]:
        """Ask Postgres as its superuser, also while it is coming to itself again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._cluster._execute(sql, **values)
            except (pg8000.Error, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _restart(self, down_seconds: float) -> None:
        cluster = self._cluster
        process = cluster._process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(PATIENCE_SECONDS)
        self._did["immediate shutdowns of Postgres"] += 1
        time.sleep(down_seconds)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                # Not `stop` and `start`, which let go of the cluster's lock: whoever sweeps up would take it for left.
                cluster._end_what_a_crash_left()
                cluster._run()
            except Fault:
                # Somebody may have the port for a moment: a client looks for the server at it all the time.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    # ---- processes --------------------------------------------------------------------------------------
    def _life(self, function: Function) -> Life:
        life = Life(
            number=len(self._lives),
            seed=self._settings.seed,
            folder=self._folder,
            environment=self._environment(function),
            endpoint_url=self._queue.server.endpoint_url,
            queue_url=self._queue.url,
            queue_arn=self._template.queues[self._source.queue].arn,
            source=self._source,
            time_limit=float(function.timeout),
            module=function.handler.removesuffix(".handler"),
        )
        life.log.touch()
        self._lives.append(life)
        return life

    def _raise_a_consumer(self) -> tuple[BaseProcess, Diary]:
        return self._raise(consumer.consume, self._life(self._function))

    def _raise_a_settler(self) -> tuple[BaseProcess, Diary]:
        return self._raise(consumer.settle, self._life(self._template.functions[SETTLING]))

    def _raise(self, work: Callable[[Life], None], life: Life) -> tuple[BaseProcess, Diary]:
        process = self._processes.Process(target=work, args=(life,), daemon=True)
        process.start()
        self._diaries.append(Diary(life))
        return process, self._diaries[-1]

    def _raise_a_ghost(self) -> Ghost:
        ours, theirs = self._processes.Pipe()
        process = self._processes.Process(target=consumer.haunt, args=(self._life(self._function), theirs), daemon=True)
        process.start()
        theirs.close()
        return Ghost(process, ours)

    # ---- the end ----------------------------------------------------------------------------------------
    def _drain(self) -> bool:
        """Let the consumers work in peace until nothing is left; say whether they managed it."""
        (self._folder / consumer.PEACE).touch()
        left = self._left()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left and time.monotonic() < deadline:
            self._tick()
            now_left = self._left()
            if now_left < left:
                left, deadline = now_left, time.monotonic() + PATIENCE_SECONDS
        return not left

    def _bring(self, cast: Cast, sends: Sequence[Send], before: Ledger) -> Ledger:
        """Make the records that messages missed; return what was there before all, and these."""
        known = Ledger.read(self._url)
        bring(self._url, cast, sends)
        after = Ledger.read(self._url)
        new = {record: owner for record, owner in after.records.items() if record not in known.records}
        return replace(
            before,
            untouchable=before.untouchable + (after.untouchable - known.untouchable),
            records={**before.records, **new},
        )

    def _send_again(self, again: Sequence[Send], settled: Sequence[Send]) -> bool:
        """Send what is mended, and have the rest settled, while consumers and what settles die and stall as before.

        Says whether it was worked off.
        """
        self._settlers = [self._raise_a_settler() for _ in range(SETTLERS if self._settings.inbox else 0)]
        (self._folder / consumer.PEACE).unlink()
        first = len(self._sqs_ids)
        for number, send in enumerate(again, first):
            self._sqs_ids.append(self._queue.send(send.group, send.text, str(number)))
        began = time.monotonic()
        blow = began + MENDING_SECONDS / 3
        while (self._left() or self._waits(settled)) and time.monotonic() < began + MENDING_SECONDS:
            self._tick()
            if time.monotonic() > blow:
                self._strike()
                blow = began + MENDING_SECONDS
        drained = self._drain()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waits := self._waits(settled):
            if time.monotonic() > deadline:
                break
            self._tick()
        return drained and not waits

    def _waits(self, settled: Sequence[Send]) -> int:
        """Return how many of these messages are parked for a record, which has come."""
        digests = {send.digest for send in settled}
        asked = "SELECT encode(digest, 'hex') FROM wellspring.sync_messages WHERE reason = 'unknown_record'"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with Ledger.owner(self._url) as owner:
                    return sum(digest in digests for digest in owner.exec_driver_sql(asked).scalars())
            except DBAPIError:
                # Postgres comes to itself again.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _dismiss(self) -> bool:
        """End the consumers, each when it has done what it has; say whether they managed it."""
        (self._folder / consumer.LAST_CALL).touch()
        for slot, (process, _) in enumerate(self._consumers):
            process.join(PATIENCE_SECONDS)
            self._look_into(slot)
        for process, diary in self._settlers:
            process.join(PATIENCE_SECONDS)
            deque(diary.read(), 0)
        # One may have been killed when it had done all.
        return all(process.exitcode in {0, -signal.SIGKILL} for process, _ in [*self._consumers, *self._settlers])

    def _left(self) -> int:
        """Return how many messages are in the queue, whoever may see them."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self._queue.api.get_queue_attributes(QueueUrl=self._queue.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _repeat_at_last(self) -> None:
        """Repeat some deliveries when all is over, each by every ghost at the same time."""
        over = [delivery for diary in self._diaries for delivery in diary.deliveries if delivery.failed == set()]
        self._chance.shuffle(over)
        for delivery in over[:AT_LAST]:
            for ghost in self._ghosts:
                self._wait_for(ghost)
            for ghost in self._ghosts:
                ghost.give(delivery)
            self._did["deliveries repeated when all was over, twice at the same time"] += 1
        for ghost in self._ghosts:
            self._wait_for(ghost)

    @staticmethod
    def _wait_for(ghost: Ghost) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ghost.is_free():
            assert time.monotonic() < deadline, "a ghost does not come back"
            ghost.pipe.poll(1)

    def _dead_letters(self) -> Counter[str]:
        """Return the SQS ids in the dead-letter queue, and empty it."""
        dead: Counter[str] = Counter()
        while found := self._queue.receive(self._queue.dead_letters):
            dead.update(message["MessageId"] for message in found)
            for message in found:
                self._queue.api.delete_message(
                    QueueUrl=self._queue.dead_letters, ReceiptHandle=message["ReceiptHandle"]
                )
        return dead

    def _deadlocks(self) -> list[str]:
        """Return what Postgres logged of deadlocks: its counters do not outlive a crash, its log does."""
        lines = (self._cluster.home / "postgres.log").read_text(errors="replace").splitlines()
        return [line for line in lines if "deadlock detected" in line]

    def _end_all(self) -> None:
        self._over.set()
        if self._producer is not None:
            self._producer.join(PATIENCE_SECONDS)
        for ghost in self._ghosts:
            ghost.pipe.close()
        working = [process for process, _ in [*self._consumers, *self._settlers]]
        for process in working + [ghost.process for ghost in self._ghosts]:
            process.kill()
            process.join()
            process.close()


def known_types() -> list[str]:
    """Return the names of all messages that the queue takes."""
    return sorted(messages.schema()["discriminator"]["mapping"])
