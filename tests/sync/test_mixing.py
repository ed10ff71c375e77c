"""A batch of messages of all types leaves behind what they would one after the other, for whatever batch."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.queue import Body, consume, disconnected, invalidated, matched, synced
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Tenant, tenant

type Log = list[dict[str, Any]]

RECORDS = 3
KINDS = ("append", "relink", "invalidate", "match")


def records_of(of: Tenant) -> list[Row]:
    return [*of.companies[:RECORDS], *of.accounts, *of.peoples]


def connectors_of(of: Tenant) -> list[Row]:
    return [of.connector, of.other_connector]


def messages(seed: int, of: Tenant, providers: list[Row], kinds: tuple[str, ...]) -> list[Body]:
    """Return ten messages: the same for every tenant but for what they name."""
    chance = random.Random(seed)
    made = []
    for _ in range(10):
        connector = chance.choice(connectors_of(of))
        records = chance.sample(records_of(of), chance.randint(1, 5))
        direction: Any = chance.choice(["input", "output"])
        match kind := chance.choice(kinds):
            case "append" | "relink":
                made.append(synced(connector, records, direction, mode=kind))
            case "invalidate":
                made.append(invalidated(connector, records, chance.choice([direction, None])))
            case "match":
                made.append(matched(of.workspace, chance.sample(providers, 2)))
            case "disconnect":
                made.append(disconnected(connector))
    return made


def state(ledger: Ledger, of: Tenant) -> tuple[Any, ...]:
    """Return what is written of a tenant, without a word that is its own."""
    place = {row.id: number for number, row in enumerate(records_of(of))}
    rows = [
        Counter({(type_, place[id_], *rest): n for (type_, id_, *rest), n in ledger.rows(connector).items()})
        for connector in connectors_of(of)
    ]
    return (*rows, ledger.choices(of.workspace))


def counts(log: Log) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in log:
        if "outcome" in line:
            found.update({name: line[name] for name in ("inserted", "tombstoned", "matched")})
    return found


@pytest.mark.parametrize("kinds", [KINDS, (*KINDS, "disconnect")], ids=["without disconnects", "with disconnects"])
@pytest.mark.parametrize("seed", range(12))
def test_a_batch_does_what_its_messages_do_one_by_one(
    world: World, ledger: Ledger, log: Log, seed: int, kinds: tuple[str, ...]
) -> None:
    providers = [world.provider(f"provider-{number}") for number in range(4)]
    together, apart = tenant(world, "Together"), tenant(world, "Apart")
    for of in (together, apart):
        for record in records_of(of):
            world.provenance(record, of.connector)
            world.provenance(record, of.other_connector, "output")
    batch = messages(seed, together, providers, kinds)
    assert consume(*batch) == []
    summed = counts(log)
    log.clear()
    for message in messages(seed, apart, providers, kinds):
        assert consume(message) == []
    assert state(ledger, together) == state(ledger, apart)
    assert summed == counts(log)


@pytest.mark.parametrize(
    ("first", "then", "live"),
    [
        ("append", "invalidate", 0),
        ("relink", "invalidate", 0),
        ("invalidate", "append", 1),
        ("append", "append", 2),
        ("append", "disconnect", 0),
        ("disconnect", "append", 1),
        ("invalidate", "relink", 1),
    ],
)
def test_of_two_messages_about_one_record_the_later_one_has_the_last_word(
    ours: Tenant, ledger: Ledger, first: str, then: str, live: int
) -> None:
    company = ours.companies[0]
    makers: dict[str, Callable[[], Body]] = {
        "append": lambda: synced(ours.connector, [company]),
        "relink": lambda: synced(ours.connector, [company], mode="relink"),
        "invalidate": lambda: invalidated(ours.connector, [company]),
        "disconnect": lambda: disconnected(ours.connector),
    }
    assert consume(makers[first](), makers[then]()) == []
    assert ledger.live()[company.id] == live


def test_a_row_that_is_made_and_ended_in_one_batch_is_kept_as_history(ours: Tenant, ledger: Ledger) -> None:
    company = ours.companies[0]
    assert consume(synced(ours.connector, [company]), invalidated(ours.connector, [company])) == []
    ((created, updated, deleted),) = ledger.times("company")
    assert created == updated == deleted


def test_a_message_that_is_parked_ends_nothing_of_an_earlier_one(ours: Tenant, theirs: Tenant, ledger: Ledger) -> None:
    bad = invalidated(ours.connector, [*ours.mixed, theirs.companies[0]])
    assert consume(synced(ours.connector, ours.mixed), bad) == []
    assert sum(ledger.live().values()) == len(ours.mixed)
