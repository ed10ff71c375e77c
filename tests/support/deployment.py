"""A deployment's surroundings on AWS: a database as RDS hands it over, its owner's secret, and somebody who waits."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from local.postgres import OWNER, Cluster
from local.settings import HOST


class CloudFormation:
    """Where answers go: keeps each, with its headers. It fails as often as `failures` says before it takes one."""

    def __init__(self, host: str = HOST) -> None:
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

        self._server = HTTPServer((host, 0), Door)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return self.url_for(HOST)

    def url_for(self, name: str) -> str:
        """Return the URL for somebody who calls this machine `name`."""
        return f"http://{name}:{self._server.server_port}/answer?X-Amz-Signature=signed"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def cloudformation(host: str = HOST) -> AbstractContextManager[CloudFormation]:
    """Wait for the answers of custom resources at the address `host`."""
    return closing(CloudFormation(host))


@contextmanager
def secrets_manager(host: str = HOST) -> Iterator[str]:
    """Run a Secrets Manager at the address `host`, and give its URL."""
    server = ThreadedMotoServer(host, 0, verbose=False)
    server.start()
    address, port = server.get_host_and_port()
    try:
        yield f"http://{address}:{port}"
    finally:
        server.stop()


def keep_secret(url: str, cluster: Cluster) -> str:
    """Keep the owner's password in the Secrets Manager at `url` as RDS does, and return the secret's ARN."""
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    with closing(session.client("secretsmanager", endpoint_url=url)) as client:
        secret = client.create_secret(
            Name=f"rds!{uuid.uuid4()}", SecretString=json.dumps({"username": OWNER, "password": cluster.password})
        )
    arn: str = secret["ARN"]
    return arn
