"""A page of another origin in a real browser: it lists and posts where `CorsOrigins` names it."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Watched
from tests.local.stack_process import StackProcess
from tests.support.stack import running

pytestmark = pytest.mark.outside

MEDIA_TYPE = "application/vnd.api+json"
# What the page asks for, and everything that a page of another origin is let read of the answer.
ASK = """async ([url, options]) => {
    const answer = await fetch(url, options);
    return {
        status: answer.status,
        document: await answer.json(),
        headers: Object.fromEntries(["etag", "location"].map(name => [name, answer.headers.get(name)])),
    };
}"""


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two origins that serve an empty page."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "index.html").write_text('<!doctype html><title>A page</title><link rel="icon" href="data:,">')
    serve = partial(SimpleHTTPRequestHandler, directory=folder)
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), serve) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    first, second = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    yield first, second
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, origins: tuple[str, str]) -> Iterator[StackProcess]:
    """A stack that lets pages of the first origin in."""
    folder: Path = tmp_path_factory.mktemp("another_origin")
    with running(folder, CORS_ORIGINS=origins[0]) as started:
        yield started


def ask(watched: Watched, url: str, token: str, **options: Any) -> Any:
    """Have the page's own script make a request."""
    headers = {"authorization": f"Bearer {token}", "accept": MEDIA_TYPE} | options.pop("headers", {})
    return watched.page.evaluate(ASK, [url, {"headers": headers} | options])


def test_a_page_of_an_allowed_origin_lists_and_posts(
    stack: StackProcess, origins: tuple[str, str], open_page: Callable[..., Watched]
) -> None:
    watched = open_page()
    watched.page.goto(origins[0])
    url = stack.facts["api_url"]
    listed = ask(watched, f"{url}/v1/company-workspace-connectors?page[size]=2", stack.token("owner"))
    assert listed["status"] == 200
    assert len(listed["document"]["data"]) == 2

    group = {"data": {"type": "workspace_group", "attributes": {"name": "Made by a page"}}}
    made = ask(
        watched,
        f"{url}/v1/workspace-groups",
        stack.token("owner"),
        method="POST",
        headers={"content-type": MEDIA_TYPE, "idempotency-key": "a-page-1"},
        body=json.dumps(group),
    )
    assert made["status"] == 201, made
    assert made["headers"]["location"].endswith(made["document"]["data"]["id"])
    assert made["headers"]["etag"]
    read = ask(watched, url + made["headers"]["location"], stack.token("owner"))
    assert read["document"]["data"]["attributes"]["name"] == "Made by a page"
    # The preflights were answered too, without a token.
    assert watched.errors == []


def test_a_page_of_another_origin_reads_nothing(
    stack: StackProcess, origins: tuple[str, str], open_page: Callable[..., Watched]
) -> None:
    watched = open_page()
    watched.page.goto(origins[1])
    with pytest.raises(Exception, match="Failed to fetch"):
        ask(watched, f"{stack.facts['api_url']}/v1/company-workspace-connectors", stack.token("owner"))
    assert any("CORS policy" in error for error in watched.errors)
