"""The fleet in the console: what who sees all workspaces opens on, in a real browser beside the demo."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from local.example_ids import demo_id
from tests.browser.conftest import MOST_SHIFT, Console, Watched, violations
from tests.browser.lively import wait_until
from tests.local.stack_process import StackProcess
from tests.support.stack import running

pytestmark = pytest.mark.outside

LOGISTICS = demo_id("workspace", "b")
WIDTHS = (1440, 768, 375)
CONNECTORS = "Connectors of all workspaces"
COUNTED_SECONDS = 120.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """The demo, once all of it is counted, as it is each minute."""
    with running(tmp_path_factory.mktemp("fleet")) as started:
        wait_until(lambda: any(one["number"] for one in fleet_of(started)["connectors"]), COUNTED_SECONDS)
        yield started


def fleet_of(stack: StackProcess) -> dict[str, Any]:
    found: dict[str, Any] = stack.get("/v1/fleet", "operator").json["data"]["attributes"]
    return found


def answer_with(console: Console, **changed: object) -> None:
    """Let the API say this of the fleet, and the rest as it is."""

    def answer(route: Route) -> None:
        document = route.fetch().json()
        document["data"]["attributes"] |= changed
        route.fulfill(json=document)

    console.page.route("**/v1/fleet", answer)


def row(console: Console, table: str, name: str) -> Locator:
    return console.page.get_by_role("table", name=table).get_by_role("row", name=name)


def tool(name: str, **healths: int) -> dict[str, object]:
    nothing = dict.fromkeys(("disconnected", "failing", "consent_expired", "late", "consent_expires", "new", "ok"), 0)
    of_tool = {"connector": demo_id("connector", "0", len(name)), "name": name, "number": sum(healths.values())}
    return of_tool | nothing | healths


@pytest.mark.parametrize("name", ["operator", "pipeline"])
def test_who_sees_all_workspaces_opens_on_the_fleet(console: Console, stack: StackProcess, name: str) -> None:
    console.sign_in(name)
    expect(console.heading).to_have_text("Fleet")
    said = fleet_of(stack)
    numbers = {one["health"]: one["number"] for one in said["connectors"]}
    for words, health in (("Failing", "failing"), ("Late", "late"), ("Consent has ended", "consent_expired")):
        assert numbers[health]
        expect(row(console, "Connectors by health", words).get_by_role("link")).to_have_text(str(numbers[health]))
    for one in said["tools"]:
        expect(row(console, "Connectors by tool", one["name"]).get_by_role("cell").last).to_have_text(
            str(one["number"])
        )
    expect(console.page.get_by_role("table", name="Parked messages").locator("tbody tr")).to_have_count(
        len(said["parked"])
    )
    assert console.watched.errors == []


@pytest.mark.parametrize("name", ["owner", "outsider"])
def test_a_person_is_shown_their_own_and_the_fleet_is_not_asked_for(console: Console, name: str) -> None:
    console.sign_in(name)
    expect(console.heading).to_have_text("Workspaces" if name == "owner" else "Connectors")
    expect(console.page.get_by_role("link", name="Fleet")).to_have_count(0)
    # Where nothing is to do, nothing is said of it.
    expect(console.page.get_by_role("list", name="To do")).to_have_count(0)
    # What an operator sends them shows what is theirs.
    console.show("connectors?show=late", "all")
    rows = console.page.get_by_role("table", name=CONNECTORS).locator("tbody tr")
    expect(rows).to_have_count(int(name == "owner"))
    expect(console.problem()).to_have_count(0)
    assert [url for url in console.asked() if "fleet" in url] == []
    assert console.watched.errors == []


def test_no_view_of_all_workspaces_makes_more_than_seven_requests(console: Console) -> None:
    console.sign_in("operator")
    addresses = ["/", "/?q=alder", "/all/failures?reason=unknown_record", "/all/workspaces", "/all/feed"]
    for fragment in [*addresses, "/all/connectors", "/all/connectors?show=reconnect", f"/{LOGISTICS}/connectors"]:
        assert 1 < console.open(f"#{fragment}") <= 7, fragment


class Visitor:
    """An operator who has just come to the fleet: what they click is counted, and axe looks at each view."""

    def __init__(self, console: Console, axe: str) -> None:
        self.console, self.page, self.axe = console, console.page, axe
        self.clicks = 0
        console.sign_in("operator")
        expect(console.heading).to_have_text("Fleet")
        self.look()

    def click(self, link: Locator) -> None:
        """Click, and look at what it leads to."""
        link.click()
        self.clicks += 1
        self.look()

    def look(self) -> None:
        """Hold what is shown against what axe asks for, and against the window's width."""
        self.console.settle()
        expect(self.console.problem()).to_have_count(0)
        assert self.console.fits(), self.page.url
        assert violations(self.page, self.axe, "light") == []


