"""Events out while everything breaks: publishers die, and their bus fails, is slow, and refuses one entry of ten.

What the bus took is in a file that all publishers share. In the end it is held to the outbox, and the outbox to what
became of the ledger: nothing is lost, what comes twice is the same, and the last word of each connector is right.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.abuse import consumer
from tests.abuse.consumer import die
from tests.abuse.ledger import Ledger
from wellspring.bus import Bus, BusAway
from wellspring.ledger_events import envelope

PUBLISHERS = 2
PUBLISHING = "MaintenancePublishFunction"
# Of a call: that it reaches nobody, that its answer is lost, that it is slow, that its process dies before or after it.
AWAY, UNANSWERED, SLOW, DIES_BEFORE, DIES_AFTER = 0.05, 0.05, 0.1, 0.02, 0.02
REFUSED = 0.1
SLOW_SECONDS = 1.0
PATIENCE_SECONDS = 60.0

_OUTBOX = """
SELECT id, sequence, type, partition_key, workspace_id, subject, occurred_at, data FROM wellspring.outbox
 ORDER BY sequence
"""
_LEFT = "SELECT count(*) FROM wellspring.outbox WHERE published_at IS NULL"
# Who died left what they had taken until the time for that is over, which nobody waits for here.
_NOW = "UPDATE wellspring.outbox SET next_attempt_at = now() WHERE published_at IS NULL"
_HEALTH = "SELECT CAST(id AS text), health FROM core_api.workspace_connectors"
_MESSAGES = """
SELECT CAST(id AS text), outcome,
       outcome = 'applied' AND workspace_connector_pk IS NOT NULL
         AND (jsonb_path_exists(counts, '$.*.linked ? (@ > 0)') OR jsonb_path_exists(counts, '$.*.ended ? (@ > 0)'))
  FROM wellspring.sync_messages
"""
_COMPLETE = "SELECT CAST(id AS text) FROM wellspring.sync_runs WHERE completed_at IS NOT NULL"


@dataclass(frozen=True)
class Life:
    """What one publisher is told."""

    number: int
    seed: int
    folder: Path
    environment: Mapping[str, str]

    @property
    def bus(self) -> Path:
        """The file of what the bus took."""
        return self.folder / "bus.jsonl"

    @property
    def log(self) -> Path:
        """The file of what it logged."""
        return self.folder / f"publisher-{self.number}.log"


class UnkindBus(Bus):
    """A bus in a file, which does what a bus may do."""

    def __init__(self, life: Life) -> None:
        self._chance = random.Random(f"bus {life.seed} {life.number}")
        self._folder = life.folder
        self._file = os.open(life.bus, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def put(self, entries: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Take entries, or not."""
        is_kind = (self._folder / consumer.PEACE).exists()
        fate = 1.0 if is_kind else self._chance.random()
        if fate < AWAY:
            raise BusAway("abused")
        if fate < AWAY + SLOW:
            time.sleep(self._chance.uniform(0, SLOW_SECONDS))
        if not is_kind and self._chance.random() < DIES_BEFORE:
            die()
        codes = [None if is_kind or self._chance.random() > REFUSED else "InternalFailure" for _ in entries]
        for entry, code in zip(entries, codes, strict=True):
            if code is None:
                os.write(self._file, entry["Detail"].encode() + b"\n")
        if not is_kind and self._chance.random() < DIES_AFTER:
            die()
        if not is_kind and self._chance.random() < UNANSWERED:
            raise BusAway("unanswered")
        return codes


def publish(life: Life) -> None:
    """Publish until the harness ends it, or is gone: the main function of its process."""
    consumer.speak_into(life.log)
    os.environ.update(life.environment)
    from wellspring.database.retry import Deadline  # noqa: PLC0415  (in its own environment)
    from wellspring.errors import WellspringError  # noqa: PLC0415  (in its own environment)
    from wellspring.services import publishing  # noqa: PLC0415  (in its own environment)

    bus = UnkindBus(life)
    parent = os.getppid()
    while os.getppid() == parent:
        # Postgres is away for a moment, again and again.
        with suppress(WellspringError):
            publishing.publish(bus, Deadline(20))
        time.sleep(0.05)


