"""HEAD: what GET answers but its content, which the server in front leaves out (RFC 9110, section 9.3.2; ADR 0049)."""

import re
from uuid import uuid4

import pytest

from tests.support.api import ANONYMOUS, READER, TEMPLATE, Caller, Reply, call, person
from tests.support.tenants import Tenant, tenant
from tests.support.world import World

COMPANIES = "/v1/company-workspace-connectors"


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "company")


def both(url: str, caller: Caller, **headers: str) -> tuple[Reply, Reply]:
    """Ask the same by GET and by HEAD."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call("GET", url, caller, headers=named), call("HEAD", url, caller, headers=named)


def test_every_get_knows_head_which_says_the_same_to_a_stranger_and_of_what_is_not_there(ours: Tenant) -> None:
    for path in {route.path for route in TEMPLATE.routes if route.method == "GET"}:
        url = re.sub(r"{\w*id}", lambda _: str(uuid4()), path).replace("{file}", "x").replace("{proxy+}", "")
        for caller in (ANONYMOUS, READER, person(ours.owner)):
            whole, head = both(url, caller)
            assert (head.status, head.headers) == (whole.status, whole.headers), path
            assert head.status in {200, 302, 308, 400, 401, 403, 404}, path


def test_what_is_there_has_the_same_headers_and_its_content_is_left_to_the_gateway(ours: Tenant) -> None:
    row = f"{COMPANIES}/{ours.provenance.id}"
    for url, status in (
        (COMPANIES, 200),
        (f"{COMPANIES}?include=company", 200),
        (row, 200),
        (f"{row}?foo=1", 400),
        (f"{COMPANIES}/{uuid4()}", 404),
        (f"{row}/", 308),
    ):
        whole, head = both(url, person(ours.owner))
        assert (head.status, head.headers) == (whole.status, whole.headers) == (status, whole.headers)
        # With it API Gateway knows the length; what it sends of it is headers.
        assert len(head.body) == len(whole.body)


def test_a_tag_that_is_known_is_304_by_head_as_by_get(ours: Tenant) -> None:
    row = f"{COMPANIES}/{ours.provenance.id}"
    whole, head = both(row, READER)
    assert head.headers["etag"] == whole.headers["etag"]
    for reply in both(row, READER, if_none_match=whole.headers["etag"]):
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, "", whole.headers["etag"])
    assert [reply.status for reply in both(row, READER, if_none_match='"other"')] == [200, 200]


def test_head_changes_nothing_whatever_it_carries(ours: Tenant) -> None:
    row = f"{COMPANIES}/{ours.provenance.id}"
    assert call("HEAD", row, READER, body="{}", headers={"idempotency-key": "one", "if-match": '"x"'}).status == 200
    assert call("HEAD", row, READER).status == 200
