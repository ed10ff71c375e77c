"""The console as a person uses it, and what axe finds in it."""

from typing import Literal

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Watched
from tests.browser.lively import WORKSPACE

type Scheme = Literal["light", "dark"]


class Console:
    """The page as a person uses it."""

    def __init__(self, watched: Watched, url: str) -> None:
        self.watched = watched
        self.page: Page = watched.page
        self.url = url

    def sign_in(self, name: str, fragment: str = "") -> None:
        """Open the page at a fragment, and choose a principal at the issuer."""
        self.page.goto(f"{self.url}/console{fragment}")
        self.page.get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("navigation", name="Views")).to_be_visible()

    def change_to(self, name: str) -> None:
        """Sign out, and in as another principal."""
        self.page.get_by_role("button", name="Sign out").click()
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("link", name=name, exact=True).click()

    def show(self, view: str, workspace: str = WORKSPACE) -> None:
        """Open a view by its address, and wait until it waits for nothing."""
        self.page.evaluate("fragment => { location.hash = fragment }", f"#/{workspace}/{view}")
        self.settle()

    def open(self, fragment: str) -> None:
        """Open an address in a page that has read nothing; the issuer remembers who it is."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/console{fragment}")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is waited for."""
        expect(self.heading).not_to_have_text("")
        expect(self.page.locator(".waiting")).to_have_count(0)

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
