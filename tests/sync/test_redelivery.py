"""SQS delivers at least once: every message has its effect exactly once, whatever is lost, late or doubled."""

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, event

from tests.support.databases import CONSUMER, FreshDatabase, engine_for
from tests.support.queue import Body, consume, synced
from tests.support.wire import before_each_flush
from tests.support.world import World
from tests.sync.conftest import Ledger, Log, Tenant, applied, ending, ids, outcomes, tenant
from tests.writing.conftest import wait_until_all_wait
from wellspring.database.retry import TRIES

PATIENCE_SECONDS = 20


class TestAMessageThatComesAgain:
    @pytest.mark.parametrize(("ends", "linked"), [("relink", 2), ("invalidation", 1), ("disconnect", 1)])
    def test_ends_nothing_written_since(self, ours: Tenant, ledger: Ledger, log: Log, ends: str, linked: int) -> None:
        message = ending(ends, ours.connector, ours.companies)
        applied(message, synced(ours.connector, ours.companies), message)
        assert ledger.live() == {row.id: linked for row in ours.companies}
        assert outcomes(log) == ["applied", "applied", "duplicate"]

    def test_succeeds_when_records_and_connector_are_gone(self, ours: Tenant, ledger: Ledger, world: World) -> None:
        message = synced(ours.connector, ours.mixed)
        consume(message)
        before = ledger.rows()
        for row in (*ours.mixed, ours.connector, ours.workspace):
            world.tombstone(row)
        assert consume(message) == []
        assert ledger.rows() == before

    def test_with_another_body_is_parked_once_however_its_id_is_written(self, ours: Tenant, ledger: Ledger) -> None:
        message = synced(ours.connector, ours.companies[:1])
        consume(message)
        other = synced(ours.connector, ours.companies) | {"id": message["id"].upper()}
        for _ in range(2):
            assert consume(other) == []
        assert ledger.live() == ids(ours.companies[:1])
        assert ledger.reasons() == {None: 1, "reused_id": 1}


def pid_of(connection: Connection) -> int:
    """Return the number of the server process behind `connection`, without asking the server."""
    key: bytes = connection.connection.dbapi_connection._backend_key_data  # type: ignore[union-attr]  # pg8000's
    return int.from_bytes(key[:4])


def meet(
    database: FreshDatabase,
    first: list[Body],
    second: list[Body],
    meanwhile: Callable[[Connection], object] = lambda _: None,
) -> list[list[int]]:
    """Hold one delivery back, its work done and not committed, until the other waits for it; return what goes back."""
    results: list[Future[list[int]]] = []

    @event.listens_for(database.engine(CONSUMER), "commit")
    def before_commit(connection: Connection) -> None:
        if not results:
            results.append(other.submit(consume, *second))
            assert wait_until_all_wait(database, 1)
            assert not results[0].done()
            meanwhile(connection)

    with ThreadPoolExecutor(1) as other:
        return [consume(*first), results[0].result(PATIENCE_SECONDS)]


def deadlocks(database: FreshDatabase) -> int:
    """Return how many deadlocks the server has counted in this database; the sessions that met them say so at once."""
    with database.session() as other:
        other.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
        found: int = other.exec_driver_sql(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).scalar_one()
        return found