def see_what_is_failing_anywhere(visitor: Visitor) -> None:
    visitor.click(row(visitor.console, "Connectors by health", "Failing").get_by_role("link"))
    expect(visitor.console.lead).to_contain_text("3 connectors are failing, of 2 workspaces: ")
    visitor.click(row(visitor.console, CONNECTORS, "Payroll").get_by_role("link", name="Payroll"))
    expect(visitor.console.heading).to_have_text("Payroll")
    expect(visitor.page.get_by_role("main")).to_contain_text("Needs attention: error.")


def see_what_is_parked_anywhere_by_reason(visitor: Visitor) -> None:
    parked = row(visitor.console, "Parked messages by reason", "It names a record that is not here yet.")
    # Since when.
    expect(parked.locator("time")).to_be_visible()
    visitor.click(parked.get_by_role("link"))
    expect(visitor.page.locator(".failure")).to_have_count(1)
    expect(visitor.page.locator(".failure")).to_contain_text("Mail of Verdier Logistics")
    expect(visitor.page.locator(".failure")).to_contain_text("It is applied by itself when the record arrives.")


def see_who_must_reconnect(visitor: Visitor) -> None:
    visitor.click(row(visitor.console, "Connectors by health", "Consent has ended").get_by_role("link"))
    table = visitor.page.get_by_role("table", name=CONNECTORS)
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(table.get_by_role("row", name="Payments")).to_contain_text("reconnect: its consent ended")
    expect(table.get_by_role("row", name="Mail")).to_contain_text("reconnect: its consent ends in")


def see_which_tool_is_down(visitor: Visitor) -> None:
    visitor.click(row(visitor.console, "Connectors by tool", "Mail").get_by_role("link", name="1", exact=True).nth(1))
    expect(visitor.console.lead).to_have_text("1 connector by Mail is late, of 1 workspace.")
    expect(visitor.page.get_by_label("Tool")).to_have_value(demo_id("connector", "0", 2))


def find_a_company_anywhere(visitor: Visitor) -> None:
    visitor.page.get_by_role("searchbox", name="Find a record or a workspace").fill("alder foods")
    found = visitor.page.get_by_role("table", name="What has a name that begins with").get_by_role("row")
    expect(found.filter(has_text="Northwind Studio")).to_have_count(1)
    visitor.look()
    visitor.click(found.filter(has_text="Northwind Studio").get_by_role("link"))
    expect(visitor.console.heading).to_have_text("Alder Foods")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "question",
    [
        see_what_is_failing_anywhere,
        see_what_is_parked_anywhere_by_reason,
        see_who_must_reconnect,
        see_which_tool_is_down,
        find_a_company_anywhere,
    ],
)
def test_each_question_of_an_operator_is_two_clicks_away(
    console: Console, axe: str, question: Callable[[Visitor], None], width: int
) -> None:
    console.page.set_viewport_size({"width": width, "height": 900})
    visitor = Visitor(console, axe)
    question(visitor)
    assert 1 <= visitor.clicks <= 2
    assert console.watched.errors == []


def test_a_workspace_is_found_by_its_name_too_and_going_back_finds_the_search_again(console: Console) -> None:
    console.sign_in("operator")
    field = console.page.get_by_role("searchbox", name="Find a record or a workspace")
    field.fill("verdier log")
    console.page.get_by_role("row", name="Verdier Logistics").get_by_role("link").click()
    expect(console.heading).to_have_text("Connectors")
    console.page.go_back()
    expect(field).to_have_value("verdier log")


