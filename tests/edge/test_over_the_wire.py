"""The local stack over real HTTP: what no client library sends, and tokens that are none.

The gateway's own rules, one by one and without a socket, are in `tests/local/test_gateway.py`. On AWS, API Gateway
stands in its place; the handlers behind are the same.
"""

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from local import demo_data
from tests.access.good_requests import secrets_in
from tests.local.stack_process import HttpResponse, StackProcess
from tests.support.stack import running

pytestmark = pytest.mark.long

GROUPS = "/v1/workspace-groups"
COMPANIES = "/v1/company-workspace-connectors"
MEDIA = b"application/vnd.api+json"
PATIENCE_SECONDS = 40
# Answered by whoever takes what is behind a request for another one.
INNER = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def head(request: str) -> bytes:
    """Return the beginning of a request, up to its first own header."""
    return f"{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()


class Wire:
    """A stack, and bytes to and from its port."""

    def __init__(self, stack: StackProcess) -> None:
        self.stack = stack
        self.token = stack.token("owner")

    def owner(self) -> bytes:
        """Return the header with which the owner of the demo is let in."""
        return b"Authorization: Bearer " + self.token.encode() + b"\r\n"

    def answers(self, sent: bytes, *, breaks_off: bool = False) -> list[HttpResponse]:
        """Return what comes back on one connection until it ends; it is ended from here where it `breaks_off`."""
        parts = urlsplit(self.stack.facts["api_url"])
        received = b""
        with socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE_SECONDS) as connection:
            try:
                connection.sendall(sent)
                if breaks_off:
                    connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    received += chunk
            except (ConnectionResetError, BrokenPipeError):
                pass  # it had answered, and would not hear the rest
        return [_answer(text) for text in re.split(rb"(?=HTTP/1\.1 \d{3} )", received) if text]

    def ask(self, method: str, target: str, body: bytes = b"", *headers: bytes) -> HttpResponse:
        """Make one request, as the owner."""
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        lines = b"".join(header + b"\r\n" for header in headers)
        (answer,) = self.answers(head(f"{method} {target}") + self.owner() + length + lines + b"\r\n" + body)
        return answer

    def with_header(self, header: bytes, target: str = GROUPS) -> HttpResponse:
        """Make one request whose only token is in `header`, or that has none."""
        (answer,) = self.answers(head(f"GET {target}") + header + b"\r\n")
        return answer


def _answer(text: bytes) -> HttpResponse:
    head, _, body = text.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    pairs = (header.partition(":") for header in rest)
    return HttpResponse(int(line.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """The stack; in the end, nothing of what was asked may stand in its logs."""
    with running(tmp_path_factory.mktemp("stack")) as stack:
        given = Wire(stack)
        yield given
        logs = "".join(log.read_text() for log in sorted(stack.state.glob("logs/*.log")) if log.stem != "queue")
        secrets = (given.token, given.token.rpartition(".")[2], "quetzal", demo_data.OWNER, "Verdier", "Traceback")
        assert '"answered"' in logs
        assert secrets_in(logs, *secrets) == []
        assert all(json.loads(line) for line in (stack.state / "logs/functions.log").read_text().splitlines())


@pytest.fixture(autouse=True)
def it_lives_on(wire: Wire) -> Iterator[None]:
    """Whatever a test sent, the next one is served."""
    yield
    assert wire.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(INNER),
        b"Content-Length: +0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    ],
    ids=lambda framing: ascii(framing[:60]),
)
def test_a_body_whose_end_is_in_doubt_is_400_and_ends_the_connection(wire: Wire, framing: bytes) -> None:
    (answer,) = wire.answers(b"POST " + GROUPS.encode() + b" HTTP/1.1\r\nHost: x\r\n" + wire.owner() + framing + INNER)
    assert answer.status == 400


NEW_GROUP = b'{"data":{"type":"workspace_group","attributes":{"name":"quetzal"}}}'


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 500\r\n\r\n" + NEW_GROUP,
        b"Content-Length: 99999999999999999999\r\n\r\n" + NEW_GROUP,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(NEW_GROUP) + NEW_GROUP + b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(NEW_GROUP) + 1) + NEW_GROUP,
    ],
    ids=lambda body: ascii(body[:44]),
)
def test_a_document_that_breaks_off_reaches_no_function(wire: Wire, body: bytes) -> None:
    before = wire.ask("GET", GROUPS).json["data"]
    sent = head(f"POST {GROUPS}") + b"Content-Type: " + MEDIA + b"\r\n" + wire.owner() + body
    assert [answer.status for answer in wire.answers(sent, breaks_off=True)] in ([], [400])
    assert wire.ask("GET", GROUPS).json["data"] == before
    # Whole, it would have made one.
    assert wire.ask("POST", GROUPS, NEW_GROUP, b"Content-Type: " + MEDIA).status == 201


def test_head_sends_no_content_and_the_length_that_get_has(wire: Wire) -> None:
    whole = wire.ask("GET", COMPANIES)
    # Two on one connection: content of the first would stand before the second.
    first = b"HEAD " + COMPANIES.encode() + b" HTTP/1.1\r\nHost: x\r\n" + wire.owner() + b"\r\n"
    second = head(f"HEAD {COMPANIES}?foo=1") + wire.owner() + b"\r\n"
    found, refused = wire.answers(first + second)
    assert (found.status, refused.status, found.body, refused.body) == (200, 400, b"", b"")
    assert found.headers["content-length"] == str(len(whole.body))
    assert int(refused.headers["content-length"]) > 0
    assert wire.ask("HEAD", f"{COMPANIES}/{uuid4()}").status == 404
    # The gateway's own answer, to who has no token.
    (stranger,) = wire.answers(head(f"HEAD {COMPANIES}") + b"\r\n")
    assert (stranger.status, stranger.body) == (401, b"")


def unauthorized(answer: HttpResponse) -> None:
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert re.fullmatch(
        r'Bearer( scope="" error="invalid_token" error_description="[^"]+")?', answer.headers["www-authenticate"]
    )


def test_a_token_stands_once_in_its_header_and_nowhere_else(wire: Wire) -> None:
    one = wire.owner()
    for header in (one + one, one + b"Authorization: Bearer x\r\n", one[:-2] + b" x\r\n", one[:-2] + b", x\r\n"):
        unauthorized(wire.with_header(header))
    cookie = one.replace(b"Authorization: Bearer ", b"Cookie: access_token=")
    basic = one.replace(b"Bearer", b"Basic")
    for header in (b"", basic, cookie, one.replace(b"Authorization", b"X-Authorization")):
        unauthorized(wire.with_header(header, f"{GROUPS}?access_token={wire.token}"))
