"""The console in a real browser, on a running stack in which something happens."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from local.settings import ROOT
from tests.browser.conftest import Watched
from tests.browser.lively import MARKUP, MARKUP_NAME, PAYMENTS, WORKSPACE, enliven
from tests.local.stack_process import StackProcess
from tests.support.node import installed
from tests.support.stack import running
from wellspring.example_ids import demo_id

pytestmark = pytest.mark.outside

type Scheme = Literal["light", "dark"]

COMPANY = demo_id("company", "a", 1)
# The fragment of each view, and the words that it begins with, for who sees the workspace.
VIEWS = {
    "connectors": ("connectors", "Connectors"),
    "failures": ("failures", "Failures"),
    "records": ("records", "Records"),
    "record": (f"records/company/{COMPANY}", "Alder Trading"),
    "connector": (f"connectors/{PAYMENTS}", "Payments"),
    "providers": ("providers", "Providers"),
    "groups": ("groups", "Groups"),
    "flow": ("flow", "Flow"),
}
# Each picture: its view, and how large the window is.
PICTURES: dict[Scheme, dict[str, tuple[str, int, int]]] = {
    "light": {
        "connectors": ("connectors", 1180, 520),
        "record": ("record", 1180, 640),
        "failures": ("failures", 1180, 760),
        "connector": ("connector", 1180, 860),
        "phone": ("record", 360, 740),
    },
    "dark": {"flow": ("flow", 1180, 760)},
}
LARGEST_PICTURE_BYTES = 200_000


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

    def show(self, view: str, workspace: str = WORKSPACE) -> None:
        """Open a view by its address, and wait until it waits for nothing."""
        self.page.evaluate("fragment => { location.hash = fragment }", f"#/{workspace}/{view}")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is waited for."""
        expect(self.heading).not_to_have_text("")
        expect(self.page.locator(".waiting")).to_have_count(0)

    def tab_to(self, wanted: Locator) -> None:
        """Press the tabulator until `wanted` has the focus."""
        for _ in range(60):
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


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """A stack in which something happens."""
    with running(tmp_path_factory.mktemp("console")) as started:
        enliven(started)
        yield started


@pytest.fixture
def console(stack: StackProcess, open_page: Callable[..., Watched]) -> Console:
    return Console(open_page(), stack.facts["api_url"])


@pytest.fixture(scope="module")
def axe() -> str:
    """The rules of accessibility, to be run in a page."""
    return (installed(Path(__file__).parent) / "axe-core/axe.min.js").read_text()


def violations(page: Page, axe: str, scheme: Scheme) -> list[str]:
    """Return what axe finds in what the page shows; in the dark, only colours can be others."""
    page.evaluate(axe)
    only = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    found = page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **only})
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


# ---- each view, for each caller -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["owner", "member", "guest", "pipeline"])
def test_every_view_is_there_and_asks_this_origin_only(console: Console, name: str) -> None:
    console.sign_in(name)
    console.settle()
    for fragment, heading in VIEWS.values():
        before = len(console.asked())
        console.show(fragment)
        expect(console.heading).to_have_text(heading)
        expect(console.problem()).to_have_count(0)
        if fragment != "groups" or name == "owner":
            expect(console.lead.or_(console.page.locator(".empty")).first).to_be_visible()
        assert len(console.asked()) - before <= 6, console.asked()[before:]
    assert console.watched.errors == []
    assert {
        request.url.partition("/v1/")[0].partition("/console")[0].partition("/issuer")[0]
        for request in console.watched.requested
        if not request.url.startswith("data:")
    } == {console.url}


