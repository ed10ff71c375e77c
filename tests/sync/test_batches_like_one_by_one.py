"""Messages that come as batches, with old ones sent again among them, have the effect that they have one by one."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.queue import Body, consume, disconnected, invalidated, matched, synced
from tests.support.world import Direction, Row, World
from tests.sync.conftest import Ledger, Log, Tenant, absent, bringing
from wellspring.handlers import after_batch

# Records of each side, and providers; the last two records come later, or never.
RECORDS, LATE = 6, (4, 5)
NEW = ("append", "relink", "invalidate", "invalidate", "match", "make", "disconnect")
SCHEDULES, OFTEN = 60, 30


@dataclass(frozen=True)
class Step:
    """A message, by the numbers of what it names."""

    kind: str
    records: list[int]
    connector: int
    direction: Direction | None


@dataclass
class Side:
    """Connectors of its own with records of its own, numbered, and what was sent to them."""

    world: World
    tenant: Tenant
    records: list[Row]
    providers: list[Row]
    bodies: list[Body] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    is_there: bool = False

    @property
    def connectors(self) -> list[Row]:
        return [self.tenant.connector, self.tenant.other_connector]

    def message(self, step: Step) -> Body:
        """Return the message of a step."""
        connector, first = self.connectors[step.connector], step.records[0]
        named = [self.records[number] for number in step.records]
        match step.kind:
            case "append" | "relink":
                body = synced(connector, named, step.direction or "input", mode=step.kind)
            case "make":
                made = self.records[(0, LATE[1])[first % 2]]
                body = bringing(self.tenant.connector, made, name="Made")
            case "invalidate":
                body = invalidated(connector, named, step.direction)
            case "match":
                body = matched(self.tenant.workspace, [self.providers[number] for number in step.records])
            case "disconnect":
                body = disconnected(connector)
            case _:
                # Most often one of the first, which were parked.
                return self.bodies[first % len(self.bodies)]
        self.bodies.append(body)
        return body

    def consume(self, steps: list[Step], log: Log) -> None:
        """Have the messages of these steps consumed as a batch, and count what the log says."""
        log.clear()
        assert consume(*map(self.message, steps)) == []
        for line in log:
            if "outcome" in line:
                self.counts.update({name: line[name] for name in ("inserted", "tombstoned", "matched")})

    def come(self) -> None:
        """Have the first of the late records come, as the feed would; the other one is never there."""
        if not self.is_there:
            self.world.record("company", self.tenant.workspace, id=self.records[LATE[0]].id)
        self.is_there = True

    def state(self, ledger: Ledger) -> tuple[Any, ...]:
        """Return what became of each message, and the rows, by the numbers of their records."""
        numbers = {record.id: number for number, record in enumerate(self.records)}
        rows = [
            Counter({(numbers[id_], *rest): number for (_, id_, *rest), number in ledger.rows(connector).items()})
            for connector in self.connectors
        ]
        return list(map(ledger.fate, self.bodies)), rows, ledger.choices(self.tenant.workspace), self.counts


def side(world: World, tenant: Tenant, providers: list[Row]) -> Side:
    """Return a tenant with rows of each of its records that are there."""
    there = [*tenant.mixed, tenant.companies[1]]
    for record in there:
        world.provenance(record, tenant.connector)
        world.provenance(record, tenant.other_connector, "output")
    return Side(world, tenant, [*there, *(absent() for _ in LATE)], providers)


def schedule(chance: random.Random) -> tuple[list[Step], list[list[Step]]]:
    """Return messages of which most miss a record, and batches that come when one of the records is there."""
    kinds = NEW[: len(NEW) - chance.randrange(2)]

    def step(*kinds: str) -> Step:
        # Most miss nothing: what is parked meets nobody.
        records = chance.sample(range(chance.choice((LATE[0], LATE[0], RECORDS))), chance.randint(1, 4))
        # Of two connectors' messages there is no order, in which one could make what the other misses.
        connector = 0 if LATE[1] in records else chance.choice((0, 0, 1))
        return Step(chance.choice(kinds), records, connector, chance.choice(("input", "output", None)))

    missing = [Step(chance.choice(("append", "relink")), [chance.randrange(4), LATE[0]], 0, None) for _ in range(2)]
    batches = [[step(*kinds, *["again"] * 4) for _ in range(chance.randint(2, 8))] for _ in range(2)]
    return [*missing, step(*kinds)], batches


@pytest.mark.parametrize(
    "number", [*range(OFTEN), *(pytest.param(number, marks=pytest.mark.long) for number in range(OFTEN, SCHEDULES))]
)
def test_batches_with_messages_that_are_sent_again_are_as_one_by_one(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    # What waits is released behind each batch, so behind what else is in it.
    monkeypatch.setattr(after_batch, "release_for", lambda *_given: None)
    providers = [world.provider(f"provider-{number}") for number in range(RECORDS)]
    together, alone = side(world, ours, providers), side(world, theirs, providers)
    parked, batches = schedule(random.Random(number))
    for steps in ([[step] for step in parked], batches):
        for batch in steps:
            together.consume(batch, log)
            for step in batch:
                alone.consume([step], log)
        together.come()
        alone.come()
    assert together.state(ledger) == alone.state(ledger), (parked, batches)


@pytest.mark.parametrize("mode", ["append", "relink"])
def test_a_message_sent_again_behind_what_ends_its_rows_is_overtaken_in_their_batch(
    ours: Tenant, ledger: Ledger, mode: str
) -> None:
    late = absent()
    old = synced(ours.connector, [ours.companies[0], late], mode=mode)
    assert consume(old) == []
    ours.come(late)
    newer = invalidated(ours.connector, [ours.companies[0], late])
    assert consume(newer, old) == []
    assert (ledger.messages()[old["id"]].outcome, ledger.messages()[old["id"]].reason) == ("parked", "overtaken")
    assert not ledger.live(ours.connector)


def test_a_row_that_is_made_and_ended_in_one_batch_is_kept_as_history(ours: Tenant, ledger: Ledger) -> None:
    company = ours.companies[0]
    assert consume(synced(ours.connector, [company]), invalidated(ours.connector, [company])) == []
    ((created, updated, deleted),) = ledger.times("company")
    assert created == updated == deleted
