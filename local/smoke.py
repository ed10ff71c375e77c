"""The smoke test of a deployment, from outside: `python -m local.smoke STACK`.

Health by GET and by HEAD, one list, and where SMOKE_CONNECTOR and SMOKE_COMPANY name what the deployment has, one sync
message and its effect. The token is of SMOKE_CLIENT_ID at SMOKE_TOKEN_URL (OAuth's client credentials); the client's
secret is in Secrets Manager, in SMOKE_SECRET_ARN.
"""

import json
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import boto3

from wellspring_producer.messages import Entry, RecordsSynced
from wellspring_producer.sending import Sender

SECONDS = 120
PAUSE_SECONDS = 2
# Also of a deployment that is about to work: after an upgrade or a restore RDS Proxy looks for its target again.
UNAVAILABLE = 503
LIST = "/v1/company-workspace-connectors"


class SmokeError(Exception):
    """What the deployment did not do."""


@dataclass(frozen=True)
class Deployment:
    """Where a deployment answers, and who asks it.

    Attributes:
        api_url: without a slash at the end.
        token: of a service with `system:read`.
        send: sends one message to the sync queue.
    """

    api_url: str
    token: str
    send: Callable[[Entry], None]


def fetch(url: str, *, token: str = "", form: Mapping[str, str] | None = None) -> bytes:
    """Return the content at `url`, and retry for two minutes while it is unavailable.

    Raises `SmokeError` for an answer that is not 200.
    """
    headers = {"authorization": f"Bearer {token}"} if token else {}
    data = urlencode(form).encode() if form else None
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urlopen(Request(url, data, headers), timeout=30) as response:
                return bytes(response.read())
        except HTTPError as error:
            with error:
                if error.code != UNAVAILABLE or time.monotonic() > deadline:
                    raise SmokeError(f"{error.code} from {url.partition('?')[0]}: {error.read(500)!r}") from error
        time.sleep(PAUSE_SECONDS)


def ask(url: str, *, token: str = "", form: Mapping[str, str] | None = None) -> Any:
    """Return the JSON document at `url`. Raises `SmokeError` as `fetch` does."""
    return json.loads(fetch(url, token=token, form=form))


def look_at_head(api_url: str) -> None:
    """Ask for health by HEAD. Raises `SmokeError` where content comes, or another length than GET's (docs/adr/0049).

    By bytes: a client's library would not look at what comes behind the headers.
    """
    length = str(len(fetch(f"{api_url}/health")))
    parts = urlsplit(f"{api_url}/health")
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    connected = socket.create_connection((host, parts.port or (443 if is_secure else 80)), 30)
    with ssl.create_default_context().wrap_socket(connected, server_hostname=host) if is_secure else connected as wire:
        wire.sendall(f"HEAD {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    head, _, content = answer.partition(b"\r\n\r\n")
    said = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
    if content or said.get("content-length", length) != length or not head.startswith(b"HTTP/1.1 200"):
        raise SmokeError(f"HEAD /health is not GET without its {length} bytes: {answer[:500]!r}")


def check(deployment: Deployment, connector: str = "", company: str = "") -> list[str]:
    """Try a deployment; return what it did. Raises `SmokeError`."""
    if ask(f"{deployment.api_url}/health") != {"status": "ok"}:
        raise SmokeError("/health does not say ok")
    look_at_head(deployment.api_url)
    done = ["health", "head"]
    ask(f"{deployment.api_url}{LIST}", token=deployment.token)
    done.append("list")
    if connector and company:
        filters = {"filter[company]": company, "filter[workspace_connector]": connector, "page[size]": "1"}
        newest = f"{deployment.api_url}{LIST}?{urlencode({'sort': '-created_at', **filters})}"
        before = ask(newest, token=deployment.token)["data"]
        deployment.send(_message(connector, company))
        deadline = time.monotonic() + SECONDS
        while ask(newest, token=deployment.token)["data"] == before:
            if time.monotonic() > deadline:
                raise SmokeError(f"the sync message had no effect within {SECONDS} s")
            time.sleep(PAUSE_SECONDS)
        done.append("sync message")
    return done


def _message(connector: str, company: str) -> Entry:
    return RecordsSynced(
        id=uuid4(),
        workspace_connector_id=connector,
        direction="input",
        records=[{"type": "company", "id": company}],
        occurred_at=datetime.now(UTC),
    ).entry()


def deployed(stack: str, environment: Mapping[str, str]) -> Deployment:
    """Find a stack's outputs, and get a token."""
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=environment["SMOKE_SECRET_ARN"])
    form = {
        "grant_type": "client_credentials",
        "client_id": environment["SMOKE_CLIENT_ID"],
        "client_secret": secret["SecretString"],
        **({"scope": environment["SMOKE_SCOPE"]} if environment.get("SMOKE_SCOPE") else {}),
    }
    token = ask(environment["SMOKE_TOKEN_URL"], form=form)["access_token"]
    return Deployment(outputs["ApiUrl"], token, Sender(outputs["SyncQueueUrl"]).send)


if __name__ == "__main__":
    try:
        said = check(
            deployed(sys.argv[1], os.environ),
            os.environ.get("SMOKE_CONNECTOR", ""),
            os.environ.get("SMOKE_COMPANY", ""),
        )
    except SmokeError as error:
        sys.exit(str(error))
    print(f"works: {', '.join(said)}")