def test_an_outsider_sees_their_own_workspace_and_learns_nothing_of_others(
    console: Console, stack: StackProcess
) -> None:
    console.sign_in("outsider")
    console.settle()
    expect(console.page.locator(".switch-name")).to_have_text("Northwind Studio")
    console.show("connectors")
    expect(console.problem()).to_contain_text("Workspace not found")
    expect(console.page.locator("body")).not_to_contain_text("Verdier")
    foreign = demo_id("workspace", "c")
    for view, words in (
        (f"records/company/{COMPANY}", "Company not found"),
        (f"connectors/{PAYMENTS}", "Workspace connector not found"),
        (f"groups/{stack.group()}", "Workspace group not found"),
    ):
        console.show(view, foreign)
        expect(console.problem().first).to_contain_text(words)
    expect(console.page.locator("body")).not_to_contain_text("Verdier")


def test_the_views_answer_in_words(console: Console) -> None:
    console.sign_in("owner")
    console.show("connectors")
    expect(console.lead).to_have_text(re.compile(r"^\d of 5 connectors of Verdier Foods need attention\.$"))
    row = console.page.get_by_role("row", name="Payments")
    expect(row).to_contain_text("3 parked")
    row.get_by_role("link", name="3", exact=True).click()
    console.settle()
    expect(console.heading).to_have_text("Failures")
    expect(console.page.get_by_text("It names a record that is not here yet.")).to_be_visible()
    console.show(f"records/company/{COMPANY}")
    expect(console.lead).to_have_text(
        re.compile(r"^First seen \d+ \w+ \d{4} from \w+; last seen \d+ h ago from (Payments|Mail); sent to .*CRM.*\.$")
    )
    console.show(f"connectors/{PAYMENTS}")
    expect(console.page.get_by_text("live rows would end.")).to_be_visible()
    expect(console.page.get_by_text(re.compile(r"In 30 days it brought [\d,]+ rows in\."))).to_be_visible()


def test_a_record_is_found_by_its_name_and_by_keyboard_alone(console: Console) -> None:
    console.sign_in("guest", f"#/{WORKSPACE}/records")
    console.settle()
    keyboard = console.page.keyboard
    field = console.page.get_by_role("searchbox", name="Find by name")
    console.tab_to(field)
    keyboard.type("lder trad")
    expect(console.lead).to_contain_text("“lder trad”")
    console.settle()
    expect(console.page.get_by_role("row")).to_have_count(2)
    console.tab_to(console.page.get_by_role("link", name="Alder Trading"))
    keyboard.press("Enter")
    expect(console.heading).to_have_text("Alder Trading")
    # What was chosen is read first, and what was typed is there when one goes back.
    expect(console.heading).to_be_focused()
    console.page.go_back()
    expect(field).to_have_value("lder trad")


def test_a_chart_is_a_table_too(console: Console) -> None:
    console.sign_in("owner")
    for view in (f"records/company/{COMPANY}", f"connectors/{PAYMENTS}", "flow"):
        console.show(view)
        button = console.page.get_by_role("button", name="Show as a table")
        chart = console.page.locator("figure svg")
        assert "the table says the same" in (chart.get_attribute("aria-label") or "")
        button.click()
        expect(console.page.locator(".twin tbody tr").first).to_be_visible()


# ---- what is written ----------------------------------------------------------------------------------------------
def test_a_provider_is_selected_and_removed_and_a_guest_only_reads(console: Console) -> None:
    console.sign_in("member")
    console.show("providers?q=Stripe")
    row = console.page.get_by_role("row", name="Stripe")
    row.get_by_role("button", name="Select Stripe").click()
    expect(row).to_contain_text("selected")
    row.get_by_role("button", name="Remove Stripe").click()
    expect(row.get_by_role("button", name="Select Stripe")).to_be_visible()
    console.page.get_by_role("button", name="Sign out").click()
    console.page.get_by_role("button", name="Sign in").click()
    console.page.get_by_role("link", name="guest", exact=True).click()
    console.settle()
    expect(console.page.get_by_text("As a guest you read this.")).to_be_visible()
    expect(console.page.get_by_role("button", name="Select Stripe")).to_have_count(0)