class TestTheSameMessageTwiceAtTheSameTime:
    @pytest.mark.parametrize("mode", ["append", "relink"])
    def test_has_one_effect_and_both_deliveries_succeed(
        self, fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger, log: Log, world: World, mode: str
    ) -> None:
        world.provenance(ours.companies[0], ours.connector)
        message = synced(ours.connector, ours.companies, mode=mode)
        assert meet(fresh_database, [message], [message]) == [[], []]
        assert sorted(outcomes(log)) == ["applied", "duplicate"]
        expected = ids(ours.companies) + (ids(ours.companies[:1]) if mode == "append" else ids([]))
        assert ledger.live() == expected

    @pytest.mark.parametrize("ends", ["relink", "invalidation"])
    def test_is_ended_by_the_next_of_its_group_also_when_it_commits_while_that_is_under_way(
        self, fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger, ends: str
    ) -> None:
        message = synced(ours.connector, ours.companies)
        next_ = ending(ends, ours.connector, ours.companies)
        assert meet(fresh_database, [message], [message, next_]) == [[], []]
        assert ledger.live() == (ids(ours.companies) if ends == "relink" else ids([]))
        assert sum(ledger.rows().values()) == (2 if ends == "relink" else 1) * len(ours.companies)

    def test_has_the_effect_of_the_second_delivery_when_the_first_is_lost(
        self, fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger
    ) -> None:
        message = synced(ours.connector, ours.companies)
        lost = meet(fresh_database, [message], [message], lambda first: fresh_database.end(pid_of(first)))
        assert lost == [[0], []]
        assert ledger.live() == ids(ours.companies)

    def test_has_one_effect_and_no_deadlock(self, fresh_database: FreshDatabase, world: World, ledger: Ledger) -> None:
        tenants = [tenant(world, name) for name in ("A", "B", "C")]
        messages = [synced(of.connector, of.mixed) for of in tenants for _ in range(4)]
        before = deadlocks(fresh_database)

        def deliver(seed: int) -> list[int]:
            return consume(*random.Random(seed).sample(messages, len(messages)))

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(deliver, range(8), timeout=PATIENCE_SECONDS)) == [[]] * 8
        assert ledger.live() == {row.id: 4 for of in tenants for row in of.mixed}
        # A deadlock would be tried again, and leave no other trace than this.
        assert deadlocks(fresh_database) == before


class TestADatabaseThatGoesAway:
    def test_several_times_is_tried_again_with_one_effect(
        self,
        fresh_database: FreshDatabase,
        ours: Tenant,
        ledger: Ledger,
        log: Log,
        no_pauses: list[float],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        killed: list[int] = []

        def end(process: int, _: list[str]) -> None:
            if len(killed) < 5 and process not in killed:
                killed.append(process)
                fresh_database.end(process)

        before_each_flush(monkeypatch, CONSUMER, end)
        assert consume(synced(ours.connector, ours.mixed)) == []
        assert (len(killed), len(no_pauses)) == (5, 2)
        assert ledger.live() == ids(ours.mixed)
        assert [line["level"] for line in log] == ["INFO", "INFO"]

    def test_in_the_commit_sends_the_whole_batch_back_with_a_warning_each(
        self, fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log
    ) -> None:
        engine = fresh_database.engine(CONSUMER)
        event.listen(engine, "commit", lambda connection: fresh_database.end(pid_of(connection)), once=True)
        batch = [synced(ours.connector, ours.mixed), synced(theirs.connector, theirs.mixed)]
        assert consume(*batch) == [0, 1]
        assert [(line["level"], line["message"]) for line in log if "outcome" in line] == [
            ("WARNING", "message returned, to be tried again")
        ] * 2
        assert not ledger.rows()
        assert consume(*batch) == []
        assert ledger.live() == ids([*ours.mixed, *theirs.mixed])

    def test_altogether_sends_the_whole_batch_back(
        self, ours: Tenant, log: Log, no_pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = engine_for("postgresql://wellspring_writer:swordfish@127.0.0.1:1/wellspring")
        monkeypatch.setattr("wellspring.database.scope.connection", nowhere.connect)
        assert consume(synced(ours.connector, ours.mixed), synced(ours.connector, ours.mixed)) == [0, 1]
        assert len(no_pauses) == TRIES - 1
        first, second, batch = log
        assert (first["level"], first["reason"], first["sqlstate"]) == ("WARNING", "SERVICE_UNAVAILABLE", "")
        assert second["outcome"] == "held"
        assert (batch["messages"], batch["returned"], batch["held"]) == (2, 1, 1)
        assert "swordfish" not in str(log)
        nowhere.dispose()


def test_an_unexpected_exception_sends_the_whole_batch_back_and_tells_where_not_what(
    ours: Tenant, ledger: Ledger, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("swordfish")

    monkeypatch.setattr("wellspring.repositories.sync.applying.apply_unit", fail)
    assert consume(synced(ours.connector, ours.mixed), synced(ours.connector, ours.mixed)) == [0, 1]
    (line,) = [line for line in log if line["level"] == "ERROR"]
    assert (line["reason"], line["exception"]) == ("UNEXPECTED", "ValueError")
    assert any(frame.endswith("fail") for frame in line["raised_at"])
    assert "swordfish" not in str(log)
    assert not ledger.inbox()
