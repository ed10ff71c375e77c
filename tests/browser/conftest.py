"""A stack, a headless Chromium, pages of it that tell everything they did, and the console as a person uses it."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from local.settings import ROOT
from tests.browser.lively import WORKSPACE
from tests.local.stack_process import StackProcess
from tests.support.node import installed
from tests.support.stack import running

type Scheme = Literal["light", "dark"]

# Names that are not this machine's have no address: what would leave the machine fails instead, and is seen to fail.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# For what never comes; what comes does so in a fraction of it.
PATIENCE = 60_000
# Of what a page shows, so much may move by itself; 0.1 is what people do not mind (web.dev/articles/cls).
MOST_SHIFT = 0.05


@dataclass
class Watched:
    """A page and what was seen of it from outside: its errors, breaches of its policy among them, and its requests."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requested: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request))  # noqa: PLW0108  Playwright marks it

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


class Console:
    """The page as a person uses it."""

    def __init__(self, watched: Watched, url: str) -> None:
        self.watched = watched
        self.page: Page = watched.page
        self.url = url

    def sign_in(self, name: str, view: str = "", workspace: str = WORKSPACE) -> None:
        """Open a view, or the first one, in a page that has read nothing, and choose a principal at the issuer."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/console" + (f"#/{workspace}/{view}" if view else ""))
        self._choose(name)

    def change_to(self, name: str) -> None:
        """Sign out, and in as another principal."""
        self.page.get_by_role("button", name="Sign out").click()
        self.page.get_by_role("button", name="Sign in").click()
        self._choose(name)

    def _choose(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("navigation", name="Views")).to_be_visible()
        self.settle()

    def show(self, view: str, workspace: str = WORKSPACE) -> None:
        """Open a view by its address, and wait until it waits for nothing."""
        self.page.evaluate("fragment => { location.hash = fragment }", f"#/{workspace}/{view}")
        self.settle()

    def open(self, fragment: str) -> int:
        """Open an address in a page that has read nothing; return how many requests to the API that took.

        The issuer remembers who it is.
        """
        before = len(self.asked())
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/console{fragment}")
        self.settle()
        return len(self.asked()) - before

    def settle(self) -> None:
        """Wait until nothing is waited for."""
        expect(self.heading).not_to_have_text("")
        expect(self.page.locator(".waiting")).to_have_count(0)

    def count_shifts(self) -> None:
        """Have each page that is opened from now on add up how much of it moves by itself."""
        self.page.add_init_script(
            """window.moved = 0;
            new PerformanceObserver(list => { for (const one of list.getEntries()) moved += one.value; })
                .observe({ type: "layout-shift", buffered: true });"""
        )

    def shifted(self) -> float:
        """Return how much of the page has moved, once nothing does."""
        self.page.wait_for_timeout(500)
        moved: float = self.page.evaluate("moved")
        return moved

    def fits(self) -> bool:
        """Say whether the page is no wider than its window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

    def tab_to(self, wanted: Locator) -> None:
        """Press the tabulator until `wanted` has the focus."""
        for _ in range(400):
            self.page.keyboard.press("Tab")
            if wanted.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(wanted)

    @property
    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    @property
    def lead(self) -> Locator:
        return self.page.locator(".lead")

    def problem(self) -> Locator:
        return self.page.get_by_role("alert")

    def asked(self) -> list[str]:
        """Return what was asked of the API so far."""
        return [request.url.removeprefix(self.url) for request in self.watched.requested if "/v1/" in request.url]


def violations(page: Page, axe: str, scheme: Scheme) -> list[str]:
    """Return what axe finds in what the page shows; in the dark, only colours can be others."""
    page.evaluate(axe)
    only = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    found = page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **only})
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """One stack for all tests of a file."""
    with running(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A Chromium with a new, empty folder of its own for what it keeps."""
    found = subprocess.run(
        ["sh", "local/need-chromium"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The rules of accessibility, to be run in a page."""
    return (installed(Path(__file__).parent) / "axe-core/axe.min.js").read_text()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Open an empty page of a visitor who has never been here; takes what `Browser.new_context` takes."""
    contexts = []

    def opened(**options: object) -> Watched:
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 960}, **options))  # type: ignore[arg-type]
        return Watched(contexts[-1].new_page())

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def console(stack: StackProcess, open_page: Callable[..., Watched]) -> Console:
    return Console(open_page(), stack.facts["api_url"])