def test_a_group_is_made_filled_emptied_and_deleted(console: Console) -> None:
    console.sign_in("owner")
    console.show("groups")
    console.page.get_by_label("Its name").fill("Audit <2026>")
    console.page.get_by_role("button", name="Make the group").click()
    expect(console.heading).to_have_text("Audit <2026>")
    console.page.get_by_label("Enrol a workspace").select_option("Verdier Foods")
    console.page.get_by_role("button", name="Enrol it").click()
    row = console.page.get_by_role("row", name="Verdier Foods")
    expect(row).to_contain_text("Claire Verdier")
    for _ in range(2):
        row.get_by_role("button", name="Withdraw Verdier Foods").click()
    expect(console.page.get_by_text("No workspace is enrolled.")).to_be_visible()

    console.page.get_by_label("Add a person whose name begins with").fill("mal")
    console.page.get_by_role("button", name="Add Malik Haddad").click()
    row = console.page.get_by_role("row", name="Malik Haddad")
    row.get_by_label("Role of Malik Haddad").select_option("admin")
    console.page.reload()
    expect(row.get_by_label("Role of Malik Haddad")).to_have_value("admin")
    for _ in range(2):
        row.get_by_role("button", name="Remove Malik Haddad").click()
    expect(row).to_have_count(0)

    console.page.get_by_label("Its name").fill("Audit, renamed")
    console.page.get_by_role("button", name="Rename the group").click()
    expect(console.heading).to_have_text("Audit, renamed")
    for _ in range(2):
        console.page.get_by_role("button", name="Delete the group").click()
    expect(console.heading).to_have_text("Groups")
    expect(console.page.get_by_role("row", name="Verdier Group")).to_be_visible()
    expect(console.page.get_by_role("row", name="Audit")).to_have_count(0)


def test_a_service_releases_and_dismisses_and_a_person_is_not_offered_it(console: Console) -> None:
    console.sign_in("pipeline")
    console.show("failures")
    group = console.page.locator(".failure", has_text="Payments")
    group.get_by_role("button", name="Release all of them").click()
    expect(group.get_by_text("3 messages would be tried")).to_be_visible()
    group.get_by_role("button", name="Release", exact=True).first.click()
    expect(group.get_by_text("0 released, 3 still parked")).to_be_visible()
    other = console.page.locator(".failure", has_text="CRM")
    expect(other).to_contain_text("tenant_mismatch")
    other.get_by_role("button", name="Dismiss").click()
    other.get_by_label("Why it is dismissed, which cannot be undone").fill("Sent anew by its producer")
    other.get_by_role("button", name="Dismiss it").click()
    expect(other).to_have_count(0)
    console.page.get_by_role("button", name="Sign out").click()
    console.page.get_by_role("button", name="Sign in").click()
    console.page.get_by_role("link", name="owner", exact=True).click()
    console.settle()
    expect(console.page.locator(".failure")).to_have_count(1)
    expect(console.page.get_by_role("button", name="Release")).to_have_count(0)


# ---- how it looks, to everybody -----------------------------------------------------------------------------------
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(
    stack: StackProcess, open_page: Callable[..., Watched], axe: str, scheme: Scheme
) -> None:
    console = Console(open_page(color_scheme=scheme), stack.facts["api_url"])
    console.page.goto(f"{console.url}/console")
    expect(console.heading).to_have_text("Sign in to the demo as")
    assert violations(console.page, axe, scheme) == []
    console.sign_in("owner")
    found: list[str] = []
    for fragment in (*(fragment for fragment, _ in VIEWS.values()), f"groups/{stack.group()}"):
        console.page.set_viewport_size({"width": 1280, "height": 900})
        console.show(fragment)
        for button in console.page.get_by_role("button", name="Show as a table").all():
            button.click()
        found += [f"{fragment}: {each}" for each in violations(console.page, axe, scheme)]
        for width in (320, 2560):
            console.page.set_viewport_size({"width": width, "height": 900})
            assert console.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (fragment, width)
    assert found == []


