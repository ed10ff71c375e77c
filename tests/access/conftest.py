"""The scene of `tests.access.scene`, built once for each worker; the tenant of `good_requests`, for each file.

Each test finds them as they were made.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from local.postgres import Cluster
from tests import conftest
from tests.access.good_requests import Requests
from tests.access.scene import Scene, build
from tests.support.databases import FreshDatabase, OpenAt, Statements, engine_for, fresh, rolled_back
from tests.support.world import World
from wellspring.database import scope

TEMPLATE = "template_scene"
SHARED = "shared_scene"


@pytest.fixture(scope="session")
def built(cluster: Cluster, template: str) -> Scene:
    """The scene in the database `TEMPLATE`, to which nobody connects any more."""
    cluster.create_database(TEMPLATE, template)
    builder = FreshDatabase(cluster.url(TEMPLATE), Statements())
    scene = build(World(builder))
    builder.close()
    return scene


@pytest.fixture(scope="session")
def scene_engine(cluster: Cluster, built: Scene) -> Iterator[Engine]:
    """The owner's engine on the scene in which tests are rolled back."""
    cluster.create_database(SHARED, TEMPLATE)
    engine = engine_for(cluster.url(SHARED))
    yield engine
    engine.dispose()


@pytest.fixture
def scene(request: pytest.FixtureRequest, open_at: OpenAt | None) -> Scene:
    """Every way to a row, open and closed, in a database that forgets this test; through a pooler, as `fresh_scene`."""
    found: Scene = request.getfixturevalue("fresh_scene" if open_at else "rolled_back_scene")
    return found


@pytest.fixture
def rolled_back_scene(
    cluster: Cluster, built: Scene, scene_engine: Engine, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """The scene in a transaction that is rolled back."""
    with rolled_back(scene_engine, cluster.url(SHARED), statements) as given:
        monkeypatch.setattr(scope, "connection", given.connection)
        yield replace(built, world=World(given))


@pytest.fixture
def fresh_scene(
    cluster: Cluster, built: Scene, open_at: OpenAt | None, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """The scene in a database of this test's own, with real commits and as many sessions as threads."""
    with fresh(cluster, TEMPLATE, statements, open_at) as given:
        monkeypatch.setattr(scope, "connection", given.connection)
        yield replace(built, world=World(given))


@pytest.fixture(scope="module")
def statements_of_all() -> Statements:
    """The SQL that product code sends in the tests of a file."""
    return Statements()


@pytest.fixture(scope="module")
def made(cluster: Cluster, shared_engine: Engine, statements_of_all: Statements) -> Iterator[Requests]:
    """A tenant, and a good request for each route, made once for a file."""
    with (
        rolled_back(shared_engine, cluster.url(conftest.SHARED), statements_of_all) as given,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(scope, "connection", given.connection)
        yield Requests(World(given), given)


@pytest.fixture
def requests(made: Requests) -> Iterator[Requests]:
    """The file's tenant, as it was made."""
    with made.undone():
        yield made


@pytest.fixture
def sql(requests: Requests, statements_of_all: Statements) -> Statements:
    """The SQL that product code sends in a test of the file's tenant."""
    statements_of_all.clear()
    return statements_of_all
