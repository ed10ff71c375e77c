"""Requests of JSON:API clients in the wild, byte by byte: each is served.

The requests are written by hand, so that nothing between here and the socket tidies them up. What needs no
socket to be shown is in tests/jsonapi.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from jsonapi_requests import Api, JsonApiObject

from tests.clients.cast import COMPANY, CONNECTOR
from tests.local.stack_process import Answer, StackProcess, call

pytestmark = pytest.mark.long

LEDGER = "/v1/company-workspace-connectors"
MEDIA = "application/vnd.api+json"

type Send = Callable[..., Answer]


@pytest.fixture
def send(stack: StackProcess, api_url: str) -> Send:
    """Send a request as a demo principal."""

    def sent(method: str, target: str, name: str = "owner", body: Any = None, **headers: str) -> Answer:
        given = {header.replace("_", "-"): value for header, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        return call(f"{api_url}{target}", token=stack.token(name), data=data, method=method, headers=given)

    return sent


def ledger_row() -> dict[str, Any]:
    return {
        "data": {
            "type": "company_workspace_connector",
            "attributes": {"direction": "input"},
            "relationships": {
                "company": {"data": {"type": "company", "id": COMPANY}},
                "workspace_connector": {"data": {"type": "workspace_connector", "id": CONNECTOR}},
            },
        }
    }


def count(send: Send) -> int:
    """Return how many live rows COMPANY has on CONNECTOR."""
    query = f"filter[company]={COMPANY}&filter[workspace_connector]={CONNECTOR}&page[size]=1&page[total]=true"
    total: int = send("GET", f"{LEDGER}?{query}", "pipeline").json["meta"]["page"]["total"]
    return total


# ---- query strings ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "query",
    [
        pytest.param(
            "page%5bsize%5d=2&filter%5bdirection%5d=input&fields%5bcompany%5d=name&include=company", id="lower case"
        ),
        pytest.param("page[size%5D=2&filter%5Bdirection]=input&fields[company]=name&include=company", id="mixed"),
        pytest.param(
            "&page[size]=2&&filter[direction]=input&fields[company]=name&include=company&", id="stray ampersands"
        ),
        pytest.param("%70age[size]=2&filter[direction]=%69nput&fields[company]=name&include=company", id="needless"),
    ],
)
def test_brackets_may_come_raw_or_encoded(send: Send, query: str) -> None:
    answer = send("GET", f"{LEDGER}?{query}", accept=MEDIA)
    assert answer.status == 200, answer.body
    plain = send("GET", f"{LEDGER}?page[size]=2&filter[direction]=input&fields[company]=name&include=company")
    assert answer.json["data"] == plain.json["data"] != []
    assert answer.json["included"] == plain.json["included"]


@pytest.mark.parametrize("comma", [",", "%2C", "%2c"])
def test_a_comma_of_a_list_may_be_encoded(send: Send, comma: str) -> None:
    ids = comma.join((COMPANY, COMPANY[:-1] + "8"))
    query = f"filter[company]={ids}&include=company{comma}workspace_connector&fields[company]=name{comma}created_at"
    answer = send("GET", f"{LEDGER}?{query}")
    assert answer.status == 200, answer.body
    assert {row["relationships"]["company"]["data"]["id"] for row in answer.json["data"]} == {
        COMPANY,
        COMPANY[:-1] + "8",
    }
    assert {one["type"] for one in answer.json["included"]} == {"company", "workspace_connector"}


def test_a_followed_redirect_keeps_method_body_and_headers(send: Send, stack: StackProcess, api_url: str) -> None:
    before = count(send)
    headers = {"authorization": f"Bearer {stack.token('pipeline')}", "content-type": MEDIA, "accept": MEDIA}
    answer = requests.post(f"{api_url}{LEDGER}/", json=ledger_row(), headers=headers, timeout=40)
    assert [one.status_code for one in (*answer.history, answer)] == [308, 201]
    change = {"data": {"type": "company_workspace_connector", "id": answer.json()["data"]["id"], "attributes": {}}}
    path = f"{api_url}{answer.headers['location']}/"
    assert requests.patch(path, json=change, headers=headers, timeout=40).status_code == 200
    assert count(send) == before + 1
    assert requests.delete(path, headers=headers, timeout=40).status_code == 204
    assert count(send) == before


# ---- retries ------------------------------------------------------------------------------------------
class Flaky(ThreadingHTTPServer):
    """A proxy that lets the first request through and loses its answer: 503, as a gateway's whose time is up."""

    daemon_threads = True

    def __init__(self, api_url: str) -> None:
        super().__init__(("127.0.0.1", 0), Through)
        self.api_url = api_url
        self.answers: list[Answer] = []


class Through(BaseHTTPRequestHandler):
    server: Flaky

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        answer = call(f"{self.server.api_url}{self.path}", data=body, headers=headers)
        self.server.answers.append(answer)
        lost = len(self.server.answers) == 1
        content = b"" if lost else answer.body
        self.send_response(503 if lost else answer.status)
        self.send_header("content-length", str(len(content)))
        if not lost:
            self.send_header("content-type", answer.headers["content-type"])
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def flaky(api_url: str) -> Iterator[Flaky]:
    with Flaky(api_url) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_client_that_retries_a_post_after_503_makes_one_row(send: Send, stack: StackProcess, api_url: str) -> None:
    before = count(send)
    headers = {
        "authorization": f"Bearer {stack.token('pipeline')}",
        "accept": MEDIA,
        "content-type": MEDIA,
        "idempotency-key": str(uuid4()),
    }
    row = JsonApiObject(**ledger_row()["data"])
    with flaky(api_url) as server:
        root = f"http://127.0.0.1:{server.server_port}/v1"
        # The client retries by itself: that is its option RETRIES.
        api = Api.config({"API_ROOT": root, "TIMEOUT": 30, "RETRIES": 3, "APPEND_SLASH": False})
        answer = api.endpoint("company-workspace-connectors").post(object=row, headers=headers)
        first, second = server.answers
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body
    assert first.headers["location"] == second.headers["location"]
    assert answer.data.id == first.json["data"]["id"]
    assert count(send) == before + 1


def test_a_retry_after_a_connection_that_was_closed_too_soon_makes_one_row(
    send: Send, stack: StackProcess, api_url: str
) -> None:
    before = count(send)
    key = str(uuid4())
    impatient = HTTPConnection(urlsplit(api_url).netloc)
    headers = {"authorization": f"Bearer {stack.token('pipeline')}", "content-type": MEDIA, "idempotency-key": key}
    impatient.request("POST", LEDGER, json.dumps(ledger_row()), headers)
    impatient.close()
    answers = [
        send("POST", LEDGER, "pipeline", ledger_row(), content_type=MEDIA, idempotency_key=key) for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert count(send) == before + 1