class Publishing:
    """The publishers in a run.

    Args:
        seed: of the run.
        folder: where the harness gives its words, and the bus is.
        processes: makes them.
        environment: what the function is told of where things are.
        url: of the database, as its owner.
    """

    def __init__(
        self, seed: int, folder: Path, processes: ForkServerContext, environment: Mapping[str, str], url: str
    ) -> None:
        self._seed, self._folder, self._environment, self._url = seed, folder, environment, url
        self._make = processes
        self._number = 0
        self._running: list[BaseProcess] = []
        with Ledger.owner(url) as owner:
            self._health = {id_: str(health) for id_, health in owner.exec_driver_sql(_HEALTH)}
        self.did: Counter[str] = Counter()

    def tick(self) -> None:
        """Replace the dead."""
        living = [process for process in self._running if process.is_alive()]
        self.did["publishers killed"] += len(self._running) - len(living)
        while len(living) < PUBLISHERS:
            life = Life(self._number, self._seed, self._folder, self._environment)
            process = self._make.Process(target=publish, args=(life,), daemon=True)
            process.start()
            self._number += 1
            living.append(process)
        self._running = living

    def end(self) -> None:
        """End them."""
        for process in self._running:
            process.kill()
        self._running = []

    def finish(self) -> list[str]:
        """Let what is left be published in peace, end, and return what is wrong."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._left():
            if time.monotonic() > deadline:
                return ["they are not all published"]
            self.tick()
            time.sleep(0.2)
        self.end()
        with Ledger.owner(self._url) as owner:
            outbox = [envelope(dict(row)) for row in owner.exec_driver_sql(_OUTBOX).mappings()]
            took = [json.loads(line) for line in (self._folder / "bus.jsonl").read_text().splitlines()]
            self.did |= {"events": len(outbox), "events that came twice": len(took) - len(outbox)}
            return differences(outbox, took) + self._against_the_ledger(owner, took)

    def _left(self) -> int:
        """Return how many are not published; what somebody died with is due at once."""
        with Ledger.owner(self._url) as owner:
            owner.exec_driver_sql(_NOW)
            return int(owner.exec_driver_sql(_LEFT).scalar_one())

    def _against_the_ledger(self, owner: Any, took: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return where what a consumer of events knows is not what the ledger says."""
        by_type: dict[str, dict[str, Mapping[str, Any]]] = {}
        for event in {event["id"]: event for event in took}.values():
            by_type.setdefault(event["type"].removeprefix("wellspring."), {})[event["id"]] = event
        found = []
        health = dict(self._health)
        for event in sorted(by_type["workspace_connector.health_changed"].values(), key=lambda one: one["sequence"]):
            data = event["data"]
            if health.get(data["workspace_connector_id"], "new") != data["from"]:
                found.append(f"came from another health than was told: {event}")
            health[data["workspace_connector_id"]] = data["to"]
        for id_, now in owner.exec_driver_sql(_HEALTH):
            if health.get(id_, "new") != now:
                found.append(f"is {now}, and was told to be {health.get(id_, 'new')}: {id_}")
        changed = Counter(
            event["data"]["sync_message_id"]
            for event in by_type["provenance.changed"].values()
            if event["data"]["sync_message_id"]
        )
        parked = {
            event["data"]["sync_message_id"]
            for type_ in ("sync_message.parked", "sync_run.parked")
            for event in by_type.get(type_, {}).values()
        }
        for id_, outcome, changes in owner.exec_driver_sql(_MESSAGES):
            if changed.pop(id_, 0) != int(changes):
                found.append(f"was told not as often as it changed rows: {id_} ({outcome})")
            if outcome == "parked" and id_ not in parked:
                found.append(f"is parked, and nobody was told: {id_}")
        found += [f"changed rows, and is no message: {id_}" for id_ in changed]
        completed = Counter(event["subject"] for event in by_type.get("sync_run.completed", {}).values())
        if completed != Counter(owner.exec_driver_sql(_COMPLETE).scalars()):
            found.append(f"runs completed: {completed}")
        return found


def differences(outbox: Sequence[Mapping[str, Any]], took: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the bus lacks, has too much, or has in two forms."""
    sent = {event["id"]: event for event in outbox}
    known = {event["id"] for event in took}
    found = [f"is lost: {event}" for id_, event in sent.items() if id_ not in known]
    found += [f"is not what is in the outbox: {event}" for event in took if sent.get(event["id"]) != event]
    sequences = [event["sequence"] for event in outbox]
    if len(set(sequences)) < len(sequences):
        found.append("two events have one sequence")
    return found
