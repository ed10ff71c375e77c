"""The page `GET /docs` in a real browser, on a running stack: a person reads the API there and tries it."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Locator, expect

from local.example_ids import demo_id
from tests.browser.conftest import Scheme, Watched
from tests.local.stack_process import StackProcess
from wellspring.apidocs.page import OWN

pytestmark = pytest.mark.outside

ROUTE = "/v1/company-workspace-connectors"
MEDIA_TYPE = "application/vnd.api+json"


class Reference:
    """The page as a person uses it."""

    def __init__(self, watched: Watched, url: str) -> None:
        self.watched = watched
        self.page = watched.page
        self.page.goto(f"{url}/docs")
        expect(self.page.locator(".opblock").first).to_be_visible()

    def authorize(self, token: str) -> None:
        """Paste a token."""
        self.page.get_by_role("button", name="Authorize").click()
        dialog = self.page.locator(".dialog-ux")
        dialog.locator("input").fill(token)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").last.click()
        expect(dialog).to_have_count(0)

    def operation(self, method: str, path: str) -> Locator:
        """Open an operation and press 'Try it out'."""
        summary = self.page.locator(f'.opblock-summary-path[data-path="{path}"]')
        block = self.page.locator(f".opblock-{method}").filter(has=summary)
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        return block

    def execute(self, block: Locator) -> tuple[str, Any]:
        """Press 'Execute'; return the status and the document that the page then shows."""
        block.get_by_role("button", name="Execute").click()
        shown = block.locator(".live-responses-table .response")
        status = shown.locator(".response-col_status").inner_text().strip()
        return status, json.loads(shown.locator(".highlight-code code").first.inner_text())


@pytest.fixture
def reference(stack: StackProcess, open_page: Callable[..., Watched]) -> Reference:
    return Reference(open_page(), stack.facts["api_url"])


def test_the_page_loads_without_an_error_and_asks_its_own_origin_only(
    stack: StackProcess, reference: Reference
) -> None:
    url = stack.facts["api_url"]
    assert reference.watched.errors == []
    assert [request.url for request in reference.watched.requested] == [f"{url}/docs", f"{url}/v1/openapi.json"]
    assert reference.page.title() == "Wellspring API"


def test_the_policy_stops_a_script_that_is_not_the_pages_own(reference: Reference) -> None:
    with reference.page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        reference.page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.intruder = true";
                document.body.append(script);
            }"""
        )
    assert reference.page.evaluate("window.intruder") is None


def test_a_person_with_a_token_reads_a_list(stack: StackProcess, reference: Reference) -> None:
    reference.authorize(stack.token("owner"))
    block = reference.operation("get", ROUTE)
    status, document = reference.execute(block)
    assert status == "200"
    assert document["data"]
    assert {row["type"] for row in document["data"]} == {"company_workspace_connector"}
    # Only what the person chose, and a default, is sent; no example of a filter or of a header.
    sent = reference.watched.requested[-1]
    assert sent.url == f"{stack.facts['api_url']}{ROUTE}?page%5Bsize%5D=20"
    assert sent.headers["accept"] == MEDIA_TYPE
    assert "if-none-match" not in sent.headers
    assert reference.watched.errors == []


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer  ", "Authorization: Bearer ", " "])
def test_a_token_is_taken_as_it_was_found(stack: StackProcess, reference: Reference, prefix: str) -> None:
    reference.authorize(prefix + stack.token("owner"))
    status, _ = reference.execute(reference.operation("get", ROUTE))
    assert status == "200"
    assert re.fullmatch(r"Bearer [\w-]+\.[\w-]+\.[\w-]+", reference.watched.requested[-1].headers["authorization"])


def test_the_dialog_says_where_a_token_comes_from(reference: Reference) -> None:
    reference.page.get_by_role("button", name="Authorize").click()
    said = reference.page.locator(".dialog-ux").inner_text()
    assert "make token AS=owner" in said
    assert "issuer" in said


def test_optional_parameters_fold_and_required_ones_do_not(reference: Reference) -> None:
    block = reference.operation("get", ROUTE)
    size = block.locator('[data-param-name="page[size]"]')
    expect(size).to_be_hidden()
    more = block.get_by_role("button", name="optional parameters")
    expect(more).to_have_attribute("aria-expanded", "false")
    more.click()
    expect(size).to_be_visible()
    expect(more).to_have_attribute("aria-expanded", "true")
    more.click()
    expect(size).to_be_hidden()
    one = reference.operation("get", f"{ROUTE}/{{id}}")
    expect(one.locator('[data-param-name="id"]')).to_be_visible()
    expect(one.locator('[data-param-name="include"]')).to_be_hidden()


def test_every_task_opens_its_operation(reference: Reference) -> None:
    links = reference.page.locator("nav li a")
    expect(links).to_have_count(OWN.count("<li>"))
    for link in links.all():
        tag, operation = unquote(link.get_attribute("href") or "").removeprefix("#/").split("/")
        link.click()
        block = reference.page.locator(f"#operations-{tag.replace(' ', '_')}-{operation}")
        expect(block).to_have_class(re.compile(r"\bis-open\b"))
        expect(block).to_be_in_viewport()
        expect(block.locator(".opblock-summary-control")).to_be_focused()
    assert reference.watched.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme(
    stack: StackProcess, open_page: Callable[..., Watched], scheme: Scheme
) -> None:
    reference = Reference(open_page(color_scheme=scheme), stack.facts["api_url"])
    seen = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    other: Scheme = "light" if scheme == "dark" else "dark"
    for now in (scheme, other, scheme):
        reference.page.emulate_media(color_scheme=now)
        expect(reference.page.locator("html")).to_have_class("dark-mode" if now == "dark" else "")
        assert (max(reference.page.evaluate(seen)) < 64) == (now == "dark")
        assert (min(reference.page.evaluate(seen)) > 192) == (now == "light")
    assert reference.watched.errors == []


def test_the_pipeline_creates_a_row_on_the_page(stack: StackProcess, reference: Reference) -> None:
    reference.authorize(stack.token("pipeline"))
    block = reference.operation("post", ROUTE)
    relationships = {
        name: {"data": {"type": name, "id": demo_id(name, "a", 1)}} for name in ("company", "workspace_connector")
    }
    wanted = {"type": "company_workspace_connector", "attributes": {"direction": "input"}}
    block.locator("textarea.body-param__text").fill(json.dumps({"data": wanted | {"relationships": relationships}}))
    status, document = reference.execute(block)
    assert status == "201"
    assert document["data"]["relationships"]["company"]["data"] == relationships["company"]["data"]
    sent = reference.watched.requested[-1]
    assert (sent.headers["content-type"], sent.headers["accept"]) == (MEDIA_TYPE, MEDIA_TYPE)
    assert "idempotency-key" not in sent.headers
    assert reference.watched.errors == []
