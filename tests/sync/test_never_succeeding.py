"""What can never succeed: each kind is parked at once, leaves nothing behind, and is told in one line."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.queue import Body, consume, disconnected, invalidated, matched, synced
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Tenant

type Log = list[dict[str, Any]]

UNKNOWN = UUID("0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e99")


def gone(world: World, row: Row) -> Row:
    world.tombstone(row)
    return row


def absent(type_: str) -> Row:
    return Row(type_, 0, UNKNOWN)


type Make = Callable[[World, Tenant, Tenant], Body]

# By what is wrong: the message, and its reason with the first of its problems.
NEVER: dict[str, tuple[Make, str, str]] = {
    "an unknown record": (
        lambda _, ours, __: synced(ours.connector, [*ours.companies, absent("people")]),
        "unknown_record",
        f"people {UNKNOWN}",
    ),
    "a record under another type": (
        lambda world, ours, _: synced(
            ours.connector, [Row("account", 0, world.company(ours.workspace, id=UNKNOWN).id), *ours.mixed]
        ),
        "unknown_record",
        f"account {UNKNOWN}",
    ),
    "a tombstoned record": (
        lambda world, ours, _: synced(
            ours.connector, [gone(world, world.account(ours.workspace, id=UNKNOWN)), *ours.mixed], mode="relink"
        ),
        "unknown_record",
        f"account {UNKNOWN}",
    ),
    "an unknown connector": (
        lambda _, ours, __: synced(UNKNOWN, ours.mixed),
        "unknown_connector",
        f"workspace_connector {UNKNOWN}",
    ),
    "a tombstoned connector": (
        lambda world, ours, _: synced(gone(world, ours.connector), ours.mixed),
        "unknown_connector",
        "workspace_connector",
    ),
    "a connector of a tombstoned workspace": (
        lambda world, ours, _: (gone(world, ours.workspace), synced(ours.connector, ours.mixed))[1],
        "unknown_connector",
        "workspace_connector",
    ),
    "a connector of another workspace": (
        lambda _, ours, theirs: synced(theirs.connector, ours.companies),
        "tenant_mismatch",
        "company",
    ),
    "an invalidation of an unknown record": (
        lambda _, ours, __: invalidated(ours.connector, [*ours.companies, absent("people")]),
        "unknown_record",
        f"people {UNKNOWN}",
    ),
    "an invalidation by an unknown connector": (
        lambda _, ours, __: invalidated(UNKNOWN, ours.companies),
        "unknown_connector",
        f"workspace_connector {UNKNOWN}",
    ),
    "an invalidation by a workspace": (
        lambda _, ours, __: invalidated(ours.workspace, ours.companies),
        "unknown_connector",
        "workspace_connector",
    ),
    "an invalidation of a record of another workspace": (
        lambda _, ours, theirs: invalidated(ours.connector, theirs.companies[:1]),
        "tenant_mismatch",
        "company",
    ),
    "a disconnect of an unknown connector": (
        lambda *_: disconnected(UNKNOWN),
        "unknown_connector",
        f"workspace_connector {UNKNOWN}",
    ),
    "a match of an unknown workspace": (
        lambda world, *_: matched(UNKNOWN, [world.provider("one")]),
        "unknown_workspace",
        f"workspace {UNKNOWN}",
    ),
    "a match of a tombstoned workspace": (
        lambda world, ours, _: matched(gone(world, ours.workspace), [world.provider("one")]),
        "unknown_workspace",
        "workspace",
    ),
    "a match of a connector": (
        lambda world, ours, _: matched(ours.connector, [world.provider("one")]),
        "unknown_workspace",
        "workspace",
    ),
    "a match of an unknown provider": (
        lambda world, ours, _: matched(ours.workspace, [world.provider("one"), UNKNOWN]),
        "unknown_provider",
        f"provider {UNKNOWN}",
    ),
    "a match of a tombstoned provider": (
        lambda world, ours, _: matched(
            ours.workspace, [world.provider("one"), gone(world, world.provider("gone", id=UNKNOWN))]
        ),
        "unknown_provider",
        f"provider {UNKNOWN}",
    ),
}


def parked(body: Body, ledger: Ledger, log: Log) -> dict[str, Any]:
    """Send what cannot succeed, and return the line that tells of it."""
    before = ledger.rows()
    assert consume(body) == []
    assert (ledger.rows(), ledger.inbox()) == (before, set())
    (line,) = [line for line in log if line["level"] == "ERROR"]
    assert line["message"] == "message parked, it cannot succeed by itself"
    assert (line["message_id"], line["outcome"]) == (body["id"], "parked")
    return line


@pytest.mark.parametrize("what", NEVER)
def test_a_message_is_parked_with_its_reason_and_leaves_nothing_behind(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log, what: str
) -> None:
    for of in (ours, theirs):
        world.provenance(of.companies[0], of.connector)
    make, reason, problem = NEVER[what]
    line = parked(make(world, ours, theirs), ledger, log)
    assert line["reason"] == reason
    assert line["problems"][0].startswith(f"{reason}: {problem}")
    assert not [*ledger.choices(ours.workspace)]


@pytest.mark.parametrize("mode", ["append", "relink"])
@pytest.mark.parametrize("type_", ["account", "company", "people"])
def test_a_record_of_another_workspace_is_a_mismatch(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log, type_: str, mode: str
) -> None:
    foreign = next(row for row in theirs.mixed if row.type == type_)
    world.provenance(foreign, theirs.connector)
    line = parked(synced(ours.connector, [*ours.companies, foreign], mode=mode), ledger, log)
    assert (line["reason"], line["problems"]) == ("tenant_mismatch", [f"tenant_mismatch: {type_} {foreign.id}"])


def test_of_several_wrong_things_the_first_few_are_told_and_all_counted(
    ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log
) -> None:
    unknown = [Row("company", 0, uuid4()) for _ in range(40)]
    line = parked(synced(ours.connector, [*theirs.mixed, *ours.mixed, *unknown]), ledger, log)
    assert (line["reason"], len(line["problems"]), line["problem_count"]) == ("unknown_record", 5, 43)
    log.clear()
    line = parked(synced(uuid4(), unknown), ledger, log)
    assert (line["reason"], line["problem_count"]) == ("unknown_connector", 41)


def test_of_a_malformed_body_it_is_told_where(ours: Tenant, ledger: Ledger, log: Log) -> None:
    line = parked(synced(ours.connector, ours.mixed) | {"direction": "sideways"}, ledger, log)
    assert (line["reason"], line["problems"]) == ("malformed", ["records.synced.direction: literal_error"])
    assert line["receives"] == "1"
