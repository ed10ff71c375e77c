"""Fixtures of every folder. Real Postgres: one cluster for each pytest worker, migrated once, cloned in milliseconds.

`database` is the default: everything a test does to it is rolled back. `fresh_database` is for tests in which
transactions must really commit or sessions meet. Both run product code as one of the functions' roles.

With `--pooler` product code reaches both through pgbouncer; and where a test does not say which of the two it wants,
it gets the second: a transaction that is held open is lent one connection for all of its time.

With `--no-pipelining` each statement leaves in a flush of its own (the setting `DB_PIPELINING`).
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from sqlalchemy import Engine

from local.postgres import Cluster, temporary
from migrations import run
from tests.support import databases
from tests.support.databases import Database, FreshDatabase, OpenAt, Statements, engine_for, fresh, rolled_back
from tests.support.operators import CLAIM, VALUE
from tests.support.pooler import Pooler, run_pooler
from tests.support.wire import Flushes
from tests.support.world import World
from wellspring.database import engine as engines
from wellspring.database import scope
from wellspring.database.wire import Wire
from wellspring.observability import logger
from wellspring.settings import caller_settings

TEMPLATE = "template_migrated"
SHARED = "shared"
UNTOUCHED = "untouched"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pooler", action="store_true", help="let product code reach Postgres through pgbouncer")
    parser.addoption("--no-pipelining", action="store_true", help="send each statement in a flush of its own")
    parser.addoption("--as-text", action="store_true", help="send each statement as text, none as a planned function")


def pytest_configure(config: pytest.Config) -> None:
    """Before any engine is made."""
    engines.USES_PLAN_CACHE = not config.getoption("--as-text")
    databases.pipelining = "false" if config.getoption("--no-pipelining") else "true"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """An empty Postgres of this worker's own, in memory where the machine has such a place."""
    with temporary() as running:
        yield running


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """The name of a migrated database to clone; nobody ever connects to it."""
    cluster.create_database(TEMPLATE)
    url = cluster.url(TEMPLATE)
    run.upgrade(url)
    engine = engine_for(url)
    with engine.begin() as owner:
        # So that `database` can become one of them in the middle of the owner's transaction.
        owner.exec_driver_sql(f"GRANT {', '.join(run.ROLES)} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE")
    engine.dispose()
    # So that `fresh_database` can log in as one of them.
    cluster.let_in(*run.ROLES)
    return TEMPLATE


@pytest.fixture(scope="session")
def transaction_pooler(cluster: Cluster) -> Iterator[Pooler]:
    """A pgbouncer of this worker's own in front of the cluster."""
    with run_pooler(cluster) as running:
        yield running


@pytest.fixture(scope="session")
def open_at(request: pytest.FixtureRequest) -> OpenAt | None:
    """Where product code finds a database, if not in Postgres itself: through a pooler, when `--pooler` says so."""
    if not request.config.getoption("--pooler"):
        return None
    pooler: Pooler = request.getfixturevalue("transaction_pooler")
    return pooler.open


@pytest.fixture(scope="session")
def shared_engine(cluster: Cluster, template: str, open_at: OpenAt | None) -> Iterator[Engine]:
    """The owner's engine on the database in which tests are rolled back."""
    cluster.create_database(SHARED, template)
    engine = engine_for((open_at or cluster.url)(SHARED))
    yield engine
    engine.dispose()


@pytest.fixture
def statements() -> Statements:
    """The SQL that product code sends in this test."""
    return Statements()


@pytest.fixture
def database(
    cluster: Cluster, shared_engine: Engine, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A database that forgets this test. Product code runs in savepoints of one transaction, as `database.role`."""
    with rolled_back(shared_engine, cluster.url(SHARED), statements) as given:
        monkeypatch.setattr(scope, "connection", given.connection)
        yield given


@pytest.fixture
def untouched_database(
    cluster: Cluster, template: str, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """As `database`, where no other test has been: for who counts what is read, dead entries of indexes included."""
    cluster.create_database(UNTOUCHED, template)
    engine = engine_for(cluster.url(UNTOUCHED))
    with rolled_back(engine, cluster.url(UNTOUCHED), statements) as given:
        monkeypatch.setattr(scope, "connection", given.connection)
        yield given
    engine.dispose()
    cluster.drop_database(UNTOUCHED)


@pytest.fixture
def fresh_database(
    cluster: Cluster, template: str, open_at: OpenAt | None, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FreshDatabase]:
    """A database of this test's own, with real commits and as many sessions as threads."""
    with fresh(cluster, template, statements, open_at) as given:
        monkeypatch.setattr(scope, "connection", given.connection)
        yield given


@pytest.fixture(scope="module")
def module_database(cluster: Cluster, template: str, open_at: OpenAt | None) -> Iterator[FreshDatabase]:
    """As `fresh_database`, for all tests of a file: for those that read what was dear to make."""
    with fresh(cluster, template, Statements(), open_at) as given, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "connection", given.connection)
        yield given


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """A builder of rows, in the database that the test asks for, else in `database`."""
    known = ("fresh_database", "untouched_database", "module_database", "database")
    undecided = "fresh_database" if request.config.getoption("--pooler") else "database"
    named = next((name for name in known if name in request.fixturenames), undecided)
    return World(request.getfixturevalue(named))


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A deployment whose tokens make operators of persons (`tests.support.operators`)."""
    monkeypatch.setenv("OPERATOR_CLAIM", CLAIM)
    monkeypatch.setenv("OPERATOR_VALUE", VALUE)
    caller_settings.cache_clear()
    yield
    caller_settings.cache_clear()


@pytest.fixture
def log() -> Iterator[list[dict[str, Any]]]:
    """The lines logged in this test, as the objects that the log holds."""
    lines: list[dict[str, Any]] = []
    powertools: Logger = logger

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(powertools.registered_formatter.format(record)))

    keep = Keep()
    powertools.addHandler(keep)
    yield lines
    powertools._logger.removeHandler(keep)


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> Flushes:
    """What is sent from now on: the kinds of the messages of each flush."""
    seen = Flushes()
    flush = Wire.flush

    def note(wire: Wire) -> None:
        data, kinds = wire._unsent, ""
        while data:
            kinds, data = kinds + data[:1].decode(), data[1 + int.from_bytes(data[1:5]) :]
        seen.append(kinds)
        flush(wire)

    monkeypatch.setattr(Wire, "flush", note)
    return seen
