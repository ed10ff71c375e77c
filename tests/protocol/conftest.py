"""Connections as the driver makes them, without SQLAlchemy: to the owner of a database of the test's own."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support import databases
from tests.support.databases import FreshDatabase, settings_for
from wellspring.database.engine import connect
from wellspring.database.pipeline import PipelinedConnection as Driver


@pytest.fixture
def driver(fresh_database: FreshDatabase) -> Iterator[Driver]:
    """The connection of a test."""
    with closing(connect(settings_for(fresh_database.url))) as connection:
        yield connection


@pytest.fixture
def other(fresh_database: FreshDatabase) -> Iterator[Driver]:
    """Another session, which sees what was committed and ends or cancels what others do; in autocommit."""
    with closing(connect(settings_for(fresh_database.url))) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture(params=["true", "false"], ids=["pipelined", "one by one"])
def pipelining(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether what belongs together leaves together, one way and the other."""
    monkeypatch.setattr(databases, "pipelining", request.param)
    return str(request.param)
