"""A deployment's database as RDS hands it over, its owner's secret, and somebody who waits for an answer."""

from collections.abc import Iterator

import pytest

from local.postgres import OWNER, Cluster, temporary
from local.settings import HOST
from migrations.run import upgrade
from tests.support import deployment
from tests.support.deployment import CloudFormation
from wellspring.settings import settings

DATABASE = "deployed"


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """Whoever waits for the answer of a custom resource."""
    with deployment.cloudformation() as waiting:
        yield waiting


@pytest.fixture(scope="module")
def secrets_manager() -> Iterator[str]:
    """The URL of a Secrets Manager."""
    with deployment.secrets_manager() as url:
        yield url


@pytest.fixture(scope="module")
def cluster_of_rds() -> Iterator[Cluster]:
    """A cluster as RDS makes one: its owner is no superuser, and may let others sign in with IAM."""
    with temporary() as cluster:
        cluster.make_like_rds()
        yield cluster


@pytest.fixture(scope="module")
def migrated(cluster_of_rds: Cluster) -> str:
    """The name of a database that was migrated before."""
    cluster_of_rds.create_database("migrated")
    upgrade(cluster_of_rds.url("migrated"))
    return "migrated"


@pytest.fixture
def rds(cluster_of_rds: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The same, with an empty database, or with a copy of the one whose fixture is the parameter."""
    template = request.getfixturevalue(request.param) if hasattr(request, "param") else None
    cluster_of_rds.create_database(DATABASE, template)
    yield cluster_of_rds
    cluster_of_rds.drop_database(DATABASE)


@pytest.fixture
def environment(rds: Cluster, secrets_manager: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the template gives the function, and Lambda."""
    variables = {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets_manager,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "eu-west-1",
        "DB_HOST": HOST,
        "DB_PORT": str(rds.port),
        "DB_NAME": DATABASE,
        "DB_USER": OWNER,
        "DB_AUTH": "secret",
        "DB_SECRET_ARN": deployment.keep_secret(secrets_manager, rds),
        "DB_TLS": "off",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()
