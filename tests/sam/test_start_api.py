"""The HTTP API of `sam local start-api`: requests through its routes to the functions in their containers.

It knows no JWT authorizer and mounts the routes without one, so no request carries claims: what needs them is refused
by the functions themselves, the second line behind API Gateway. `tests/sam/test_http.py` brings claims in events.
"""

import gzip
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from local.example_ids import demo_id
from local.settings import ROOT
from tests.local.stack_process import HttpResponse
from tests.sam.conftest import Deployed
from tests.sam.service import ANSWER_SECONDS, Service, serve
from tests.sam.test_http import everything
from tests.support.databases import FreshDatabase
from wellspring.jsonapi.values import MEDIA_TYPE

GROUPS = "/v1/workspace-groups"
GROUP = {"data": {"type": "workspace_group", "attributes": {"name": "Nobody's"}}}


@pytest.fixture(scope="module")
def api(deployed: Deployed) -> Iterator[Service]:
    """The API on a free port, on the database of all these tests."""
    with serve("start-api", deployed.template, deployed.architecture) as service:
        yield service


def ask(api: Service, method: str, path: str, body: str | None = None, **headers: str) -> HttpResponse:
    """Make one request; a header's name is written with underscores."""
    connection = HTTPConnection(urlsplit(api.url).netloc, timeout=ANSWER_SECONDS)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return HttpResponse(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/company-workspace-connectors?page[size]=1"),
        ("GET", f"/v1/workspace-providers/{demo_id('workspace_provider', 'a')}"),
        ("POST", GROUPS),
        ("DELETE", f"/v1/workspaces/{demo_id('workspace', 'a')}/providers/{demo_id('provider', '0')}"),
        ("GET", "/v1/no-such-thing"),
    ],
)
def test_without_a_token_or_with_one_that_nobody_verified_it_is_401(
    api: Service, demo: FreshDatabase, method: str, path: str
) -> None:
    before = everything(demo)
    body = json.dumps(GROUP) if method == "POST" else None
    for token in ({}, {"authorization": "Bearer of-nobody"}):
        answer = ask(api, method, path, body, content_type=MEDIA_TYPE, accept=MEDIA_TYPE, **token)
        assert answer.status == 401
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert [error["code"] for error in answer.json["errors"]] == ["UNAUTHORIZED"]
    assert everything(demo) == before


def test_health_is_answered_from_the_database(api: Service) -> None:
    answer = ask(api, "GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_the_description_comes_whole(api: Service) -> None:
    answer = ask(api, "GET", "/v1/openapi.json", accept_encoding="identity")
    assert answer.status == 200
    assert answer.json == json.loads((ROOT / "docs" / "openapi.json").read_text())


def test_the_page_comes_guarded_and_packed_for_who_asks(api: Service) -> None:
    answer = ask(api, "GET", "/docs", accept_encoding="gzip")
    assert (answer.status, answer.headers["content-encoding"]) == (200, "gzip")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = gzip.decompress(answer.body)
    assert b"<html" in page
    plain = ask(api, "GET", "/docs", accept_encoding="identity")
    assert (plain.status, plain.body) == (200, page)
    assert "content-encoding" not in plain.headers
