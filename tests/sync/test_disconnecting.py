"""`connector.disconnected`, in chunks that commit by themselves, and what becomes of its neighbours."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, event

from tests.support.databases import CONSUMER, FreshDatabase, Statements
from tests.support.queue import consume, disconnected, synced
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Log, Tenant, before_chunks, begins_a_chunk, chunks, ids, outcomes, units
from tests.sync.test_redelivery import pid_of
from wellspring.database.retry import Deadline

CHUNK = 3


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wellspring.services.sync.applying.CHUNK", CHUNK)


@pytest.fixture
def many(ours: Tenant, world: World) -> list[Row]:
    companies = world.companies(ours.workspace, 10 * CHUNK)
    world.provenances(companies, ours.connector)
    return companies


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The time is over after as many looks at the clock as stand in this list; none stands in it at first."""
    most: list[int] = []
    looks = 0

    def has_passed(_: Deadline) -> bool:
        nonlocal looks
        looks += 1
        return bool(most) and looks > most[0]

    monkeypatch.setattr(Deadline, "has_passed", property(has_passed))
    yield most
    assert not most or looks > most[0], "the time was not over"


def test_it_ends_every_live_row_of_its_connector(ours: Tenant, ledger: Ledger, world: World, log: Log) -> None:
    everything = [*ours.companies, *ours.accounts, *ours.peoples]
    for record in everything:
        world.provenance(record, ours.connector)
        world.provenance(record, ours.connector, "output")
        world.provenance(record, ours.other_connector)
    message = disconnected(ours.connector)
    assert consume(message) == []
    assert ledger.live(ours.connector) == {}
    assert ledger.live(ours.other_connector) == ids(everything)
    assert ledger.inbox() == {message["id"]}
    (line,) = [line for line in log if line["message"] == "message applied"]
    assert (line["message_id"], line["tombstoned"]) == (message["id"], 2 * len(everything))


@pytest.mark.parametrize("rows", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 4 * CHUNK + 1])
def test_chunks_are_transactions(ours: Tenant, ledger: Ledger, world: World, statements: Statements, rows: int) -> None:
    companies = world.companies(ours.workspace, rows) if rows else []
    if companies:
        world.provenances(companies, ours.connector)
    assert consume(disconnected(ours.connector)) == []
    assert chunks(statements) == rows // CHUNK + 1
    assert not ledger.live()
    assert sum(ledger.rows().values()) == rows
    assert len(ledger.inbox()) == 1


class TestItsPlaceInTheOrder:
    def test_what_came_before_it_ends_and_what_came_after_stays(self, ours: Tenant, ledger: Ledger, log: Log) -> None:
        first, second, third = ours.companies[:3]
        batch = [
            synced(ours.connector, [first]),
            disconnected(ours.connector),
            synced(ours.connector, [second]),
            disconnected(ours.connector),
            synced(ours.connector, [third]),
        ]
        assert consume(*batch) == []
        assert ledger.rows() == {
            ("company", first.id, "input", False): 1,
            ("company", second.id, "input", False): 1,
            ("company", third.id, "input", True): 1,
        }
        assert outcomes(log) == ["applied"] * 5
        # Each row is counted once, of the message that ended it.
        assert [line["tombstoned"] for line in log if "outcome" in line] == [0, 1, 0, 1, 0]

    def test_each_connector_has_chunks_of_its_own(
        self, ours: Tenant, theirs: Tenant, ledger: Ledger, world: World, statements: Statements
    ) -> None:
        connectors = [ours.connector, ours.other_connector, theirs.connector]
        for of, connector in zip((ours, ours, theirs), connectors, strict=True):
            world.provenance(of.companies[0], connector)
        after = [synced(ours.connector, ours.mixed), synced(theirs.connector, theirs.mixed)]
        assert consume(*map(disconnected, connectors), *after) == []
        assert ledger.live() == ids([*ours.mixed, *theirs.mixed])
        # What follows is one unit again.
        assert (chunks(statements), units(statements)) == (3, 1)


