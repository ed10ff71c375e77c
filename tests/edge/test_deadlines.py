"""One deadline for each invocation: a silent or slow database is answered for before Lambda ends the function."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pg8000
import pytest
from sqlalchemy import text

from local.postgres import OWNER, Cluster
from tests.support.api import PIPELINE, Context, Reply, TickingContext, call, event
from tests.support.databases import CONSUMER, READER, WRITER, FreshDatabase
from tests.support.freezing import frozen
from tests.support.queue import consume, synced
from tests.support.tenants import Tenant, tenant
from tests.support.world import World
from tests.writing.conftest import count
from wellspring.database import Transaction
from wellspring.database.pipeline import LOST, PipelinedConnection
from wellspring.database.scope import circuit_breaker
from wellspring.handlers.http import Plan, Request, Response, http_handler
from wellspring.handlers.reading import NARROWING

COMPANIES = "/v1/company-workspace-connectors"
LOCK = "LOCK TABLE core_api.company_workspace_connectors IN ACCESS EXCLUSIVE MODE"
# What Lambda gives; a second of it is kept for the answer.
MILLISECONDS = 2500
# A consumer keeps two.
OF_A_BATCH = 4000

type Ask = Callable[[Context], Reply]


@pytest.fixture
def ours(fresh_database: FreshDatabase, world: World) -> Tenant:
    fresh_database.role = WRITER
    made = tenant(world)
    fresh_database.commit()
    return made


@pytest.fixture(autouse=True)
def no_stall() -> Iterator[None]:
    """Of a test that stalled, the next knows nothing."""
    yield
    circuit_breaker.record_answer()


@pytest.fixture(params=["a list", *(pytest.param(how, marks=pytest.mark.long) for how in ("health", "a write"))])
def ask(request: pytest.FixtureRequest, ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """A request, of which the context is still to be said."""
    # Health asks the database each time.
    monkeypatch.setattr("wellspring.handlers.open.READING_SECONDS", 0)
    return {
        "a list": partial(_ask, "GET", COMPANIES, ours, None),
        "health": partial(_ask, "GET", "/health", ours, None),
        "a write": partial(_ask, "POST", COMPANIES, ours, ours.draft()),
    }[request.param]


def _ask(method: str, url: str, ours: Tenant, document: Any, context: Context) -> Reply:
    return call(method, url, PIPELINE if document else ours.caller, document, context=context)


def dispose(database: FreshDatabase) -> None:
    """Forget the connections: the next one who asks makes one."""
    for role in (WRITER, CONSUMER, "wellspring_reader"):
        database.engine(role).dispose()


@pytest.mark.parametrize("how", ["warm", pytest.param("cold", marks=pytest.mark.long)])
def test_a_database_that_says_nothing_is_503_before_lambda_ends_the_function(
    cluster: Cluster, fresh_database: FreshDatabase, ask: Ask, how: str
) -> None:
    assert ask(Context()).status in {200, 201}
    if how == "cold":
        dispose(fresh_database)
    pid, context = cluster.pid, TickingContext(milliseconds=MILLISECONDS)
    assert pid
    with frozen(pid):
        reply = ask(context)
    assert (reply.status, reply.codes) == (503, ["SERVICE_UNAVAILABLE"])
    assert reply.headers["content-type"] == "application/vnd.api+json"
    assert int(reply.headers["retry-after"]) > 0
    assert context.get_remaining_time_in_millis() > 0
    # The environment lives on; nobody need wait for what another waited for just now.
    circuit_breaker.record_answer()
    assert ask(Context()).status in {200, 201}


@pytest.mark.long
def test_what_was_waited_for_in_vain_is_not_waited_for_again_at_once(
    cluster: Cluster, ours: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = cluster.pid
    assert pid
    with frozen(pid):
        assert _ask("GET", COMPANIES, ours, None, TickingContext(milliseconds=MILLISECONDS)).status == 503
        with monkeypatch.context() as patched:
            patched.setattr("wellspring.database.scope.connection", lambda: pytest.fail("a connection was asked for"))
            reply = _ask("GET", COMPANIES, ours, None, TickingContext(milliseconds=MILLISECONDS))
        assert (reply.status, reply.codes) == (503, ["SERVICE_UNAVAILABLE"])
        assert float(reply.headers["retry-after"]) >= circuit_breaker.seconds
    time.sleep(float(reply.headers["retry-after"]))
    assert _ask("GET", COMPANIES, ours, None, Context()).status == 200


@pytest.mark.parametrize("how", ["warm", pytest.param("cold", marks=pytest.mark.long)])
def test_a_batch_that_meets_a_silent_database_is_handed_back_before_lambda_ends_the_function(
    cluster: Cluster, fresh_database: FreshDatabase, ours: Tenant, how: str
) -> None:
    fresh_database.role = CONSUMER
    body = synced(ours.connector, ours.records.values())
    assert consume(synced(ours.connector, ours.records.values())) == []
    if how == "cold":
        dispose(fresh_database)
    pid, context = cluster.pid, TickingContext(milliseconds=OF_A_BATCH)
    assert pid
    with frozen(pid):
        assert consume(body, context=context) == [0]
    assert context.get_remaining_time_in_millis() > 0
    assert consume(body) == []


def _cancel_what_waits(database: FreshDatabase) -> bool:
    """End the statement of the reader's that waits for a lock of the owner's; return whether there was one."""
    waiting = (
        "SELECT pg_cancel_backend(pid) FROM pg_locks"
        " WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    # A role may cancel its own statements only.
    database.owner.exec_driver_sql(f"SET LOCAL ROLE {READER}")
    return any(database.owner.exec_driver_sql(waiting).scalars())


class TestASlowRequest:
    @pytest.fixture
    def reading(self, fresh_database: FreshDatabase, world: World) -> Tenant:
        made = tenant(world, "company")
        fresh_database.commit()
        return made

    def test_that_reads_is_told_how_to_ask_for_less_and_not_to_come_again(
        self, fresh_database: FreshDatabase, reading: Tenant, log: list[dict[str, Any]]
    ) -> None:
        # What waits for this is ended by the limit of a statement, as what reads too much is.
        fresh_database.owner.exec_driver_sql(LOCK)
        context = TickingContext(milliseconds=MILLISECONDS)
        reply = call("GET", f"{COMPANIES}?page[total]=true", reading.caller, context=context)
        fresh_database.owner.rollback()
        assert (reply.status, reply.codes) == (400, ["BAD_REQUEST"])
        assert "Ask for less: " in reply.error["detail"]
        assert "retry-after" not in reply.headers
        assert context.get_remaining_time_in_millis() > 0
        assert [line["sqlstate"] for line in log if line["message"] == "answered"] == ["57014"]
        assert call("GET", COMPANIES, reading.caller).status == 200

    def test_whose_statement_somebody_ends_within_its_time_may_come_again(
        self, fresh_database: FreshDatabase, reading: Tenant, log: list[dict[str, Any]]
    ) -> None:
        fresh_database.owner.exec_driver_sql(LOCK)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(call, "GET", COMPANIES, reading.caller, context=TickingContext(milliseconds=30_000))
            while not asked.done() and not _cancel_what_waits(fresh_database):
                time.sleep(0.01)
            reply = asked.result()
        fresh_database.owner.rollback()
        assert (reply.status, reply.codes) == (503, ["SERVICE_UNAVAILABLE"])
        assert int(reply.headers["retry-after"]) > 0
        assert [line["sqlstate"] for line in log if line["message"] == "answered"] == ["57014"]

    def test_has_one_budget_for_all_its_statements(self, fresh_database: FreshDatabase) -> None:
        begun, each = list[float](), 0.3

        def work(transaction: Transaction) -> None:
            for _ in range(20):
                begun.append(each)
                transaction.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": each})

        def operation(_request: Request) -> Plan[None]:
            return Plan(work, lambda _: Response(), narrowing=NARROWING)

        context = TickingContext(milliseconds=MILLISECONDS)
        answer = http_handler(operation)(event("/x"), context)
        (error,) = json.loads(answer["body"])["errors"]
        assert (answer["statusCode"], error["code"]) == (400, "BAD_REQUEST")
        assert context.get_remaining_time_in_millis() > 0
        assert sum(begun) < MILLISECONDS / 1000
        # The session is left as it was found.
        with fresh_database.connection() as held:
            assert held.exec_driver_sql("SHOW statement_timeout").scalar_one() == "8s"


class TestALostCommit:
    @pytest.fixture
    def commits(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        """Every commit arrives, and no answer comes back."""
        lost: list[str] = []
        commit = PipelinedConnection.commit

        def lose(driver: PipelinedConnection) -> None:
            commit(driver)
            if driver.user.decode() == OWNER:
                return
            lost.append(driver.user.decode())
            driver._give_up(OSError("the answer is lost"))
            raise pg8000.InterfaceError(LOST)

        with monkeypatch.context() as patched:
            patched.setattr(PipelinedConnection, "commit", lose)
            yield lost

    @pytest.mark.parametrize("key", [None, "a-key"])
    def test_of_a_write_does_not_say_that_nothing_was_changed(
        self, fresh_database: FreshDatabase, ours: Tenant, commits: list[str], key: str | None
    ) -> None:
        headers = {} if key is None else {"idempotency-key": key}
        reply = call("POST", COMPANIES, PIPELINE, ours.draft(), headers=headers)
        assert (reply.status, reply.codes) == (503, ["SERVICE_UNAVAILABLE"])
        assert "nothing was changed" not in reply.error["detail"]
        assert "may have been made" in reply.error["detail"]
        assert ("retry-after" in reply.headers) == (key is not None)
        assert ("Idempotency-Key" in reply.error["detail"]) == (key is not None)
        assert (commits, count(fresh_database, "company_workspace_connectors")) == ([WRITER], 1)

    def test_of_a_batch_gives_it_back(self, ours: Tenant, commits: list[str]) -> None:
        assert consume(synced(ours.connector, ours.records.values())) == [0]


def test_a_get_cannot_change_anything(fresh_database: FreshDatabase) -> None:
    fresh_database.role = WRITER

    def work(transaction: Transaction) -> None:
        transaction.execute(text("INSERT INTO wellspring.sync_inbox (message_id) VALUES (uuidv7())"))

    answers = [
        http_handler(lambda _request: Plan(work, lambda _: Response()))(event("/x", method=method), Context())
        for method in ("GET", "POST")
    ]
    assert [answer["statusCode"] for answer in answers] == [503, 200]
    assert fresh_database.owner.exec_driver_sql("SELECT count(*) FROM wellspring.sync_inbox").scalar_one() == 1
