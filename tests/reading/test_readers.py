"""Reads that a reader answers: whoever wrote sees it at once, and nobody sees half of anything (docs/adr/0050)."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from local.postgres import Cluster
from migrations import run
from tests.support.api import PIPELINE, READER, Caller, Reply, TickingContext, call, post
from tests.support.databases import Statements
from tests.support.freezing import frozen
from tests.support.replicas import Replica, ReplicatedDatabase
from tests.support.tenants import Tenant, tenant
from tests.support.world import World
from wellspring.database import readers, scope
from wellspring.database.scope import circuit_breaker

NAME = "replicated"
COMPANIES = "/v1/company-workspace-connectors"
ANY = "0"
type Log = list[dict[str, Any]]


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A migrated cluster that can be followed."""
    with Cluster(tmp_path_factory.mktemp("primary") / "cluster") as cluster:
        cluster.create_database(NAME)
        run.upgrade(cluster.url(NAME))
        cluster.let_in(*run.ROLES)
        yield cluster


@pytest.fixture(scope="module")
def replica(primary: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    with Replica(tmp_path_factory.mktemp("replica") / "cluster", primary) as following:
        yield following


@pytest.fixture
def database(
    primary: Cluster, replica: Replica, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ReplicatedDatabase]:
    given = ReplicatedDatabase(NAME, primary, replica, statements)
    monkeypatch.setattr(scope, "connection", given.connection)
    monkeypatch.setenv("DB_READ_HOST", "a reader")
    readers.absence.record_answer()
    yield given
    replica.resume()
    given.close()
    circuit_breaker.record_answer()


@pytest.fixture
def ours(database: ReplicatedDatabase) -> Tenant:
    made = tenant(World(database), "company")
    database.commit()
    database.replica.catch_up()
    return made


def write(ours: Tenant) -> tuple[UUID, str]:
    """Make a row; return its id and the token of the answer."""
    reply = post(COMPANIES, PIPELINE, ours.draft())
    assert reply.status == 201, reply.body
    return UUID(reply.data["id"]), reply.headers["consistency-token"]


def see(id_: UUID, token: str | None) -> tuple[int, bool]:
    """Say with which status a row is read with a token, and whether it is listed."""
    return read(f"{COMPANIES}/{id_}", token).status, id_ in read(COMPANIES, token).ids


def read(url: str, token: str | None, caller: Caller = READER, seconds: float = 60) -> Reply:
    """Read with a token; an empty header is none."""
    context = TickingContext(milliseconds=int(seconds * 1000))
    return call("GET", url, caller, headers={"consistency-token": token or ""}, context=context)


def servers(log: Log) -> list[str | None]:
    """Return which server answered each read so far."""
    found = [line.get("server") for line in log if line["message"] == "answered"]
    log.clear()
    return found


def test_whoever_wrote_sees_it_at_once_while_the_reader_is_behind_and_from_the_reader_once_it_is_not(
    ours: Tenant, database: ReplicatedDatabase, log: Log
) -> None:
    database.replica.pause()
    id_, token = write(ours)
    log.clear()
    assert see(id_, token) == (200, True)
    assert servers(log) == ["writer", "writer"]
    database.replica.resume()
    database.replica.catch_up()
    assert see(id_, token) == (200, True)
    assert servers(log) == ["reader", "reader"]


def test_of_a_change_and_of_an_end_the_writer_sees_the_last_state(ours: Tenant, database: ReplicatedDatabase) -> None:
    id_, token = write(ours)
    database.replica.catch_up()
    database.replica.pause()
    ended = call("DELETE", f"{COMPANIES}/{id_}", PIPELINE)
    assert ended.status == 204
    assert read(f"{COMPANIES}/{id_}", token).status == 200
    assert read(f"{COMPANIES}/{id_}", ended.headers["consistency-token"]).status == 404
    database.replica.resume()
    database.replica.catch_up()
    assert read(f"{COMPANIES}/{id_}", ended.headers["consistency-token"]).status == 404


def test_a_later_token_stands_for_the_earlier_ones(ours: Tenant, database: ReplicatedDatabase) -> None:
    database.replica.pause()
    first, early = write(ours)
    second, late = write(ours)
    assert int(late) > int(early)
    assert {first, second} <= set(read(COMPANIES, late).ids)


def test_what_is_answered_again_has_a_token_with_which_it_is_seen(ours: Tenant, database: ReplicatedDatabase) -> None:
    database.replica.pause()
    first, again = (post(COMPANIES, PIPELINE, ours.draft(), idempotency_key="once") for _ in range(2))
    assert first.body == again.body
    assert int(again.headers["consistency-token"]) >= int(first.headers["consistency-token"])
    assert read(f"{COMPANIES}/{first.data['id']}", again.headers["consistency-token"]).status == 200


def test_what_is_under_way_sends_tokens_to_the_writer(ours: Tenant, database: ReplicatedDatabase, log: Log) -> None:
    """Which of those between xmin and xmax have ended, a standby's snapshot does not say."""
    with database.session() as other:
        other.exec_driver_sql("SELECT pg_current_xact_id()")
        id_, token = write(ours)
        database.replica.catch_up()
        log.clear()
        assert read(f"{COMPANIES}/{id_}", token).status == 200
        assert servers(log) == ["writer"]
        other.rollback()


def test_who_names_no_token_is_answered_by_the_writer(ours: Tenant, database: ReplicatedDatabase, log: Log) -> None:
    database.replica.pause()
    id_, _ = write(ours)
    assert read(f"{COMPANIES}/{id_}", None).status == 200
    assert database.asked_of_reader == 0
    assert "server" not in log[-1]


def test_another_may_see_what_was(ours: Tenant, database: ReplicatedDatabase, log: Log) -> None:
    database.replica.pause()
    id_, _ = write(ours)
    log.clear()
    assert see(id_, ANY) == (404, False)
    assert servers(log) == ["reader", "reader"]


def test_a_read_at_the_reader_takes_no_more_flushes(ours: Tenant, flushes: list[str]) -> None:
    for url in (COMPANIES, f"{COMPANIES}/{ours.provenance.id}"):
        taken = []
        for token in (ANY, None, ANY, None):
            flushes.clear()
            read(url, token)
            taken.append(len(flushes))
        assert taken[2] == taken[3]


def test_a_reader_that_is_away_is_the_writers_and_not_looked_for_again_for_a_while(
    ours: Tenant, database: ReplicatedDatabase, log: Log
) -> None:
    assert read(COMPANIES, ANY).status == 200
    database.replica.stop()
    try:
        log.clear()
        assert [read(COMPANIES, ANY).status for _ in range(3)] == [200, 200, 200]
        assert servers(log) == ["writer"] * 3
        # Once as it was, once more for the first that found it gone.
        assert database.asked_of_reader == 2
    finally:
        database.replica.start()
    readers.absence.record_answer()
    # Another port.
    database.close()
    assert readers.absence.seconds > circuit_breaker.seconds


def test_a_silent_reader_costs_one_request_its_time(ours: Tenant, database: ReplicatedDatabase, log: Log) -> None:
    assert read(COMPANIES, ANY).status == 200
    assert database.replica.pid
    with frozen(database.replica.pid):
        log.clear()
        began = time.monotonic()
        first = read(COMPANIES, ANY, seconds=3)
        assert (first.status, first.codes) == (503, ["SERVICE_UNAVAILABLE"])
        assert time.monotonic() - began < 4
        log.clear()
        assert read(COMPANIES, ANY, seconds=3).status == 200
        assert servers(log) == ["writer"]


def test_a_token_of_a_database_that_was_restored_leads_to_the_writer(ours: Tenant, log: Log) -> None:
    assert read(COMPANIES, "9000000000000000000").status == 200
    assert servers(log) == ["writer"]


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "٣", "1" * 20, "0 OR 1"])
def test_what_is_no_token_is_400(ours: Tenant, token: str) -> None:
    reply = read(COMPANIES, token)
    assert (reply.status, reply.error["source"]) == (400, {"header": "Consistency-Token"})


def test_what_changed_nothing_gives_no_token(ours: Tenant) -> None:
    for reply in (read(COMPANIES, None), read(COMPANIES, ANY), call("DELETE", f"{COMPANIES}/{UUID(int=1)}", PIPELINE)):
        assert "consistency-token" not in reply.headers


def test_without_a_reader_there_is_no_token_and_a_write_costs_what_it_did(
    ours: Tenant, database: ReplicatedDatabase, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements.clear()
    write(ours)
    with_reader = len(statements)
    monkeypatch.delenv("DB_READ_HOST")
    statements.clear()
    reply = post(COMPANIES, PIPELINE, ours.draft())
    assert "consistency-token" not in reply.headers
    assert len(statements) == with_reader - 1
    # Whoever sends one all the same is answered.
    assert read(COMPANIES, ANY).status == 200
    assert database.asked_of_reader == 0
