"""The scheduled function that forgets: what is old goes, in bounded deletes, and nothing else does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain, cycle
from typing import Any

import pytest
from sqlalchemy import Connection, event

from maintenance.prune import handler
from tests.support import events
from tests.support.api import Context
from tests.support.databases import CONSUMER, FreshDatabase, Statements
from tests.support.queue import consume, synced
from tests.support.transactions import in_transaction
from tests.support.world import World
from tests.sync.conftest import Ledger, Log, Tenant
from tests.writing.conftest import wait_until_all_wait
from wellspring.database import Transaction
from wellspring.database.retry import Deadline
from wellspring.errors import InternalError, ServiceUnavailable
from wellspring.repositories.infrastructure import delete_oldest

# Events of this folder that are not the queue's.
REPLAYED = ["maintenance_prune"]
CHUNK = 4


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wellspring.services.pruning.CHUNK", CHUNK)


# What a row of each table has but for its time.
REMEMBERED = {
    "sync_messages": {"message_id": "gen_random_uuid()"},
    "idempotency_keys": {
        "caller": "'service:' || gen_random_uuid()",
        "key": "'key'",
        "fingerprint": "'x'",
        "answer": "'{}'",
    },
    "audit": {"caller": "'person'", "operation": "'create'", "resource_type": "'company'"},
}


class Memory(Ledger):
    def remember(self, rows: int, age: str) -> None:
        for table, columns in REMEMBERED.items():
            time = {"received_at" if table == "sync_messages" else "created_at": f"now() - interval '{age}'"}
            World(self.database).fill(f"wellspring.{table}", rows, **columns, **time)

    def left(self) -> tuple[int, ...]:
        return tuple(self.value(f"SELECT count(*) FROM wellspring.{table}") for table in REMEMBERED)


@pytest.fixture
def memory(world: World) -> Memory:
    return Memory(world.database)


@pytest.mark.parametrize(
    ("age", "left"),
    [
        ("364 days 23 hours", (0, 0, 3)),
        ("365 days 1 minute", (0, 0, 0)),
        ("89 days 23 hours", (3, 0, 3)),
        ("90 days 1 minute", (0, 0, 3)),
        ("23 hours 59 minutes", (3, 3, 3)),
        ("24 hours 1 minute", (3, 0, 3)),
        ("-1 hour", (3, 3, 3)),
    ],
)
def test_each_is_remembered_for_its_days(memory: Memory, age: str, left: tuple[int, int, int]) -> None:
    memory.remember(3, age)
    handler({}, Context())
    assert memory.left() == left


def test_the_audit_is_kept_for_as_long_as_the_deployment_says(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.remember(1, "120 days")
    memory.remember(2, "91 days")
    for days, left in (("100", 2), ("5", 0)):
        monkeypatch.setenv("AUDIT_DAYS", days)
        handler({}, Context())
        assert memory.left()[2] == left
    # Less than what the database lets be said counts as that.
    memory.remember(1, "89 days")
    handler({}, Context())
    assert memory.left()[2] == 1


@pytest.mark.parametrize(("rows", "each"), [(0, 1), (1, 1), (CHUNK, 2), (2 * CHUNK + 1, 3)])
def test_a_chunk_is_one_statement(memory: Memory, statements: Statements, log: Log, rows: int, each: int) -> None:
    memory.remember(rows, "400 days")
    memory.remember(2, "1 minute")
    answer = handler({}, Context())
    # And one of runs, of which there are none.
    assert len(statements) == 3 * each + 1
    assert memory.left() == (2, 2, 2)
    deleted = {"sync_messages": rows, "sync_runs": 0, "idempotency_keys": rows, "audit": rows}
    assert answer == {"deleted": deleted, "is_all": True}
    (line,) = log
    assert (line["message"], line["deleted"], line["is_all"]) == ("pruned", answer["deleted"], True)


def test_each_chunk_is_committed_and_the_rest_is_left_to_the_next_run_when_the_time_is_over(
    fresh_database: FreshDatabase, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.remember(5 * CHUNK, "95 days")
    commits: list[int] = []
    looks = chain([False, False], cycle([True]))
    monkeypatch.setattr(Deadline, "has_passed", property(lambda _: next(looks)))

    @event.listens_for(fresh_database.engine(CONSUMER), "commit")
    def count(_: Connection) -> None:
        commits.append(1)

    assert handler({}, Context())["is_all"] is False
    assert len(commits) == 2
    assert memory.left() == (3 * CHUNK, 5 * CHUNK, 5 * CHUNK)
    monkeypatch.undo()


def test_a_key_that_is_claimed_anew_meanwhile_is_kept(fresh_database: FreshDatabase, memory: Memory) -> None:
    memory.remember(1, "95 days")
    with ThreadPoolExecutor(1) as pool, fresh_database.session() as other:
        other.exec_driver_sql("UPDATE wellspring.idempotency_keys SET created_at = now()")
        pool.submit(handler, {}, Context())
        assert wait_until_all_wait(fresh_database, 1)
        other.commit()
    assert memory.left()[:2] == (0, 1)


def test_an_effect_is_not_forgotten_with_its_message(ours: Tenant, ledger: Ledger) -> None:
    consume(synced(ours.connector, ours.mixed))
    ledger.grow_old("91 days")
    before = ledger.rows()
    handler({}, Context())
    assert ledger.inbox() == set()
    assert ledger.rows() == before


def test_the_event_is_replayed(memory: Memory) -> None:
    memory.remember(1, "400 days")
    assert events.replay("maintenance_prune") == {
        "deleted": {"sync_messages": 1, "sync_runs": 0, "idempotency_keys": 1, "audit": 1},
        "is_all": True,
    }


@pytest.mark.parametrize(
    ("table", "days"),
    [
        *(("sync_messages", 44), ("sync_messages", 0), ("sync_runs", 44)),
        *(("idempotency_keys", 0), ("audit", 89), ("cursor_keys", 50)),
    ],
)
def test_what_may_still_matter_cannot_be_deleted_even_by_mistake(memory: Memory, table: Any, days: int) -> None:
    memory.remember(3, "95 days")

    def delete(transaction: Transaction) -> int:
        return delete_oldest(transaction, table, timedelta(days=days), 10)

    with pytest.raises(InternalError) as caught:
        in_transaction(delete)
    assert caught.value.evidence["sqlstate"] == "42501"
    assert memory.left() == (3, 3, 3)


class TestAFailure:
    def test_is_the_functions_and_says_no_sql(self, world: World, log: Log) -> None:
        world.database.role = "wellspring_reader"
        with pytest.raises(InternalError) as caught:
            handler({}, Context())
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        (line,) = log
        assert (line["level"], line["message"], line["sqlstate"]) == ("ERROR", "pruning failed", "42501")
        assert "DELETE" not in str(log)

    def test_that_may_pass_is_tried_again(
        self, memory: Memory, no_pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory.remember(1, "95 days")
        failures: Iterator[bool] = iter([True, True, False, False, False, False])

        def refuse(*_: object, **__: object) -> int:
            if next(failures):
                raise ServiceUnavailable("not now")
            return 0

        monkeypatch.setattr("wellspring.repositories.infrastructure.delete_oldest", refuse)
        assert handler({}, Context())["is_all"] is True
        assert len(no_pauses) == 2