class TestATimeThatIsOver:
    def test_sends_it_back_with_what_is_behind_it_and_the_next_delivery_goes_on(
        self, ours: Tenant, theirs: Tenant, ledger: Ledger, many: list[Row], rounds: list[int], log: Log
    ) -> None:
        batch = [
            disconnected(ours.connector),
            synced(ours.connector, ours.mixed),
            synced(theirs.connector, theirs.mixed),
        ]
        rounds.append(9)
        assert consume(*batch) == [0, 1]
        done = len(many) - sum(ledger.live(ours.connector).values())
        assert 0 < done < len(many)
        assert ledger.live(theirs.connector) == ids(theirs.mixed)
        assert outcomes(log) == ["returned", "held", "applied"]
        first = next(line for line in log if line.get("outcome") == "returned")
        assert (first["level"], first["reason"], first["tombstoned"]) == ("WARNING", "OUT_OF_TIME", done)
        log.clear()
        rounds.clear()
        assert consume(*batch[:2]) == []
        assert ledger.live(ours.connector) == ids(ours.mixed)
        assert log[0]["tombstoned"] == len(many) - done


def at_chunk(database: FreshDatabase, moment: str, wanted: int, do: Callable[[Connection], object]) -> None:
    """Call `do` with the connection, once, at the `wanted`th chunk's `commit` or `after_cursor_execute`."""
    seen = 0

    @event.listens_for(database.engine(CONSUMER), moment)
    def look(connection: Connection, *call: Any) -> None:
        nonlocal seen
        if call and not begins_a_chunk(call[1]):
            return
        seen += 1
        if seen == wanted:
            do(connection)


class TestACrash:
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_of_the_connection_in_a_chunk_is_got_over(
        self,
        fresh_database: FreshDatabase,
        ours: Tenant,
        ledger: Ledger,
        many: list[Row],
        log: Log,
        monkeypatch: pytest.MonkeyPatch,
        moment: str,
    ) -> None:
        def end(connection: Connection) -> None:
            fresh_database.end(pid_of(connection))

        if moment == "before":
            before_chunks(monkeypatch, lambda number, connection: end(connection) if number == 4 else None)
        else:
            at_chunk(fresh_database, "after_cursor_execute", 4, end)
        assert consume(disconnected(ours.connector)) == []
        assert not ledger.live()
        assert sum(line["tombstoned"] for line in log if "outcome" in line) == len(many)


@pytest.mark.usefixtures("fresh_database")
def test_a_consumer_given_up_for_lost_ends_nothing_that_was_written_after_its_message_was_done(
    monkeypatch: pytest.MonkeyPatch, ours: Tenant, ledger: Ledger, many: list[Row], log: Log
) -> None:
    message = disconnected(ours.connector)
    meanwhile: list[list[int]] = []

    def overtake(number: int, _: Connection) -> None:
        if number == 3:
            meanwhile.extend(others.map(consume, [message, synced(ours.connector, many)]))

    before_chunks(monkeypatch, overtake)
    with ThreadPoolExecutor(1) as others:
        assert consume(message) == []
    assert meanwhile == [[], []]
    assert ledger.live() == ids(many)
    assert sorted(outcomes(log)) == ["applied", "applied", "duplicate"]


def test_nobody_waits_for_a_chunk(fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger, many: list[Row]) -> None:
    found: list[int] = []

    def look(_: Connection) -> None:
        with fresh_database.session() as other:
            other.exec_driver_sql("SET lock_timeout = '100ms'")
            count = "SELECT count(*) FROM core_api.company_workspace_connectors WHERE deleted_at IS NULL"
            found.append(other.exec_driver_sql(count).scalar_one())
            other.exec_driver_sql(
                "INSERT INTO core_api.company_workspace_connectors (company_pk, workspace_connector_pk, direction)"
                f" VALUES ({ours.companies[0].pk}, {ours.other_connector.pk}, 'input')"
            )
            other.commit()

    at_chunk(fresh_database, "commit", 2, look)
    assert consume(disconnected(ours.connector)) == []
    # The chunk that is not committed has ended nothing yet for the others.
    assert found == [len(many) - CHUNK]
    assert ledger.live() == ids(ours.companies[:1])
