"""`$default`: what no route matches is answered as JSON:API (contract, section 4)."""

import re
from collections.abc import Mapping
from itertools import product
from uuid import UUID, uuid4

import pytest

from tests.support.api import ANONYMOUS, READER, Caller, call, get, person, service
from tests.support.world import Row
from wellspring.routes import Route, routes

SOMEBODY = person(Row("people", 1, UUID(int=1)))
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")


def is_of(path: str, pattern: str) -> bool:
    """Say whether a route's pattern takes a path: an `{id}` takes any word."""
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path) is not None


def methods_of(route: Route) -> tuple[str, ...]:
    """Return the methods that a route is served for: with GET comes HEAD."""
    return ("GET", "HEAD") if route.method == "GET" else (route.method,)


ALLOWED: Mapping[str, list[str]] = {
    path: list(dict.fromkeys(method for route in routes() if is_of(path, route.path) for method in methods_of(route)))
    for path in (route.path for route in routes())
}
every_path = pytest.mark.parametrize("path", ALLOWED)


def filled(path: str) -> str:
    """Return a path with an id for each of its names."""
    return re.sub(r"{\w*id}", lambda _: str(uuid4()), path).replace("{file}", "main.js")


@pytest.mark.parametrize("path", ["//", "/nowhere", "/v1/company-workspace-connectors/", "//evil.example/", "/docs/x"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_stranger_is_told_401_and_nothing_of_the_paths(path: str, method: str) -> None:
    reply = call(method, path, ANONYMOUS)
    assert (reply.status, reply.error["code"]) == (401, "UNAUTHORIZED")
    assert not {"location", "allow"} & reply.headers.keys()


@pytest.mark.parametrize("caller", [ANONYMOUS, SOMEBODY])
def test_the_root_leads_to_a_page_that_needs_no_token(caller: Caller) -> None:
    reply = get("/", caller)
    assert call("HEAD", "/", caller).headers == reply.headers
    assert (reply.status, reply.body) == (302, "")
    page = "/console" if "/console" in ALLOWED else "/docs"
    assert reply.headers["location"] == page
    assert {route.open_to_all for route in routes() if route.path == page} == {True}


def test_the_root_knows_no_other_method() -> None:
    for method in METHODS:
        if method not in {"GET", "HEAD"}:
            assert call(method, "/", ANONYMOUS).status == 401
            assert call(method, "/", SOMEBODY).status == 404


@pytest.mark.parametrize("path", [route.path for route in routes() if route.open_to_all and "{" not in route.path])
def test_an_open_path_with_a_slash_too_many_is_redirected_without_a_token(path: str) -> None:
    for slashes in ("/", "//"):
        for method in ("GET", "HEAD"):
            reply = call(method, f"{path}{slashes}", ANONYMOUS)
            assert (reply.status, reply.headers["location"]) == (308, path)
    assert call("DELETE", f"{path}/", ANONYMOUS).status == 401


@every_path
def test_a_path_with_another_method_is_405_and_says_which_there_are(path: str) -> None:
    for method in METHODS:
        if method not in ALLOWED[path]:
            for caller in (SOMEBODY, READER, service()):
                reply = call(method, filled(path), caller)
                told = (reply.status, reply.error["code"], reply.error["title"])
                assert told == (405, "METHOD_NOT_ALLOWED", "Method not allowed")
                assert reply.headers["allow"].split(", ") == ALLOWED[path]
                assert all(name in reply.error["detail"] for name in ALLOWED[path])


@every_path
def test_options_says_the_methods_to_everybody(path: str) -> None:
    """A browser's preflight carries no token, and fails where the answer is not 2xx."""
    reply = call("OPTIONS", filled(path), ANONYMOUS)
    assert (reply.status, reply.body) == (204, "")
    assert reply.headers["allow"].split(", ") == [*ALLOWED[path], "OPTIONS"]


@pytest.mark.parametrize("path", ["/nowhere", "/v1/company-workspace-connectors/", "//evil.example/"])
def test_options_of_a_path_that_is_not_there_says_no_methods(path: str) -> None:
    reply = call("OPTIONS", path, ANONYMOUS)
    assert (reply.status, reply.body) == (204, "")
    assert not {"allow", "location"} & reply.headers.keys()


def test_a_body_and_its_type_do_not_matter_where_nothing_is_read() -> None:
    headers = {"content-type": "text/plain", "accept": "text/html"}
    assert call("PUT", "/v1/workspace-groups", SOMEBODY, body="{", headers=headers).status == 405
    assert call("POST", "/nowhere", SOMEBODY, body="{", headers=headers).status == 404


COMPANIES = "/v1/company-workspace-connectors"
NOWHERE = (
    *("//", "/nowhere", "/v1", "/v2/company-workspace-connectors", "/v1/company_workspace_connectors"),
    *("/v1/Company-Workspace-Connectors", "/V1/company-workspace-connectors", f"/v1/{COMPANIES[3:]}", f"/{COMPANIES}"),
    *(f"{COMPANIES}/{{id}}/company", f"{COMPANIES}/{{id}}/relationships/company", "/v1/company"),
    *("/v1/companies/{id}/company-workspace-connectors", "/v1/peoples/{id}", "/v1/workspace/{id}"),
    *("/v1/workspaces/{id}/people", "/v1/workspaces//providers", "/v1/workspace-groups/{id}/relationships/workspaces"),
    *("/health/live", "/.%2e/health", "/v1/%00", "/é"),
)


def test_a_path_that_is_not_there_is_404_for_every_method() -> None:
    for path, method in product(NOWHERE, METHODS):
        reply = call(method, filled(path), SOMEBODY)
        told = (reply.status, reply.error["code"], reply.error["title"])
        assert (path, *told) == (path, 404, "NOT_FOUND", "Not found")
        assert not {"location", "allow"} & reply.headers.keys()


@every_path
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_slash_too_many_is_308_to_the_path_without(path: str, method: str) -> None:
    there = filled(path)
    for slashes in ("/", "//", "////"):
        reply = call(method, f"{there}{slashes}", SOMEBODY)
        assert (reply.status, reply.headers["location"], reply.body) == (308, there, "")
        assert "content-type" not in reply.headers


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("page[size]=1&include=company", "page%5Bsize%5D=1&include=company"),
        ("page%5Bsize%5D=1", "page%5Bsize%5D=1"),
        (
            "filter[created_at][gte]=2026-05-10T12:00:00%2B02:00",
            "filter%5Bcreated_at%5D%5Bgte%5D=2026-05-10T12:00:00%2B02:00",
        ),
        ("a=//evil.example/&b=%0d%0aset-cookie:x", "a=//evil.example/&b=%0d%0aset-cookie:x"),
        ("a=\r\nset-cookie: x", "a=%0D%0Aset-cookie:%20x"),
        ("a=é#b", "a=%C3%A9%23b"),
    ],
)
def test_a_redirect_keeps_the_query(query: str, kept: str) -> None:
    reply = get(f"/v1/company-workspace-connectors/?{query}", SOMEBODY)
    assert (reply.status, reply.headers["location"]) == (308, f"/v1/company-workspace-connectors?{kept}")


ESCAPED = {"a%0d%0aset-cookie%3A%20x": "a%0D%0Aset-cookie%3A%20x"} | {
    kept: kept for kept in ("a%3Fb%23c", "%C3%A9", "a%20b", "%25")
}


@pytest.mark.parametrize("id_", ESCAPED)
def test_a_redirect_escapes_what_stands_in_the_path(id_: str) -> None:
    reply = get(f"/v1/workspace-groups/{id_}/", SOMEBODY)
    assert (reply.status, reply.headers["location"]) == (308, f"/v1/workspace-groups/{ESCAPED[id_]}")