def test_names_are_text_and_never_markup(console: Console) -> None:
    console.sign_in("owner")
    console.show("records?q=%3Cimg")
    link = console.page.get_by_role("link", name=MARKUP_NAME)
    link.click()
    expect(console.heading).to_have_text(MARKUP_NAME)
    assert console.page.url.endswith(MARKUP)
    expect(console.page.locator("img")).to_have_count(0)
    assert console.page.evaluate("window.intruder") is None
    assert console.watched.errors == []


# ---- its policy, its tokens -----------------------------------------------------------------------------------------
def test_the_policy_stops_a_script_that_is_not_the_pages_own(console: Console) -> None:
    def injected(route: Route) -> None:
        response = route.fetch()
        body = response.text().replace("</body>", "<script>window.intruder = 1</script></body>")
        route.fulfill(response=response, body=body)

    console.page.route(f"{console.url}/console", injected)
    with console.page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        console.page.goto(f"{console.url}/console")
    console.sign_in("owner")
    console.settle()
    for attempt in (
        "document.body.innerHTML = '<b>x</b>'",
        "document.createElement('script').textContent = 'window.intruder = 1'",
        "new Function('window.intruder = 1')()",
    ):
        # What runs by the test's own hand is let do everything; what runs later is the page's.
        said = console.page.evaluate(
            f"""new Promise(done => setTimeout(() => {{
                try {{ {attempt}; done("nothing stopped it") }} catch (error) {{ done(String(error)) }}
            }}))"""
        )
        assert re.search(r"Trusted|unsafe-eval", said), said
    with pytest.raises(Exception, match="Failed to fetch"):
        console.page.evaluate("fetch('http://127.0.0.1:9/')")
    assert console.page.evaluate("window.intruder") is None


def test_tokens_are_in_memory_only_and_a_reload_signs_in_again(console: Console) -> None:
    console.sign_in("owner", f"#/{WORKSPACE}/providers?show=own")
    console.settle()
    assert console.page.url == f"{console.url}/console#/{WORKSPACE}/providers?show=own"
    kept = console.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert json.loads(kept) == [{}, {}, ""]
    sent: list[Request] = [request for request in console.watched.requested if "/v1/" in request.url]
    assert sent
    assert not [request.url for request in sent if request.headers.get("referer")]
    assert all("access_token" not in request.url and "code=" not in request.url for request in sent)
    console.page.reload()
    console.settle()
    expect(console.heading).to_have_text("Providers")
    expect(console.page.get_by_role("button", name="Chosen here")).to_have_attribute("aria-pressed", "true")


def test_an_answer_that_was_not_asked_for_signs_nobody_in(console: Console) -> None:
    console.page.goto(f"{console.url}/console?code=stolen&state=another")
    expect(console.page.get_by_role("alert")).to_contain_text("This sign-in was not begun here")
    assert "code=" not in console.page.url
    assert console.asked() == []


