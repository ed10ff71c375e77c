"""A deployment's database as RDS hands it over, its owner's secret, and somebody who waits for an answer."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from local.postgres import OWNER, Cluster, temporary
from wellspring.settings import settings

HOST = "127.0.0.1"
DATABASE = "deployed"


class CloudFormation:
    """Where answers go: keeps each, with its headers. It fails as often as `failures` says before it takes one."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.failures = 0
        waiting = self

        class Door(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if waiting.failures:
                    waiting.failures -= 1
                    self.send_response(503)
                else:
                    waiting.content_types.append(self.headers["Content-Type"])
                    waiting.answers.append(json.loads(body))
                    self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer((HOST, 0), Door)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}/answer?X-Amz-Signature=signed"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """Whoever waits for the answer of a custom resource."""
    waiting = CloudFormation()
    yield waiting
    waiting.close()


@pytest.fixture(scope="module")
def secrets_manager() -> Iterator[str]:
    """The URL of a Secrets Manager."""
    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def cluster_of_rds() -> Iterator[Cluster]:
    """A cluster as RDS makes one: its owner is no superuser, and may let others sign in with IAM."""
    with temporary() as cluster:
        cluster._execute("CREATE ROLE rds_iam NOLOGIN")
        cluster._execute(f"GRANT rds_iam TO {OWNER} WITH ADMIN OPTION")
        yield cluster


@pytest.fixture
def rds(cluster_of_rds: Cluster) -> Iterator[Cluster]:
    """The same, with an empty database."""
    cluster_of_rds.create_database(DATABASE)
    yield cluster_of_rds
    cluster_of_rds.drop_database(DATABASE)


@pytest.fixture
def environment(rds: Cluster, secrets_manager: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the template gives the function, and Lambda."""
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    with closing(session.client("secretsmanager", endpoint_url=secrets_manager)) as client:
        secret = client.create_secret(
            Name=f"rds!{uuid.uuid4()}", SecretString=json.dumps({"username": OWNER, "password": rds.password})
        )
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
        "DB_SECRET_ARN": secret["ARN"],
        "DB_TLS": "off",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()