def test_the_connectors_of_all_workspaces_keep_their_filters_in_the_address(console: Console) -> None:
    console.sign_in("operator", "connectors", "all")
    console.page.get_by_role("button", name="Late").click()
    console.page.get_by_label("Tool").select_option("CRM")
    expect(console.page.locator(".empty")).to_have_text("None by CRM is late now.")
    console.page.reload()
    console.settle()
    expect(console.page.get_by_role("button", name="Late")).to_have_attribute("aria-pressed", "true")
    expect(console.lead).to_have_text("No connector by CRM is late.")


def test_silence_of_all_is_one_sentence_and_nobodys_fault(console: Console) -> None:
    since = (datetime.now(UTC) - timedelta(hours=85)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    answer_with(console, is_silent=True, silent_since=since, tools=[tool("Mail", late=9, ok=1)])
    console.sign_in("operator")
    said = (
        "The whole platform fell silent 3 d ago: more than half of the connectors that were due have not come, "
        "which is no customer's fault."
    )
    expect(console.lead).to_have_text(said)
    # Neither a tool's.
    expect(console.page.get_by_role("main")).not_to_contain_text("stands out")
    console.show("connectors?show=late", "all")
    expect(console.page.get_by_role("main")).to_contain_text(said)


def test_a_tool_stands_out_where_most_of_its_connectors_fail_and_else_single_customers_do(console: Console) -> None:
    some = [tool("Google Mail", late=9, failing=3, ok=6, new=4), tool("Bank", failing=1, ok=9), tool("Rare", late=2)]
    answer_with(console, tools=some)
    console.sign_in("operator")
    main = console.page.get_by_role("main")
    expect(main).to_contain_text("A tool stands out: failing or late are 12 of 18 by Google Mail.")
    console.page.unroute_all()
    answer_with(console, tools=some[1:])
    console.open("#/")
    expect(main).to_contain_text("No tool stands out")


def test_before_anything_is_counted_it_says_so(console: Console) -> None:
    answer_with(console, as_of=None, tools=[], parked=[], runs_incomplete=0)
    console.sign_in("operator")
    expect(console.lead).to_have_text("Nothing has been counted yet; it is, each minute.")
    expect(console.page.get_by_role("main")).to_contain_text("No message of any workspace is parked.")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_workspace_begins_with_what_a_person_must_do_who_reconnects_first(
    stack: StackProcess, open_page: Callable[..., Watched], axe: str, width: int
) -> None:
    console = Console(open_page(), stack.facts["api_url"])
    console.page.set_viewport_size({"width": width, "height": 900})
    console.sign_in("owner", "connectors", LOGISTICS)
    tasks = console.page.get_by_role("list", name="To do").get_by_role("listitem")
    expect(tasks).to_have_count(5)
    told = tasks.all_inner_texts()
    assert told[0].startswith("Reconnect Payments: its consent ended ")
    assert told[1].startswith("Reconnect Mail: its consent ends in ")
    mended = sorted(told[2:4])
    assert mended[0] == "Look at Payroll: its status is “error”."
    assert mended[1].startswith("Look at what Mail could not bring: 2 messages are parked. ")
    assert told[4].startswith("Find out why Mail does not sync: it was expected ")
    # Before all else that the view says.
    order = console.page.evaluate("[...document.querySelectorAll('h1, .to-do, .lead, .filters')].map(e => e.className)")
    assert order == ["", "to-do", "lead", "filters"]
    expect(tasks.first).to_be_in_viewport()
    assert violations(console.page, axe, "light") == []
    assert console.fits()
    tasks.filter(has_text="could not bring").get_by_role("link").click()
    expect(console.heading).to_have_text("Failures")
    expect(console.page.locator(".failure").first).to_contain_text("Mail")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("fragment", ["/", "/all/connectors", f"/{LOGISTICS}/connectors"])
def test_little_moves_while_it_comes(console: Console, width: int, fragment: str) -> None:
    console.page.set_viewport_size({"width": width, "height": 900})
    console.count_shifts()
    console.sign_in("operator")
    console.open(f"#{fragment}")
    assert console.shifted() < MOST_SHIFT
