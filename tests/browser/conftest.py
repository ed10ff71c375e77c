"""A stack, a headless Chromium, and pages of it that tell everything they did."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from local.settings import ROOT
from tests.local.stack_process import StackProcess
from tests.support.node import installed
from tests.support.stack import running

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
