"""Requests of JSON:API clients in the wild, byte by byte: each is served.

The requests are written by hand, so that nothing between here and the socket tidies them up. What needs no
socket to be shown is in tests/jsonapi.
"""

import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.clients.cast import COMPANY, CONNECTOR, ledger_row
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


# ---- retries ------------------------------------------------------------------------------------------
def test_a_retry_after_a_connection_that_was_closed_too_soon_makes_one_row(
    send: Send, stack: StackProcess, api_url: str
) -> None:
    before = count(send)
    key = str(uuid4())
    impatient = HTTPConnection(urlsplit(api_url).netloc)
    headers = {"authorization": f"Bearer {stack.token('pipeline')}", "content-type": MEDIA, "idempotency-key": key}
    impatient.request("POST", LEDGER, json.dumps({"data": ledger_row()}), headers)
    impatient.close()
    answers = [
        send("POST", LEDGER, "pipeline", {"data": ledger_row()}, content_type=MEDIA, idempotency_key=key)
        for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert count(send) == before + 1
