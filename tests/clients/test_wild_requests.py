"""Requests of JSON:API clients in the wild, byte by byte: each is served, or told why not.

The requests are written by hand, so that nothing between here and the socket tidies them up.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
import requests
from jsonapi_requests import Api, JsonApiObject

from tests.clients.cast import COMPANY, CONNECTOR, FOREIGN_CONNECTOR, problems
from tests.local.stack_process import Answer, StackProcess

pytestmark = pytest.mark.long

LEDGER = "/v1/company-workspace-connectors"
MEDIA = "application/vnd.api+json"
PROFILE = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination/"

type Send = Callable[..., Answer]


def on_the_wire(api_url: str, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Answer:
    """Send one request exactly as it is said here; no redirect is followed."""
    connection = HTTPConnection(urlsplit(api_url).netloc, timeout=40)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@pytest.fixture
def send(stack: StackProcess, api_url: str) -> Send:
    """Send a request as a demo principal; a body that is not bytes becomes JSON."""

    def sent(method: str, target: str, name: str = "owner", body: Any = None, **headers: str) -> Answer:
        given = {"authorization": f"Bearer {stack.token(name)}"}
        given |= {header.replace("_", "-"): value for header, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return on_the_wire(api_url, method, target, given, data)

    return sent


def ledger_row(connector: str = CONNECTOR) -> dict[str, Any]:
    return {
        "data": {
            "type": "company_workspace_connector",
            "attributes": {"direction": "input"},
            "relationships": {
                "company": {"data": {"type": "company", "id": COMPANY}},
                "workspace_connector": {"data": {"type": "workspace_connector", "id": connector}},
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
        pytest.param("page[size]=2&filter[direction]=input&fields[company]=name&include=company", id="raw brackets"),
        pytest.param(
            "page%5Bsize%5D=2&filter%5Bdirection%5D=input&fields%5Bcompany%5D=name&include=company", id="encoded"
        ),
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


@pytest.mark.parametrize("query", ["page[size]=2&sort=created_at", "page%5Bsize%5D=2&sort=created_at"])
def test_the_link_to_itself_carries_the_query_and_the_next_one_goes_on(send: Send, query: str) -> None:
    first = send("GET", f"{LEDGER}?{query}").json
    assert unquote(first["links"]["self"]) == f"{LEDGER}?{unquote(query)}"
    second = send("GET", first["links"]["next"]).json
    assert {row["id"] for row in first["data"]}.isdisjoint(row["id"] for row in second["data"])
    assert send("GET", second["links"]["prev"]).json["data"] == first["data"]


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


@pytest.mark.parametrize("offset", ["Z", "%2B00:00", "%2b01%3A00", "-05:00", "+00:00"])
def test_the_offset_of_a_time_may_be_encoded_or_not(send: Send, offset: str) -> None:
    # A raw plus is a space by the letter; what was meant is plain.
    answer = send("GET", f"{LEDGER}?filter[created_at][gte]=2026-01-01T00:00:00{offset}&page[size]=1")
    assert (answer.status, len(answer.json["data"])) == (200, 1)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        pytest.param("page[limit]=2", "page[limit]", id="a limit, as of other paging strategies"),
        pytest.param("page%5Bnumber%5D=2", "page[number]", id="a page's number"),
        pytest.param("filter[company][]=1", "filter[company][]", id="an array, as qs writes it"),
        pytest.param("filter[direction]=input&filter[direction]=output", "filter[direction]", id="a name twice"),
        pytest.param("cursor=abc", "cursor", id="a flat name"),
        pytest.param("fields=name", "fields", id="no type"),
    ],
)
def test_what_other_servers_take_is_refused_by_name(send: Send, query: str, parameter: str) -> None:
    answer = send("GET", f"{LEDGER}?{query}")
    assert problems(answer.json["errors"]) == [("400", "INVALID_QUERY_PARAMETER", {"parameter": parameter})]


# ---- what is accepted ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "accept",
    [
        pytest.param(None, id="nothing"),
        pytest.param("*/*", id="jsonapi-client, curl"),
        pytest.param("application/*", id="any application"),
        pytest.param("application/json, text/plain, */*", id="axios by itself"),
        pytest.param("application/vnd.api+json, application/json", id="devour and others"),
        pytest.param("Application/Vnd.Api+JSON", id="in capitals"),
        pytest.param("text/html;q=0.9,application/vnd.api+json;q=0.1", id="with weights"),
        pytest.param("application/vnd.api+json; charset=utf-8, application/vnd.api+json", id="one of two"),
    ],
)
@pytest.mark.parametrize(
    ("path", "status"), [pytest.param("", 200, id="a list"), pytest.param("/nowhere", 404, id="an error")]
)
def test_who_accepts_it_gets_the_plain_media_type(send: Send, accept: str | None, path: str, status: int) -> None:
    answer = send("GET", LEDGER + path, **({} if accept is None else {"accept": accept}))
    assert answer.status == status
    assert answer.headers["content-type"] == MEDIA
    assert "accept" in answer.headers["vary"].lower()


@pytest.mark.parametrize(
    "accept",
    [
        f'{MEDIA};profile="{PROFILE}"',
        f'{MEDIA}; profile="{PROFILE} https://example.com/other"',
        f'application/json, {MEDIA} ; Profile="https://example.com/other {PROFILE}";q=0.5',
    ],
    ids=["alone", "beside another", "beside another media type"],
)
def test_who_names_the_profile_gets_it_back_with_a_list(send: Send, accept: str) -> None:
    answer = send("GET", LEDGER, accept=accept)
    assert answer.status == 200
    assert answer.headers["content-type"] in {f'{MEDIA};profile="{PROFILE}"', f'{MEDIA}; profile="{PROFILE}"'}
    assert PROFILE in answer.json["jsonapi"]["profile"]


def test_an_unknown_profile_is_ignored(send: Send) -> None:
    answer = send("GET", LEDGER, accept=f'{MEDIA};profile="https://example.com/unknown"')
    assert (answer.status, answer.headers["content-type"]) == (200, MEDIA)


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("application/vnd.api+json; charset=utf-8", id="ra-jsonapi-client"),
        pytest.param('application/vnd.api+json; ext="https://jsonapi.org/ext/atomic"', id="an extension"),
        pytest.param("application/json", id="plain JSON only"),
        pytest.param("application/vnd.api+json;q=0", id="anything but it"),
    ],
)
def test_who_accepts_only_what_we_cannot_give_is_told_so(send: Send, accept: str) -> None:
    answer = send("GET", LEDGER, accept=accept)
    assert problems(answer.json["errors"]) == [("406", "NOT_ACCEPTABLE", {"header": "Accept"})]
    assert answer.headers["content-type"] == MEDIA


# ---- what is sent -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "type_",
    [MEDIA, f'{MEDIA};profile="{PROFILE}"', "application/json", "text/plain;charset=utf-8"],
    ids=["JSON:API", "with the profile", "JSON", "text"],
)
def test_a_content_type_on_get_does_no_harm(send: Send, type_: str) -> None:
    assert send("GET", f"{LEDGER}?page[size]=1", content_type=type_).status == 200


def test_a_body_on_get_does_no_harm(send: Send) -> None:
    assert send("GET", f"{LEDGER}?page[size]=1", body={}, content_type=MEDIA).status == 200


@pytest.mark.parametrize(
    "type_",
    [f'{MEDIA};profile="{PROFILE}"', f'{MEDIA}; profile="https://example.com/x"', MEDIA.upper()],
    ids=["the profile", "another profile", "in capitals"],
)
def test_a_profile_on_what_is_sent_is_no_reason_to_refuse_it(send: Send, type_: str) -> None:
    answer = send("POST", LEDGER, "pipeline", ledger_row(), content_type=type_, accept=f'{MEDIA};profile="{PROFILE}"')
    assert answer.status == 201, answer.body
    assert answer.headers["location"] == answer.json["data"]["links"]["self"]


@pytest.mark.parametrize(
    "type_", ["application/json", f"{MEDIA}; charset=utf-8", f'{MEDIA};ext="https://example.com/x"']
)
def test_another_media_type_is_told_so(send: Send, type_: str) -> None:
    answer = send("POST", LEDGER, "pipeline", ledger_row(), content_type=type_)
    assert problems(answer.json["errors"]) == [("415", "UNSUPPORTED_MEDIA_TYPE", {"header": "Content-Type"})]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="jsonapi-client"),
        pytest.param({"data": {"type": "company-workspace-connectors", "id": "any"}}, id="kitsu"),
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"no JSON", id="no JSON at all"),
    ],
)
def test_a_body_on_delete_does_no_harm(send: Send, body: Any) -> None:
    id_ = send("POST", LEDGER, "pipeline", ledger_row(), content_type=MEDIA).json["data"]["id"]
    answer = send("DELETE", f"{LEDGER}/{id_}", "pipeline", body, content_type=MEDIA, accept=MEDIA)
    assert (answer.status, answer.body) == (204, b"")
    assert send("GET", f"{LEDGER}/{id_}", "pipeline").status == 404


def test_members_that_nobody_defined_are_ignored(send: Send) -> None:
    body = ledger_row()
    body["data"]["links"] = {"self": None}
    body["data"]["meta"] = {"client": "ember"}
    body["data"]["lid"] = "local-1"
    body["jsonapi"] = {"version": "1.0"}
    body["@context"] = {}
    body["data"]["somethingElse"] = 1
    assert send("POST", LEDGER, "pipeline", body, content_type=MEDIA).status == 201


def test_an_empty_relationships_object_in_a_patch_changes_nothing(send: Send) -> None:
    made = send("POST", LEDGER, "pipeline", ledger_row(), content_type=MEDIA).json["data"]
    id_, at = made["id"], made["attributes"]["created_at"]
    elsewhere = datetime.fromisoformat(at).astimezone(timezone(timedelta(hours=2))).isoformat()
    change = {
        "type": "company_workspace_connector",
        "id": id_,
        "attributes": {"deleted_at": elsewhere},
        "relationships": {},
    }
    answer = send("PATCH", f"{LEDGER}/{id_}", "pipeline", {"data": change}, content_type=MEDIA)
    assert (answer.status, answer.json["data"]["attributes"]["deleted_at"]) == (200, at)


# ---- a slash at the end -------------------------------------------------------------------------------
@pytest.mark.parametrize("query", ["", "?page[size]=2&sort=created_at", "?page%5Bsize%5D=2"])
def test_a_slash_at_the_end_is_redirected_with_its_query(send: Send, query: str) -> None:
    answer = send("GET", f"{LEDGER}/{query}")
    assert (answer.status, unquote(answer.headers["location"])) == (308, f"{LEDGER}{unquote(query)}")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_slash_at_the_end_is_redirected_for_a_write_too(send: Send, method: str) -> None:
    path = LEDGER if method == "POST" else f"{LEDGER}/{uuid4()}"
    answer = send(method, f"{path}/", "pipeline", ledger_row(), content_type=MEDIA)
    assert (answer.status, answer.headers["location"]) == (308, path)


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


def test_many_slashes_lead_nowhere_else(send: Send) -> None:
    # `//host/` in a Location would be another host's.
    for path in ("//example.com/", f"{LEDGER}//", "//"):
        answer = send("GET", path)
        assert not answer.headers.get("location", "").startswith("//")
        assert answer.status in {308, 404}


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
        answer = on_the_wire(self.server.api_url, "POST", self.path, headers, body)
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


def test_a_key_that_comes_again_with_another_body_is_refused(send: Send) -> None:
    key = str(uuid4())
    assert send("POST", LEDGER, "pipeline", ledger_row(), content_type=MEDIA, idempotency_key=key).status == 201
    other = ledger_row(CONNECTOR[:-1] + "1")
    answer = send("POST", LEDGER, "pipeline", other, content_type=MEDIA, idempotency_key=key)
    ((status, _, source),) = problems(answer.json["errors"])
    assert (status, source) == ("422", {"header": "Idempotency-Key"})


def test_a_refused_request_does_not_use_its_key_up(send: Send) -> None:
    key = str(uuid4())
    refused = send("POST", LEDGER, "pipeline", ledger_row(FOREIGN_CONNECTOR), content_type=MEDIA, idempotency_key=key)
    assert refused.status == 409
    assert send("POST", LEDGER, "pipeline", ledger_row(), content_type=MEDIA, idempotency_key=key).status == 201
