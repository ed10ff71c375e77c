"""`@modelcontextprotocol/conformance` (npm), unmodified, against the stack: those of its scenarios that apply.

Its scenarios of single tools, resources and prompts want a server that is made for them, with things of the names that
they ask for. It brings no token: a relay adds one, and is else nobody between the two.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.settings import HOST
from tests.support.node import installed
from tests.support.stack import running

pytestmark = pytest.mark.outside

SCENARIOS = ("server-initialize", "ping", "tools-list", "dns-rebinding-protection")
SECONDS = 120.0


class Relay(BaseHTTPRequestHandler):
    """Passes a request on with a token, and its answer back."""

    protocol_version = "HTTP/1.1"
    to = ""
    token = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kept = {
            name: value for name, value in self.headers.items() if name.lower() not in {"connection", "authorization"}
        }
        with closing(HTTPConnection(self.to, timeout=SECONDS)) as connection:
            connection.request(self.command, self.path, body, {**kept, "Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            content = answer.read()
        # Who asked for a stream may be gone by now.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "content-length", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def do_GET(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the stack answers as to the demo's owner, to pages of that origin too."""
    with ThreadingHTTPServer((HOST, 0), Relay) as relay:
        origin = f"http://{HOST}:{relay.server_port}"
        with running(tmp_path_factory.mktemp("stack"), CORS_ORIGINS=origin) as stack:
            Relay.to, Relay.token = urlsplit(stack.facts["api_url"]).netloc, stack.token("owner")
            Thread(target=relay.serve_forever, daemon=True).start()
            yield f"{origin}/mcp"
            relay.shutdown()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_passes(url: str, tmp_path: Path, scenario: str) -> None:
    program = installed(Path(__file__).with_name("conformance")) / "@modelcontextprotocol/conformance/dist/index.js"
    command = ["node", str(program), "server", "--url", url, "--scenario", scenario]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # It is no failure of the program's that nothing was checked.
    assert re.search(r"^Passed: ([1-9]\d*)/\1, 0 failed, 0 warnings$", done.stdout, re.MULTILINE), done.stdout
