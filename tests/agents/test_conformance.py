"""Programs of the protocol's own, against the stack: its official client (PyPI), and its conformance program (npm).

The client asks the questions of docs/agents.md, in both revisions. `@modelcontextprotocol/conformance` is unmodified.
Its scenarios of single tools, resources and prompts want a server that is made for them, with things of the names that
they ask for. It brings no token: a relay adds one, and is else nobody between the two.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from local.settings import HOST, ROOT
from tests.agents.test_readme_questions import OF_THE_PAGE
from tests.local.stack_process import StackProcess, call
from tests.support.node import installed
from tests.support.stack import running
from wellspring.agents.protocol import STATELESS, WITH_HANDSHAKE
from wellspring.agents.questions import BY_NAME

pytestmark = pytest.mark.outside

SCENARIOS = ("server-initialize", "ping", "tools-list", "dns-rebinding-protection")
SECONDS = 120.0
ASKED = [(tool, arguments) for _, tool, arguments, _ in OF_THE_PAGE]
VENV = ".local/agents-venv"
PROGRAM = Path(__file__).with_name("client.py")


class Relay(BaseHTTPRequestHandler):
    """Passes a request on with a token, and its answer back."""

    protocol_version = "HTTP/1.1"
    to = ""
    token = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kept = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        answer = call(self.to + self.path, token=self.token, data=body, method=self.command, headers=kept)
        # Who asked for a stream may be gone by now.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {"connection", "content-length", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    def do_GET(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def relay() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer((HOST, 0), Relay) as relay:
        Thread(target=relay.serve_forever, daemon=True).start()
        yield relay
        relay.shutdown()


@pytest.fixture(scope="module")
def origin(relay: ThreadingHTTPServer) -> str:
    return f"http://{HOST}:{relay.server_port}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[StackProcess]:
    """It answers pages of the relay's origin, too; the relay asks as the demo's owner."""
    with running(tmp_path_factory.mktemp("stack"), CORS_ORIGINS=origin) as stack:
        Relay.to, Relay.token = stack.facts["api_url"], stack.token("owner")
        yield stack


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_passes(origin: str, tmp_path: Path, scenario: str) -> None:
    program = installed(Path(__file__).with_name("conformance")) / "@modelcontextprotocol/conformance/dist/index.js"
    command = ["node", str(program), "server", "--url", f"{origin}/mcp", "--scenario", scenario]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # It is no failure of the program's that nothing was checked.
    assert re.search(r"^Passed: ([1-9]\d*)/\1, 0 failed, 0 warnings$", done.stdout, re.MULTILINE), done.stdout


@pytest.fixture(scope="module")
def python() -> str:
    """A virtual environment that is made once from its lock."""
    subprocess.run(["sh", "local/venv", VENV, "local/requirements/agents.txt"], cwd=ROOT, check=True)
    return str(ROOT / VENV / "bin" / "python")


@pytest.mark.parametrize(
    ("mode", "revision"), [("auto", STATELESS), (STATELESS, STATELESS), ("legacy", WITH_HANDSHAKE)]
)
def test_it_is_answered_in_each_revision(stack: StackProcess, python: str, mode: str, revision: str) -> None:
    command = [python, str(PROGRAM), f"{stack.facts['api_url']}/mcp", mode, json.dumps(ASKED)]
    environment = os.environ | {"TOKEN": stack.token("operator")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["revision"], said["tools"]) == (revision, list(BY_NAME))
    told = {tool: answer for (tool, _), answer in zip(ASKED, said["answers"], strict=True)}
    assert [tool for tool, answer in told.items() if answer["is_error"]] == []
    # Of the demo nothing has failed yet, and all workspaces are counted each minute.
    assert {tool for tool, answer in told.items() if not answer["content"]["items"]} <= {"failures", "fleet"}
