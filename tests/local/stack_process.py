"""The local stack as a child process, started as a person starts it, with ports and a state folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from local.demo_data import GROUP_NAME
from local.identity import Identity
from local.settings import ROOT

START_SECONDS = 60.0


def until(true: Callable[[], bool], seconds: float = 20) -> bool:
    """Return whether something comes true within the time."""
    deadline = time.monotonic() + seconds
    while not (now := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return now


@dataclass
class HttpResponse:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    url: str,
    *,
    token: str | None = None,
    data: bytes | None = None,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Make one request; a status above 399 is an answer like any other."""
    headers = {**(headers or {}), **({"authorization": f"Bearer {token}"} if token else {})}
    try:
        request = Request(url, data, headers, method=method)  # noqa: S310  always the child's own http address
        with urlopen(request, timeout=40) as response:  # noqa: S310  the same
            return HttpResponse(response.status, dict(response.headers), response.read())
    except HTTPError as error:
        with error:
            return HttpResponse(error.code, dict(error.headers), error.read())


@dataclass
class StackProcess:
    """One stack and its state folder; it can be started and stopped again and again."""

    state: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {"WELLSPRING_STATE": str(self.state), "PORT": "0", "SQS_PORT": "0"}
        return os.environ | own | self.settings

    @property
    def output(self) -> str:
        return (self.state.parent / "output").read_text()

    def typed(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout to its end, with `more` in its environment."""
        # What the tests' own make was told is not for one beneath.
        own = {name: value for name, value in self.environment.items() if name not in {"AS", "ARGS"}}
        return subprocess.run(
            command, cwd=ROOT, env=own | more, capture_output=True, text=True, check=False, timeout=10 * START_SECONDS
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m local` to its end."""
        return self.typed(sys.executable, "-m", "local", *arguments)

    def spawn(self, *through: str) -> subprocess.Popen[str]:
        """Start the stack, as the arguments of the command `through` if given, without waiting for it."""
        with (self.state.parent / "output").open("w") as output:
            self.process = subprocess.Popen(
                [*through, sys.executable, "-m", "local", "--stop-with-parent"],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return self.process

    def start(self) -> None:
        """Start the stack; return when it is ready."""
        process = self.spawn()
        assert until(lambda: process.poll() is not None or self.is_ready, START_SECONDS), self.output
        assert self.is_ready, self.output

    @property
    def is_ready(self) -> bool:
        return (self.state / "stack.json").exists()

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Stop the stack and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(START_SECONDS)

    @property
    def facts(self) -> dict[str, str]:
        facts: dict[str, str] = json.loads((self.state / "stack.json").read_text())
        return facts

    def token(self, name: str) -> str:
        return Identity(self.state, 0).token(name)

    def get(self, path: str, name: str | None = None) -> HttpResponse:
        return call(self.facts["api_url"] + path, token=self.token(name) if name else None)

    def rows(self, name: str, kind: str, query: str = "") -> list[dict[str, Any]]:
        """Return all rows of `kind` that the principal `name` may see: every page of the list."""
        path = f"/v1/{kind}-workspace-connectors?page[size]=200{query}"
        rows: list[dict[str, Any]] = []
        while path:
            answer = self.get(path, name)
            assert answer.status == 200, answer.body
            rows += answer.json["data"]
            path = answer.json["links"]["next"]
        return rows

    def group(self) -> str:
        """Return the id of the demo's group, which is of the server's making."""
        groups = self.get("/v1/workspace-groups?page[size]=500", "owner").json["data"]
        (group,) = (each["id"] for each in groups if each["attributes"]["name"] == GROUP_NAME)
        return str(group)

    def sqs(self, queue_url: str, action: str, **fields: str) -> str:
        """Send a request of SQS's query protocol, without a signature; return the XML."""
        answer = call(queue_url, data=urlencode({"Action": action, **fields}).encode())
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def send(self, message: dict[str, Any]) -> None:
        """Send a sync message as the connector pipeline does."""
        self.sqs(
            self.facts["queue_url"],
            "SendMessage",
            MessageBody=json.dumps(message),
            MessageGroupId=message["workspace_connector_id"],
            MessageDeduplicationId=message["id"],
        )

    def dead_letters(self) -> int:
        """Return how many messages lie in the dead-letter queue."""
        name = "ApproximateNumberOfMessages"
        xml = self.sqs(self.facts["dlq_url"], "GetQueueAttributes", **{"AttributeName.1": name})
        return int(xml.partition("<Value>")[2].partition("</Value>")[0])

    def sql(self, query: str) -> str:
        """Return the rows of a query, without headings."""
        return self.run("psql", "-Atc", query).stdout

    @property
    def below(self) -> list[int]:
        """The ids of all processes that it started, and those that they started."""
        assert self.process is not None
        return descendants(self.process.pid)


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found[1:]


def lives(pid: int) -> bool:
    """Say whether the process runs; one that is dead and only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command_line(pid: int) -> str:
    """Return the command line of a process."""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
