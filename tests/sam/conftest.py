"""One deployment for all tests of this folder: what `sam build` made, in the runtime's containers, on a Postgres here.

The functions run with the template's own settings but for those that say where the database is and, as there is no IAM
here, that a password opens it. The migration reads its password from a Secrets Manager, as on AWS, and is what makes
the schema.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local import docker
from local.postgres import Cluster, temporary
from local.settings import DATABASE, database_variables
from migrations.run import ROLES
from tests.sam import service
from tests.sam.service import MIGRATION, Service
from tests.support import deployment
from tests.support.databases import FreshDatabase, Statements
from tests.support.events import event, load_demo
from wellspring.database import scope
from wellspring.models import metadata

# All but what the migration made rows of: the keys of cursors, and the fleet's one row.
FORGOTTEN = sorted(metadata.tables.keys() - {"wellspring.cursor_keys", "wellspring.fleet"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/sam/" in item.nodeid:
            item.add_marker("sam")


@dataclass(frozen=True)
class Deployed:
    """What was deployed.

    Attributes:
        lambdas: where functions are invoked.
        cluster: Postgres.
        migrated: the answers that CloudFormation got from the migration, which was called twice.
    """

    lambdas: Service
    cluster: Cluster
    migrated: tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="session")
def deployed() -> Iterator[Deployed]:
    """Build, start Postgres, and migrate through the migration function, as CloudFormation does."""
    architecture, door = docker.architecture(), docker.door()
    template = service.build(architecture)
    with (
        temporary(guests=(door.address, door.network)) as cluster,
        deployment.secrets_manager(door.address) as secrets,
        deployment.cloudformation(door.address) as waiting,
    ):
        cluster.make_like_rds()
        cluster.create_database(DATABASE)
        configured = service.configured(
            template,
            database_variables(door.name, cluster.port, cluster.password),
            {
                "DB_AUTH": "secret",
                "DB_PASSWORD": "",
                "DB_SECRET_ARN": deployment.keep_secret(secrets, cluster),
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets.replace(door.address, door.name),
            },
        )
        with service.serve(configured, architecture) as lambdas:
            asked = event("schema_migrate") | {"ResponseURL": waiting.url_for(door.name)}
            for _ in range(2):
                returned = lambdas.invoke(MIGRATION, asked)
                assert returned is None, lambdas.last_lines()
            first, second = waiting.answers
            assert first["Status"] == "SUCCESS", lambdas.last_lines()
            # On AWS they sign in with IAM.
            cluster.let_in(*ROLES)
            yield Deployed(lambdas, cluster, (first, second))


@pytest.fixture(scope="session")
def owner(deployed: Deployed) -> Iterator[FreshDatabase]:
    database = FreshDatabase(deployed.cluster.url(DATABASE), Statements())
    yield database
    database.close()


@pytest.fixture
def demo(owner: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> FreshDatabase:
    """The same, with nothing in it but what the demo begins with; functions of this process find it, too."""
    monkeypatch.setattr(scope, "connection", owner.connection)
    begin_anew(owner)
    return owner


def begin_anew(owner: FreshDatabase) -> None:
    """Forget all, keys of rows included, and load what the demo begins with."""
    owner.owner.exec_driver_sql(f"TRUNCATE {', '.join(FORGOTTEN)} RESTART IDENTITY")
    # The feed, which loads the demo, has a session of its own.
    owner.commit()
    load_demo(owner)
