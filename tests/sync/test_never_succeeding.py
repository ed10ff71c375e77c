"""Messages that can never succeed: each kind is parked at once, leaves nothing behind, and is told in one line."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.queue import Body, consume, disconnected, invalidated, matched, synced
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Log, Tenant

UNKNOWN = UUID("0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e99")


def hopeless(world: World, ours: Tenant, theirs: Tenant) -> list[tuple[Body, str]]:
    """Return messages, each with its reason and what the first of its problems begins with."""

    def gone(row: Row) -> Row:
        world.tombstone(row)
        return row

    company, provider = world.company(ours.workspace), world.provider("one")
    account, lost_provider = gone(world.account(ours.workspace)), gone(world.provider("gone"))
    connector, workspace = gone(world.workspace_connector(ours.workspace)), world.workspace()
    of_gone = world.workspace_connector(gone(workspace))
    no_person = Row("people", 0, UNKNOWN)
    return [
        (synced(ours.connector, [*ours.companies, no_person]), f"unknown_record: people {UNKNOWN}"),
        # Under another type.
        (synced(ours.connector, [Row("account", 0, company.id), *ours.mixed]), f"unknown_record: account {company.id}"),
        (synced(ours.connector, [account, *ours.mixed], mode="relink"), f"unknown_record: account {account.id}"),
        (synced(UNKNOWN, ours.mixed), f"unknown_connector: workspace_connector {UNKNOWN}"),
        (synced(connector, ours.mixed), f"unknown_connector: workspace_connector {connector.id}"),
        (synced(of_gone, ours.mixed), f"unknown_connector: workspace_connector {of_gone.id}"),
        (synced(theirs.connector, ours.companies), "tenant_mismatch: company"),
        (invalidated(ours.connector, [*ours.companies, no_person]), f"unknown_record: people {UNKNOWN}"),
        (invalidated(UNKNOWN, ours.companies), f"unknown_connector: workspace_connector {UNKNOWN}"),
        (invalidated(ours.workspace, ours.companies), "unknown_connector: workspace_connector"),
        (invalidated(ours.connector, theirs.companies[:1]), "tenant_mismatch: company"),
        (disconnected(UNKNOWN), f"unknown_connector: workspace_connector {UNKNOWN}"),
        (matched(UNKNOWN, [provider]), f"unknown_workspace: workspace {UNKNOWN}"),
        (matched(workspace, [provider]), f"unknown_workspace: workspace {workspace.id}"),
        (matched(ours.connector, [provider]), "unknown_workspace: workspace"),
        (matched(ours.workspace, [provider, UNKNOWN]), f"unknown_provider: provider {UNKNOWN}"),
        (matched(ours.workspace, [provider, lost_provider]), f"unknown_provider: provider {lost_provider.id}"),
    ]


def parked(body: Body, ledger: Ledger, log: Log) -> dict[str, Any]:
    """Send what cannot succeed, and return the line that tells of it."""
    before = ledger.rows()
    assert consume(body) == []
    assert (ledger.rows(), ledger.inbox()) == (before, set())
    (line,) = [line for line in log if line["level"] == "ERROR"]
    assert line["message"] == "message parked, it cannot succeed by itself"
    assert (line["message_id"], line["outcome"]) == (body["id"], "parked")
    return line


def test_a_message_is_parked_with_its_reason_and_leaves_nothing_behind(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log
) -> None:
    for of in (ours, theirs):
        world.provenance(of.companies[0], of.connector)
    for body, problem in hopeless(world, ours, theirs):
        log.clear()
        line = parked(body, ledger, log)
        assert line["problems"][0].startswith(problem)
        assert line["reason"] == problem.partition(":")[0]
        assert not ledger.choices(ours.workspace)


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
