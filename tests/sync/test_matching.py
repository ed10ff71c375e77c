"""`providers.matched`: its effects on a workspace's choices, and what it must not do."""

import pytest

from tests.support.databases import Statements
from tests.support.queue import consume, matched
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Log, Tenant, units


@pytest.fixture
def providers(world: World) -> list[Row]:
    return [world.provider(f"provider-{number}") for number in range(4)]


def test_it_matches_and_selects_nothing(ours: Tenant, providers: list[Row], ledger: Ledger, log: Log) -> None:
    message = matched(ours.workspace, [*providers, providers[0]])
    assert consume(message) == []
    assert ledger.choices(ours.workspace) == {(provider.id, False, True, True): 1 for provider in providers}
    assert {str(id_) for id_ in ledger.inbox()} == {message["id"]}
    (line,) = [line for line in log if line["message"] == "message applied"]
    assert (line["records"], line["matched"]) == (4, 4)
    assert line["message_group"] == str(ours.workspace.id)


def test_it_keeps_what_is_selected_and_matches_what_was_not(
    ours: Tenant, providers: list[Row], ledger: Ledger, world: World, log: Log
) -> None:
    selected, plain, known, new = providers
    world.choose(ours.workspace, selected, is_selected=True, is_matched=True)
    world.choose(ours.workspace, plain)
    world.choose(ours.workspace, known, is_matched=True)
    assert consume(matched(ours.workspace, providers)) == []
    assert ledger.choices(ours.workspace) == {
        (selected.id, True, True, True): 1,
        (plain.id, False, True, True): 1,
        (known.id, False, True, True): 1,
        (new.id, False, True, True): 1,
    }
    (line,) = [line for line in log if line["message"] == "message applied"]
    assert line["matched"] == 2


def test_it_updates_no_row_that_it_does_not_change(
    ours: Tenant, providers: list[Row], world: World, ledger: Ledger
) -> None:
    for provider, is_matched in ((providers[0], True), (providers[1], False)):
        world.choose(ours.workspace, provider, is_matched=is_matched)
    ledger.sql("UPDATE core_api.workspace_providers SET updated_at = now() - interval '1 day'")
    consume(matched(ours.workspace, providers[:2]))
    changed = "SELECT updated_at > now() - interval '1 hour' FROM core_api.workspace_providers ORDER BY pk"
    assert ledger.sql(changed) == [(False,), (True,)]


def test_it_makes_a_new_row_where_the_old_one_was_removed(
    ours: Tenant, providers: list[Row], ledger: Ledger, world: World
) -> None:
    world.tombstone(world.choose(ours.workspace, providers[0], is_matched=True))
    assert consume(matched(ours.workspace, providers[:1])) == []
    assert ledger.choices(ours.workspace) == {
        (providers[0].id, False, True, False): 1,
        (providers[0].id, False, True, True): 1,
    }


def test_messages_of_one_batch_may_match_the_same(
    ours: Tenant, theirs: Tenant, providers: list[Row], ledger: Ledger, log: Log, statements: Statements
) -> None:
    batch = [matched(of.workspace, providers[number:]) for of in (ours, theirs) for number in range(3)]
    assert consume(*batch) == []
    assert units(statements) == 1
    for of in (ours, theirs):
        assert ledger.choices(of.workspace) == {(provider.id, False, True, True): 1 for provider in providers}
    assert [line["matched"] for line in log if line["message"] == "message applied"] == [4, 0, 0, 4, 0, 0]