# ---- an API that fails ----------------------------------------------------------------------------------------------
def refuse(console: Console, status: int, body: Any, times: int, **headers: str) -> list[str]:
    """Answer the next `times` lists of connectors so; return what was asked, which grows."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= times:
            route.fulfill(status=status, content_type="application/json", headers=headers, body=json.dumps(body))
        else:
            route.continue_()

    console.page.route("**/v1/workspace-connectors?*", answer)
    return asked


def test_401_in_the_middle_keeps_the_view_and_signs_in_again(console: Console) -> None:
    console.sign_in("owner", f"#/{WORKSPACE}/providers")
    console.settle()
    refuse(console, 401, {"message": "Unauthorized"}, 1)
    console.show("connectors")
    expect(console.page.get_by_text("Your sign-in has ended.").first).to_be_visible()
    console.page.get_by_role("button", name="Sign in again").first.click()
    expect(console.page.get_by_role("row", name="Payments")).to_be_visible()
    assert console.page.url.endswith("/connectors")


def test_429_is_waited_for(console: Console) -> None:
    console.sign_in("owner", f"#/{WORKSPACE}/providers")
    console.settle()
    asked = refuse(console, 429, {"message": "Too Many Requests"}, 2)
    console.show("connectors")
    expect(console.page.get_by_role("row", name="Payments")).to_be_visible()
    assert len(asked) == 3


def test_503_is_told_in_the_apis_words_and_can_be_tried_again(console: Console) -> None:
    console.sign_in("owner", f"#/{WORKSPACE}/providers")
    console.settle()
    error = {"id": "the-request", "status": "503", "title": "Service unavailable", "detail": "The database is away."}
    refuse(console, 503, {"errors": [error]}, 3, **{"retry-after": "0"})
    console.show("connectors")
    for words in ("Service unavailable", "The database is away.", "the-request"):
        expect(console.problem()).to_contain_text(words)
    console.page.get_by_role("button", name="Try again").click()
    expect(console.page.get_by_role("row", name="Payments")).to_be_visible()


def test_an_answer_that_breaks_off_is_told_and_can_be_tried_again(console: Console) -> None:
    console.sign_in("owner", f"#/{WORKSPACE}/providers")
    console.settle()
    console.page.route("**/v1/workspace-connectors?*", lambda route: route.fulfill(body='{"data": ['), times=1)
    console.show("connectors")
    expect(console.problem().first).to_contain_text("The answer broke off")
    console.page.get_by_role("button", name="Try again").first.click()
    expect(console.page.get_by_role("row", name="Payments")).to_be_visible()


def test_what_is_waited_for_is_said(console: Console) -> None:
    console.sign_in("owner", f"#/{WORKSPACE}/providers")
    console.settle()
    held: list[Route] = []
    console.page.route("**/v1/workspace-connectors?*", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    console.page.evaluate("fragment => { location.hash = fragment }", f"#/{WORKSPACE}/connectors")
    waiting = console.page.get_by_role("status")
    expect(waiting).to_contain_text("Waiting for the API: the connectors of Verdier Foods.")
    expect(waiting.locator("p")).not_to_have_class("quiet unseen")
    for route in held:
        route.continue_()
    expect(console.page.get_by_role("row", name="Payments")).to_be_visible()


def test_three_hundred_connectors_come_by_pages(console: Console) -> None:
    def page_of(route: Route) -> None:
        begin = int(route.request.url.partition("from=")[2] or 0)
        rows = [
            {
                "type": "workspace_connector",
                "id": demo_id("workspace_connector", "a", 1000 + number),
                "attributes": {"status": "active", "created_at": "2026-05-10T08:14:22.000Z"},
                "relationships": {},
            }
            for number in range(begin, begin + 100)
        ]
        url = "/v1/workspace-connectors?from="
        further = f"{url}{begin + 100}" if begin < 200 else None
        route.fulfill(json={"data": rows, "links": {"next": further}})

    console.sign_in("owner", f"#/{WORKSPACE}/providers")
    console.settle()
    console.page.route("**/v1/workspace-connectors?*", page_of)
    console.show("connectors")
    more = console.page.get_by_role("button", name="Load more")
    for count in (200, 300):
        more.click()
        expect(console.page.locator("tbody tr")).to_have_count(count)
    expect(more).to_have_count(0)


# ---- for a person to look at ----------------------------------------------------------------------------------------
def test_pictures_are_made_for_a_person_to_look_at(stack: StackProcess, open_page: Callable[..., Watched]) -> None:
    """They go to `.local/artefacts/console`; `make pictures` has them written into docs/console."""
    folder = ROOT / (os.environ.get("PICTURES") or ".local/artefacts/console")
    folder.mkdir(parents=True, exist_ok=True)
    for scheme, names in PICTURES.items():
        console = Console(open_page(color_scheme=scheme), stack.facts["api_url"])
        console.sign_in("owner")
        for name, (view, width, height) in names.items():
            console.page.set_viewport_size({"width": width, "height": height})
            console.show(VIEWS[view][0])
            expect(console.problem()).to_have_count(0)
            console.page.screenshot(path=folder / f"{name}.png")
            assert (folder / f"{name}.png").stat().st_size < LARGEST_PICTURE_BYTES
        assert console.watched.errors == []
