"""Messages that come as batches, with old ones sent again among them, have the effect that they have one by one."""

import random
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from tests.support.queue import Body, consume, disconnected, invalidated, synced
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Tenant
from wellspring.handlers import after_batch

# Records of each side; the last two come later, or never.
RECORDS, LATE = 4, (2, 3)
NEW = ("append", "relink", "invalidate", "invalidate", "disconnect", "make")
SCHEDULES, OFTEN = 40, 20

type Step = tuple[str, int, int]


@dataclass
class Side:
    """A connector of its own with records of its own, numbered, and what was sent to it."""

    world: World
    tenant: Tenant
    connector: Row
    records: list[Row]
    bodies: list[Body] = field(default_factory=list)
    is_there: bool = False

    def message(self, kind: str, which: int, other: int) -> Body:
        """Return the message of a step."""
        named = [self.records[number] for number in {which, other}]
        match kind:
            case "append" | "relink":
                body = synced(self.connector, named, mode=kind)
            case "make":
                body = synced(self.connector, [self.records[which if which != LATE[0] else LATE[1]]])
                for record in body["records"]:
                    record["attributes"] = {"name": "Made"}
            case "invalidate":
                body = invalidated(self.connector, named)
            case "disconnect":
                body = disconnected(self.connector)
            case _:
                # Most often one of the first, which were parked.
                return self.bodies[which % len(self.bodies)]
        self.bodies.append(body)
        return body

    def come(self) -> None:
        """Have the first of the late records come, as the feed would; the other one is never there."""
        if not self.is_there:
            self.world.record("company", self.tenant.workspace, id=self.records[LATE[0]].id)
        self.is_there = True

    def state(self, ledger: Ledger) -> tuple[list[tuple[str, str | None]], Counter[tuple[int, str, bool]]]:
        """Return what became of each message, and the rows, by the numbers of their records."""
        rows = ledger.messages()
        fates = [(rows[body["id"]].outcome, rows[body["id"]].reason) for body in self.bodies]
        numbers: dict[UUID, int] = {record.id: number for number, record in enumerate(self.records)}
        found = ledger.rows(self.connector)
        return fates, Counter(
            {(numbers[id_], direction, live): number for (_, id_, direction, live), number in found.items()}
        )


def side(world: World, tenant: Tenant) -> Side:
    there = world.companies(tenant.workspace, RECORDS - len(LATE))
    late = [Row("company", 0, uuid4()) for _ in LATE]
    return Side(world, tenant, world.workspace_connector(tenant.workspace), [*there, *late])


def schedule(chance: random.Random) -> tuple[list[Step], list[list[Step]]]:
    """Return messages of which most miss a record, and batches that come when one of the records is there."""

    def step(kinds: tuple[str, ...]) -> Step:
        return chance.choice(kinds), chance.randrange(RECORDS), chance.randrange(RECORDS)

    missing = [(chance.choice(("append", "relink")), chance.randrange(RECORDS), LATE[0]) for _ in range(2)]
    batches = [[step((*NEW, *["again"] * 4)) for _ in range(chance.randint(2, 6))] for _ in range(2)]
    return [*missing, step(NEW)], batches


@pytest.mark.parametrize(
    "number", [*range(OFTEN), *(pytest.param(number, marks=pytest.mark.long) for number in range(OFTEN, SCHEDULES))]
)
def test_batches_with_messages_that_are_sent_again_are_as_one_by_one(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    # What waits is released behind each batch, so behind what else is in it.
    monkeypatch.setattr(after_batch, "release_for", lambda *_given: None)
    together, alone = side(world, ours), side(world, theirs)
    parked, batches = schedule(random.Random(number))
    for steps in ([[step] for step in parked], batches):
        for batch in steps:
            assert consume(*(together.message(*step) for step in batch)) == []
            for step in batch:
                assert consume(alone.message(*step)) == []
        together.come()
        alone.come()
    assert together.state(ledger) == alone.state(ledger), (parked, batches)
    sums_are_right(ledger.database)


@pytest.mark.parametrize("mode", ["append", "relink"])
def test_a_message_sent_again_behind_what_ends_its_rows_is_overtaken_in_their_batch(
    world: World, ours: Tenant, ledger: Ledger, mode: str
) -> None:
    late = Row("company", 0, uuid4())
    old = synced(ours.connector, [ours.companies[0], late], mode=mode)
    assert consume(old) == []
    world.company(ours.workspace, id=late.id)
    newer = invalidated(ours.connector, [ours.companies[0], late])
    assert consume(newer, old) == []
    assert (ledger.messages()[old["id"]].outcome, ledger.messages()[old["id"]].reason) == ("parked", "overtaken")
    assert not ledger.live(ours.connector)
