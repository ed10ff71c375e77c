"""The smoke test of deployments, against a stack that does what a deployment does, and against one that does not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.example_ids import demo_id
from local.smoke import Deployment, SmokeError, ask, check, look_at_head
from tests.local.stack_process import StackProcess
from tests.support.stack import running

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running(tmp_path_factory.mktemp("smoke")) as started:
        yield started


def deployment(stack: StackProcess, token: str) -> Deployment:
    return Deployment(stack.facts["api_url"], token, lambda entry: stack.send(json.loads(entry.body)))


def test_a_stack_that_works_passes(stack: StackProcess) -> None:
    tried = deployment(stack, stack.token("pipeline"))
    connector, company = demo_id("workspace_connector", "a", 1), demo_id("company", "a", 1)
    assert check(tried, connector, company) == ["health", "head", "list", "sync message"]
    # And once more: each run sends a message of its own.
    assert check(tried, connector, company) == ["health", "head", "list", "sync message"]


class Health(BaseHTTPRequestHandler):
    """Answers 503 for as often as it says, and then that it is well; HEAD with content, or as if GET had none.

    Nobody has seen that API Gateway does either.
    """

    protocol_version = "HTTP/1.1"
    times = 0
    of_head = b""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        type(self).times -= 1
        self.answer(503 if self.times >= 0 else 200, b'{"status":"ok"}')

    def do_HEAD(self) -> None:
        self.answer(200, self.of_head)

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(**said: object) -> Iterator[str]:
    """Give the URL of a server that answers so."""
    handler = type("Handler", (Health,), said)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_unavailable_right_after_a_deployment_is_asked_again_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RDS Proxy looks for its target again after a restore, while functions answer 503."""
    monkeypatch.setattr("local.smoke.PAUSE_SECONDS", 0)
    with serving(times=3) as url:
        assert ask(f"{url}/health") == {"status": "ok"}
    monkeypatch.setattr("local.smoke.SECONDS", 0)
    with serving(times=1000) as url, pytest.raises(SmokeError, match="503 from"):
        ask(f"{url}/health")


@pytest.mark.parametrize("content", [b'{"status":"ok"}', b""])
def test_a_gateway_that_sends_the_content_of_head_or_says_it_has_none_fails(content: bytes) -> None:
    with serving(of_head=content) as url, pytest.raises(SmokeError, match="HEAD /health"):
        look_at_head(url)


def test_a_refused_token_fails_and_so_does_a_message_without_effect(
    stack: StackProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SmokeError, match=r"401 from .*/v1/company-workspace-connectors"):
        check(deployment(stack, "nobodys"))
    monkeypatch.setattr("local.smoke.SECONDS", 0)
    lost = Deployment(stack.facts["api_url"], stack.token("pipeline"), lambda _: None)
    with pytest.raises(SmokeError, match="no effect"):
        check(lost, demo_id("workspace_connector", "a", 1), demo_id("company", "a", 1))
