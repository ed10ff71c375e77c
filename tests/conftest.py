"""Fixtures of every folder. Real Postgres: one cluster for each pytest worker, migrated once, cloned in milliseconds.

`database` is the default: everything a test does to it is rolled back. `fresh_database` is for tests in which
transactions must really commit or sessions meet. Both run product code as one of the functions' roles.
"""

import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from sqlalchemy import Engine

from local.postgres import Cluster, temporary
from migrations import run
from tests.support.databases import (
    READER,
    WRITER,
    AnyDatabase,
    Database,
    FreshDatabase,
    Statements,
    engine_for,
    rolled_back,
)
from tests.support.world import World
from wellspring.database import scope
from wellspring.observability import logger

TEMPLATE = "template_migrated"
SHARED = "shared"
_numbers = itertools.count()


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
        owner.exec_driver_sql(f"GRANT {READER}, {WRITER} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE")
    engine.dispose()
    # So that `fresh_database` can log in as one of them.
    cluster.let_in(READER, WRITER)
    return TEMPLATE


@pytest.fixture(scope="session")
def shared_engine(cluster: Cluster, template: str) -> Iterator[Engine]:
    """The owner's engine on the database in which tests are rolled back."""
    cluster.create_database(SHARED, template)
    engine = engine_for(cluster.url(SHARED))
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
def fresh_database(
    cluster: Cluster, template: str, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FreshDatabase]:
    """A database of this test's own, with real commits and as many sessions as threads."""
    name = f"fresh_{next(_numbers)}"
    cluster.create_database(name, template)
    given = FreshDatabase(cluster.url(name), statements)
    monkeypatch.setattr(scope, "connection", given.connection)
    yield given
    given.close()
    cluster.drop_database(name)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """A builder of rows, in `fresh_database` where the test asks for that, else in `database`."""
    fresh = "fresh_database" in request.fixturenames
    given: AnyDatabase = request.getfixturevalue("fresh_database" if fresh else "database")
    return World(given)


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
