"""Effects of one message on the ledger, and what it must not do."""

import pytest

from tests.support.queue import consume, synced
from tests.support.world import Direction, World
from tests.sync.conftest import Ledger, Log, Tenant, ids


@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_message_writes_one_row_for_each_record_of_each_type(
    ours: Tenant, ledger: Ledger, direction: Direction
) -> None:
    message = synced(ours.connector, ours.mixed, direction)
    assert consume(message) == []
    assert ledger.rows(ours.connector) == {(row.type, row.id, direction, True): 1 for row in ours.mixed}
    assert {str(id_) for id_ in ledger.inbox()} == {message["id"]}


def test_a_record_named_twice_gets_one_row(ours: Tenant, ledger: Ledger) -> None:
    message = synced(ours.connector, [ours.companies[0]] * 3)
    message["records"][1]["id"] = message["records"][1]["id"].upper()
    assert consume(message) == []
    assert ledger.live() == ids(ours.companies[:1])


def test_a_new_row_is_made_now_and_updated_when_made(ours: Tenant, ledger: Ledger, world: World) -> None:
    consume(synced(ours.connector, ours.companies[:1]))
    ((created, updated, deleted),) = ledger.times("company")
    assert created == updated == world.database.owner.exec_driver_sql("SELECT now()::timestamptz(3)").scalar_one()
    assert deleted is None


@pytest.mark.parametrize("word", ["SELECT", "INSERT", "core_api", "Ours", "swordfish"])
def test_no_line_of_the_log_holds_sql_names_or_bodies(ours: Tenant, theirs: Tenant, log: Log, word: str) -> None:
    bad = synced(ours.connector, ours.mixed) | {"direction": "swordfish"}
    consume(synced(ours.connector, ours.mixed), bad, synced(theirs.connector, ours.mixed))
    assert len(log) == 4
    assert word not in str(log)


def test_no_line_of_the_log_holds_a_pk(ours: Tenant, theirs: Tenant, log: Log, world: World) -> None:
    # Numbers that stand out, should they appear.
    world.database.owner.exec_driver_sql("ALTER TABLE core_api.companies ALTER pk RESTART WITH 770077001")
    far = world.company(ours.workspace)
    consume(synced(ours.connector, [far]), synced(theirs.connector, [far]))
    assert "7700770" not in str(log)
