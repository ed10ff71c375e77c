"""The console in a real browser, on a running stack in which something happens."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, Route, expect

from local import large_data
from local.example_ids import demo_id
from local.settings import ROOT
from tests.browser.conftest import MOST_SHIFT, Console, Scheme, Watched, violations
from tests.browser.lively import CRM, MARKUP, MARKUP_NAME, PAYMENTS, WORKSPACE, enliven, wait_until
from tests.local.stack_process import StackProcess
from tests.support.feed import upserted
from tests.support.stack import running
from wellspring.jsonapi.query import MAX_FILTER_IDS

pytestmark = pytest.mark.outside

COMPANY = demo_id("company", "a", 1)
# Its first row of Mail has ended.
ENDED = demo_id("company", "a", 41)
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
# Where `make pictures` wants them: then the stack holds the large demo.
PICTURES = os.environ.get("PICTURES")
LEEDS, MALMO = (large_data.id_of("workspace", number) for number in (3, 6))
# Each picture: its address, and how large the window is.
SHOWN: dict[Scheme, dict[str, tuple[str, int, int]]] = {
    "light": {
        "workspaces": ("/", 1180, 650),
        "connectors": (f"/{LEEDS}/connectors", 1180, 600),
        "connector": (f"/{LEEDS}/connectors/{large_data.id_of('workspace_connector', 3, 9)}", 1180, 780),
        "failures": (f"/{LEEDS}/failures", 1180, 740),
        "record": (f"/{MALMO}/records/company/{large_data.id_of('company', 6, 1)}", 1180, 536),
        "phone": (f"/{MALMO}/records/company/{large_data.id_of('company', 6, 1)}", 360, 740),
    },
    "dark": {"flow": (f"/{LEEDS}/flow?days=90", 1180, 560)},
}
if not PICTURES:
    SHOWN = {
        "light": {"connectors": (f"/{WORKSPACE}/connectors", 1180, 520)},
        "dark": {"record": (f"/{WORKSPACE}/records/company/{COMPANY}", 360, 740)},
    }
LARGEST_PICTURE_BYTES = 150_000
NOT_THERE = {"status": "404", "title": "Not found", "detail": "There is no such thing."}


def tell_what_is_parked(stack: StackProcess) -> None:
    """Have another source tell of two companies, move two to another workspace, and wait until all are parked."""
    told = [("/well/crm-sync", number, WORKSPACE) for number in (11, 12)]
    told += [("/well/demo", number, demo_id("workspace", "b")) for number in (13, 14)]
    for source, number, workspace in told:
        event = upserted("company", demo_id("company", "a", number), 9, source=source, workspace_id=workspace)
        stack.sqs(stack.facts["feed_queue_url"], "SendMessage", MessageBody=json.dumps(event))
    parked = "/v1/feed-events?filter[outcome]=parked"
    wait_until(lambda: len(stack.get(parked, "pipeline").json["data"]) >= len(told))


def fill_large(stack: StackProcess) -> None:
    """Fill the stack with the large demo."""
    command = [sys.executable, "-m", "local", "demo", "large"]
    subprocess.run(command, cwd=ROOT, env=stack.environment | {"PYTHONPATH": "layers/shared"}, check=True)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """A stack in which something happens."""
    with running(tmp_path_factory.mktemp("console")) as started:
        if PICTURES:
            fill_large(started)
        else:
            enliven(started)
        yield started


@pytest.fixture
def elsewhere(console: Console) -> Console:
    """An owner who looks at another view than the connectors."""
    console.sign_in("owner", "providers")
    return console


def resource(type_: str, id_: str, of: Mapping[str, str] | None = None, **attributes: Any) -> dict[str, Any]:
    """Return a resource as the API would; `of` are its relationships, each to one of the type of its name."""
    relationships = {name: {"data": {"type": name, "id": of_id}} for name, of_id in (of or {}).items()}
    return {"type": type_, "id": id_, "attributes": attributes, "relationships": relationships}


def answer_by_pages(console: Console, pattern: str, url: str, rows: Sequence[Any], of_page: int) -> None:
    """Let the API answer with rows, so many on a page; `url` is that of the list, to which a place is added."""

    def answer(route: Route) -> None:
        begin = int(route.request.url.partition("from=")[2] or 0)
        end = begin + of_page
        further = f"{url}from={end}" if end < len(rows) else None
        route.fulfill(json={"data": rows[begin:end], "links": {"next": further}})

    console.page.route(pattern, answer)


# ---- each view, for each caller -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["owner", "member", "guest", "pipeline"])
def test_every_view_is_there_and_asks_this_origin_only(console: Console, name: str) -> None:
    console.sign_in(name)
    for fragment, heading in VIEWS.values():
        console.show(fragment)
        expect(console.heading).to_have_text(heading)
        expect(console.problem()).to_have_count(0)
        if fragment != "groups" or name == "owner":
            expect(console.lead.or_(console.page.locator(".empty")).first).to_be_visible()
    expect(console.page.get_by_role("link", name="Fleet")).to_have_count(int(name == "pipeline"))
    assert console.watched.errors == []
    assert {
        request.url.partition("/v1/")[0].partition("/console")[0].partition("/issuer")[0]
        for request in console.watched.requested
        if not request.url.startswith("data:")
    } == {console.url}


def test_no_view_makes_more_than_seven_requests_when_it_is_the_first(console: Console, stack: StackProcess) -> None:
    console.sign_in("owner")
    fragments = [f"#/{WORKSPACE}/{fragment}" for fragment, _ in VIEWS.values()] + [
        f"#/{WORKSPACE}/groups/{stack.group()}"
    ]
    # A part of a name is looked for in each of two workspaces, of each of three types.
    most = {"#/?q=alder": 2 + 2 * 3}
    for fragment in ["#/", "#/?q=al", *most, *fragments]:
        assert 1 < console.open(fragment) <= most.get(fragment, 7), fragment


def test_an_outsider_sees_their_own_workspace_and_learns_nothing_of_others(
    console: Console, stack: StackProcess
) -> None:
    console.sign_in("outsider")
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
    # They are told who they are, and may be another.
    console.show("connectors")
    expect(console.page.get_by_text("You are signed in as")).to_be_visible()
    console.page.get_by_role("button", name="Sign in as somebody else").click()
    expect(console.heading).to_have_text("You are signed out")


# ---- what is said is so ---------------------------------------------------------------------------------------------
OTHER_WORKSPACE = demo_id("workspace", "b")


class Condition(NamedTuple):
    """A connector: the days since its last sync, and the days ago on which it did something."""

    name: str
    since: float
    days: Sequence[int]
    reasons: Sequence[str] = ()
    parked: int = 0


CONDITIONS = (
    # It has synced since something was parked.
    Condition("Nightly", 0.1, range(30), parked=1),
    Condition("Weekly", 5, (5, 12, 19, 26)),
    Condition("Stopped", 5, range(5, 30), ["late"]),
    Condition("Let go", 20, range(20, 30), ["disconnected", "failing", "consent_expired", "late"], parked=2),
    Condition("Failing", 0.2, range(30), ["failing"], parked=2),
)


def answer_with_conditions(page: Page) -> None:
    """Let the API answer with connectors of each condition; the other workspace has none that fails."""
    now = datetime.now(UTC)
    told = [
        (of, demo_id("workspace_connector", letter, 3000 + number), each)
        for of, letter, some in ((WORKSPACE, "a", CONDITIONS), (OTHER_WORKSPACE, "b", CONDITIONS[:-1]))
        for number, each in enumerate(some)
    ]

    def connectors(route: Route) -> None:
        url = route.request.url
        rows = [
            resource(
                "workspace_connector",
                id_,
                {"workspace": of, "connector": each.name},
                status="active",
                health=each.reasons[0] if each.reasons else "ok",
                health_reasons=[{"code": code, "at": now.isoformat()} for code in each.reasons],
                created_at=(now - timedelta(days=60)).isoformat(),
                last_synced_at=(now - timedelta(days=each.since)).isoformat(),
                last_failed_at=None,
                parked_messages=each.parked,
                live_rows=100,
            )
            for of, id_, each in told
            if "filter" not in url or of in url
        ]
        names = [resource("connector", each.name, name=each.name, direction="input") for each in CONDITIONS]
        route.fulfill(json={"data": rows, "included": names, "links": {"next": None}})

    def activity(route: Route) -> None:
        rows = [
            resource(
                "connector_activity",
                f"{id_}:{day}",
                {"workspace_connector": id_},
                date=(now - timedelta(days=day)).date().isoformat(),
                linked={"company": {"input": 5 + day}},
                ended={},
            )
            for _, id_, each in told
            for day in each.days
            if id_ in route.request.url
        ]
        route.fulfill(json={"data": rows, "links": {"next": None}})

    page.route("**/v1/workspace-connectors?*", connectors)
    page.route("**/v1/connector-activity?*", activity)


def test_all_is_well_only_where_no_connector_is_late(console: Console) -> None:
    answer_with_conditions(console.page)
    console.sign_in("owner")
    expect(console.lead).to_have_text("1 of 2 workspaces needs attention: Verdier Foods. 1 more has late connectors.")
    other = console.page.get_by_role("row", name="Verdier Logistics")
    expect(other).to_contain_text("1 connector late")
    expect(other).not_to_contain_text("all well")
    # Each view says the same of the same connectors.
    console.show("connectors", OTHER_WORKSPACE)
    expect(console.lead).to_have_text(
        "None of 4 connectors of Verdier Logistics needs attention; 1 is late and 1 is disconnected."
    )


def test_what_failed_what_is_late_and_what_is_disconnected_are_told_apart(console: Console) -> None:
    answer_with_conditions(console.page)
    console.sign_in("owner", "connectors")
    styles = "element => [getComputedStyle(element).color, element.querySelector('svg').innerHTML]"
    seen = {
        words: console.page.get_by_role("row", name=name).get_by_text(words, exact=True).evaluate(styles)
        for name, words in (("Failing", "2 parked"), ("Stopped", "late"), ("Let go", "disconnected"))
    }
    colours, signs = (list(each) for each in zip(*seen.values(), strict=True))
    assert len(set(signs)) == len(set(colours)) == 3
    own = """name => {
        const element = document.body.appendChild(document.createElement("i"));
        element.style.color = `var(${name})`;
        return getComputedStyle(element).color;
    }"""
    assert colours == [console.page.evaluate(own, name) for name in ("--attention", "--text", "--quiet")]
    expect(console.page.get_by_role("row", name="Weekly")).to_contain_text("active")
    # What matters most stands first, and what is no fault last.
    expect(console.page.locator("tbody th")).to_have_text(["Failing", "Stopped", "Nightly", "Weekly", "Let go"])
    console.page.get_by_role("button", name="Late", exact=True).click()
    expect(console.page.locator("tbody th")).to_have_text(["Stopped"])


def test_what_only_carries_out_is_the_source_of_nothing(console: Console) -> None:
    console.sign_in("owner", f"connectors/{CRM}")
    expect(console.page.get_by_text("CRM brings no record in, so none would lose a source.")).to_be_visible()
    expect(console.page.get_by_role("main")).not_to_contain_text("another source")


def test_what_is_anothers_and_what_is_unknown_read_the_same_to_a_person(console: Console) -> None:
    promise = "It is applied by itself when the record arrives."
    unknown, foreign = (
        console.page.locator(".failure", has_text=name, has_not_text="too_many_endings") for name in ("Payments", "CRM")
    )
    console.sign_in("owner", "failures")
    words = [group.locator("p > b").first.inner_text() for group in (unknown, foreign)]
    assert words[0] == words[1]
    assert words[0].startswith("If the record is still to come, the message is applied by itself then. If not,")
    expect(console.page.get_by_role("main")).not_to_contain_text(promise)
    console.page.context.clear_cookies()
    console.sign_in("pipeline", "failures")
    expect(unknown).to_contain_text(promise)
    expect(foreign).to_contain_text("The record belongs to another workspace.")
    expect(foreign).not_to_contain_text(promise)


def test_few_letters_find_how_a_name_begins_and_say_so(console: Console) -> None:
    console.sign_in("owner", "records")
    field = console.page.get_by_role("searchbox", name="Find by name")
    console.page.keyboard.press("/")
    expect(field).to_be_focused()
    console.page.keyboard.press("/")
    # Within the field it is a character.
    expect(field).to_have_value("/")
    field.fill("al")
    expect(console.lead).to_have_text("Records of Verdier Foods whose names begin with “al”.")
    expect(console.page.get_by_role("link", name="Alder Trading")).to_be_visible()
    # Where it came from stands beside it.
    row = console.page.get_by_role("row").filter(has_text="Alder Trading")
    expect(row.get_by_role("link", name="Payments")).to_be_visible()
    # "Alder" has it, but does not begin with it.
    field.fill("ld")
    expect(console.lead).to_have_text("No records of Verdier Foods have names that begin with “ld”.")
    expect(console.page.get_by_text("Write 3 letters or more to find a part of a name.")).to_be_visible()
    field.fill("lder")
    expect(console.lead).to_have_text("Records of Verdier Foods whose names contain “lder”.")
    console.tab_to(console.page.get_by_role("link", name="Alder Trading"))
    console.page.keyboard.press("Enter")
    # What was chosen is read first, and what was typed is there when one goes back.
    expect(console.heading).to_have_text("Alder Trading")
    expect(console.heading).to_be_focused()
    console.page.go_back()
    expect(field).to_have_value("lder")
    # Two characters, though four units of UTF-16.
    field.fill("😀😀")
    expect(console.lead).to_have_text("No records of Verdier Foods have names that begin with “😀😀”.")
    expect(console.problem()).to_have_count(0)


def test_what_a_message_linked_is_shown_with_it(console: Console) -> None:
    console.sign_in("owner", f"connectors/{PAYMENTS}")
    with console.page.expect_response("**/v1/people-workspace-connectors?*") as of_people:
        console.page.get_by_role("button", name="Show the records of this message").first.click()
    expect(console.page.get_by_role("table", name="Messages of").get_by_role("link").first).to_be_visible()
    # People are of no workspace.
    assert of_people.value.ok


@pytest.mark.parametrize("name", VIEWS)
def test_tables_are_tables_on_a_tablet_and_little_moves_while_slow_answers_come(console: Console, name: str) -> None:
    console.sign_in("owner")
    console.page.set_viewport_size({"width": 768, "height": 1024})
    console.count_shifts()
    console.page.add_init_script(
        """const [ask, slow] = [fetch, [150, 600, 300]];
        window.fetch = (...asked) => new Promise(go => setTimeout(go, slow[0])).then(() => ask(...asked));
        setInterval(() => slow.push(slow.shift()), 70);"""
    )
    console.open(f"#/{WORKSPACE}/{VIEWS[name][0]}")
    assert console.shifted() <= MOST_SHIFT
    for table in console.page.locator("table").all():
        assert table.evaluate("element => getComputedStyle(element).display") == "table"
    assert console.fits()


# ---- what one comes for, in clicks ----------------------------------------------------------------------------------
def test_where_a_company_came_from_is_one_search_away(console: Console) -> None:
    console.sign_in("owner")
    expect(console.heading).to_have_text("Workspaces")
    console.page.keyboard.press("Control+k")
    expect(console.page.get_by_role("searchbox", name="Find a record of any workspace")).to_be_focused()
    console.page.keyboard.type("lder trad")
    expect(console.lead).to_have_text("Records whose names contain “lder trad”, of all your workspaces:")
    # The first click.
    console.page.get_by_role("row", name="Verdier Foods").get_by_role("link", name="Alder Trading", exact=True).click()
    expect(console.lead).to_have_text(
        re.compile(r"^First seen \d+ \w+ \d{4} from \w+; last seen \d+ h ago from (Payments|Mail); sent to .*CRM.*\.$")
    )


def test_why_a_sync_failed_is_one_click_away(console: Console) -> None:
    console.sign_in("owner")
    expect(console.lead).to_have_text(re.compile(r"^\d of 2 workspaces needs? attention: .*Verdier Foods"))
    row = console.page.get_by_role("row", name="Verdier Foods")
    expect(row).to_contain_text("messages parked")
    # The first click.
    row.get_by_role("link", name=re.compile(r"^\d$")).click()
    group = console.page.locator(".failure", has_text="Payments")
    expect(group.get_by_text("It names a record that is not in this workspace.")).to_be_in_viewport()
    expect(
        group.get_by_text("If the record is still to come, the message is applied by itself then.")
    ).to_be_in_viewport()


def test_what_disconnecting_would_lose_is_two_clicks_away(console: Console) -> None:
    console.sign_in("owner")
    # The first click, and the second.
    console.page.get_by_role("row", name="Verdier Foods").get_by_role("link", name="Verdier Foods").click()
    expect(console.lead).to_have_text(re.compile(r"^\d of 5 connectors of Verdier Foods needs? attention\.$"))
    row = console.page.get_by_role("row", name="Payments")
    expect(row).to_contain_text("3 parked")
    expect(row).to_contain_text("It names a record that is not in this workspace.")
    row.get_by_role("link", name="Payments").click()
    expect(console.page.get_by_text(re.compile(r"In 30 days it brought [\d,]+ rows in\."))).to_be_visible()
    expect(console.page.get_by_text("live rows would end.")).to_be_in_viewport()
    expect(console.page.get_by_text("Payments is the only source.")).to_be_in_viewport()


def test_a_chart_is_a_table_too(console: Console) -> None:
    console.sign_in("owner")
    for view in (f"records/company/{COMPANY}", f"connectors/{PAYMENTS}", "flow"):
        console.show(view)
        button = console.page.get_by_role("button", name="Show as a table")
        chart = console.page.locator("figure svg")
        assert "the table says the same" in (chart.first.get_attribute("aria-label") or "")
        button.click()
        expect(console.page.locator(".twin tbody tr").first).to_be_visible()


def test_each_time_names_the_message_that_linked_it_and_the_one_that_ended_it(console: Console) -> None:
    console.sign_in("owner", f"records/company/{ENDED}")
    table = console.page.get_by_role("table", name="Each time, the newest first")
    expect(table.get_by_role("row", name=re.compile("Payments .* Sync night-"))).not_to_have_count(0)
    ended = table.get_by_role("row", name=re.compile("Mail .* by Invalidation tidied"))
    expect(ended.first).to_be_visible()
    # What came over HTTP, or long ago, has no message.
    assert table.get_by_role("button", name="Copy the id of the message").count() >= ended.count()


def test_a_history_is_printed_whole_and_in_light_colours(
    stack: StackProcess, open_page: Callable[..., Watched]
) -> None:
    console = Console(open_page(color_scheme="dark", reduced_motion="reduce"), stack.facts["api_url"])
    console.sign_in("owner", f"records/company/{COMPANY}")
    still = "getComputedStyle(document.querySelector('button')).transitionDuration"
    assert console.page.evaluate(still) == "0s"
    console.page.emulate_media(media="print")
    expect(console.page.get_by_role("navigation")).to_have_count(0)
    # A sheet is narrower than the window in which rows become blocks; an instant is not told from now.
    console.page.set_viewport_size({"width": 718, "height": 1000})
    expect(console.page.get_by_role("columnheader", name="Connector")).to_be_visible()
    after = "getComputedStyle(document.querySelector('tbody time'), '::after').content"
    assert re.search(r"\d{4}-\d\d-\d\dT", console.page.evaluate(after))
    expect(console.page.get_by_role("button")).to_have_count(0)
    expect(console.page.get_by_role("img", name="the table says the same")).to_be_visible()
    rows = "document.querySelector('.long').scrollHeight <= document.querySelector('.long').clientHeight"
    assert console.page.evaluate(rows)
    colours = "[getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.body).color]"
    assert console.page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]


def test_every_view_is_reached_and_used_by_keyboard_alone(console: Console) -> None:
    console.sign_in("owner")
    keyboard = console.page.keyboard
    console.tab_to(console.page.get_by_role("row", name="Verdier Foods").get_by_role("link", name="Verdier Foods"))
    keyboard.press("Enter")
    main = console.page.get_by_role("main")
    steps = (
        ("Connectors", main.get_by_role("link", name="Payments", exact=True), "Payments"),
        ("Failures", main.get_by_role("link", name="Payments", exact=True), "Payments"),
        ("Records", main.get_by_role("button", name="Companies", exact=True), "Records"),
        ("Providers", main.get_by_role("button", name="Chosen here"), "Providers"),
        ("Groups", main.get_by_role("link", name="Verdier Group"), "Verdier Group"),
        ("Flow", main.get_by_role("button", name="Show as a table"), "Flow"),
    )
    for view, inside, heading in steps:
        console.tab_to(console.page.get_by_role("navigation", name="Views").get_by_role("link", name=view))
        keyboard.press("Enter")
        expect(console.heading).to_have_text(view)
        console.settle()
        console.tab_to(inside)
        # Where the focus is can be seen.
        assert inside.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
        keyboard.press("Enter")
        expect(console.heading).to_have_text(heading)
        console.settle()


# ---- what is written ----------------------------------------------------------------------------------------------
def test_a_provider_is_selected_and_removed_and_a_guest_only_reads(console: Console) -> None:
    console.sign_in("member", "providers?q=Stripe")
    row = console.page.get_by_role("row", name="Stripe")
    row.get_by_role("button", name="Select Stripe").click()
    expect(row).to_contain_text("selected")
    row.get_by_role("button", name="Remove Stripe").click()
    expect(row).to_contain_text("it can be selected again")
    row.get_by_role("button", name="No", exact=True).click()
    expect(row).to_contain_text("selected")
    row.get_by_role("button", name="Remove Stripe").click()
    row.get_by_role("button", name="Remove Stripe").click()
    expect(row.get_by_role("button", name="Select Stripe")).to_be_visible()
    console.change_to("guest")
    expect(console.page.get_by_text("As a guest you read this.")).to_be_visible()
    expect(console.page.get_by_role("button", name="Select Stripe")).to_have_count(0)


@pytest.mark.parametrize("view", ["providers", "groups", "failures"])
def test_who_did_what_is_shown_to_who_keeps_the_workspace(console: Console, view: str) -> None:
    console.sign_in("owner", "providers?q=Sosh")
    choose = console.page.get_by_role("row", name="Sosh").get_by_role("button", name="Select Sosh")
    if choose.count():
        choose.click()
        expect(choose).to_have_count(0)
    console.show(view)
    console.page.get_by_role("button", name="Show what was done").click()
    done = console.page.get_by_role("table", name="Who did what").get_by_role("row")
    expect(done.filter(has_text="Claire").first).to_contain_text(re.compile("Claire Verdier *made"))
    console.change_to("guest")
    console.page.get_by_role("button", name="Show what was done").click()
    expect(console.problem()).to_contain_text("You may not do or see this")


def test_a_group_is_made_filled_emptied_and_deleted(console: Console) -> None:
    console.sign_in("owner", "groups")
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
    console.sign_in("pipeline", "failures")
    group = console.page.locator(".failure", has_text="Payments")
    group.get_by_role("button", name="Release all of them").click()
    expect(group.get_by_text("3 messages would be tried")).to_be_visible()
    group.get_by_role("button", name="Release", exact=True).first.click()
    expect(group.get_by_text("0 released, 3 still parked")).to_be_visible()
    other = console.page.locator(".failure", has_text="CRM", has_not_text="too_many_endings")
    expect(other).to_contain_text("tenant_mismatch")
    other.get_by_role("button", name="Dismiss").click()
    other.get_by_label("Why it is dismissed, which cannot be undone").fill("Sent anew by its producer")
    other.get_by_role("button", name="Dismiss it").click()
    expect(other).to_have_count(0)
    console.change_to("owner")
    # That of Payments, and the snapshot that the CRM's is held for.
    expect(console.page.locator(".failure")).to_have_count(2)
    expect(console.page.get_by_role("button", name="Release")).to_have_count(0)


def test_a_service_sees_the_feed_and_releases_and_dismisses_and_a_person_does_not(
    console: Console, stack: StackProcess
) -> None:
    tell_what_is_parked(stack)
    console.sign_in("pipeline", "workspaces", "all")
    console.page.get_by_role("searchbox", name="Find a workspace").fill("verdier l")
    console.settle()
    expect(console.page.get_by_role("table", name="Workspaces").locator("tbody tr")).to_have_count(1)
    console.page.get_by_role("navigation", name="Views").get_by_role("link", name="Feed").click()
    console.settle()
    expect(console.lead).to_contain_text("4 events are parked")
    # What is another source's stays so: it is closed, or left alone.
    hopeless = console.page.locator(".failure", has_text="/well/crm-sync")
    expect(hopeless).to_contain_text("The resource belongs to another source.")
    expect(hopeless.get_by_role("button", name="Dismiss")).to_have_count(2)
    expect(hopeless.get_by_role("button", name=re.compile("Release"))).to_have_count(0)
    group = console.page.locator(".failure", has_text="It would move a resource to another workspace.")
    group.get_by_role("button", name="Release all of them").click()
    expect(group.get_by_text("2 events would be tried")).to_be_visible()
    group.locator(".acts").first.get_by_role("button", name="Release", exact=True).click()
    expect(group.get_by_text("0 released, 2 still parked")).to_be_visible()
    first = group.get_by_role("listitem").first
    first.get_by_role("button", name="Release", exact=True).click()
    expect(first).to_contain_text("Tried, and still parked.")
    first.get_by_role("button", name="Dismiss").click()
    first.get_by_label("Why it is dismissed, which cannot be undone").fill("It stays where it is")
    first.get_by_role("button", name="Dismiss it").click()
    expect(console.lead).to_contain_text("3 events are parked")
    expect(group.get_by_role("listitem")).to_have_count(1)
    console.page.get_by_role("button", name="Waiting").click()
    expect(console.page.get_by_text("No event waits.")).to_be_visible()
    expect(console.page.get_by_role("table", name="Sources").get_by_role("row", name="/well/demo")).not_to_have_count(0)

    console.change_to("owner")
    expect(console.problem()).to_contain_text("Only services and operators see the platform's feed.")
    expect(console.page.get_by_role("link", name="Feed")).to_have_count(0)


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
    fragments = [f"/{WORKSPACE}/{fragment}" for fragment, _ in VIEWS.values()]
    for fragment in ["/", "/?q=alder", *fragments, f"/{WORKSPACE}/groups/{stack.group()}", "/all/feed"]:
        if "feed" in fragment:
            # A person is refused, and a service sees it.
            console.page.context.clear_cookies()
            console.sign_in("pipeline")
        console.page.set_viewport_size({"width": 1280, "height": 900})
        console.page.evaluate("fragment => { location.hash = fragment }", fragment)
        console.settle()
        for button in console.page.get_by_role("button", name="Show as a table").all():
            button.click()
        found += [f"{fragment}: {each}" for each in violations(console.page, axe, scheme)]
        for width in (320, 2560):
            console.page.set_viewport_size({"width": width, "height": 900})
            assert console.fits(), (fragment, width)
    assert found == []


def test_names_are_text_and_never_markup(console: Console) -> None:
    console.sign_in("owner", "records?q=%3Cimg")
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
        console.sign_in("owner")
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
    console.sign_in("owner", "providers?show=own")
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


def test_401_in_the_middle_keeps_the_view_and_signs_in_again(elsewhere: Console) -> None:
    refuse(elsewhere, 401, {"message": "Unauthorized"}, 1)
    elsewhere.show("connectors")
    expect(elsewhere.page.get_by_text("Your sign-in has ended.").first).to_be_visible()
    elsewhere.page.get_by_role("button", name="Sign in again").first.click()
    expect(elsewhere.page.get_by_role("row", name="Payments")).to_be_visible()
    assert elsewhere.page.url.endswith("/connectors")


def test_429_is_waited_for(elsewhere: Console) -> None:
    asked = refuse(elsewhere, 429, {"message": "Too Many Requests"}, 2)
    elsewhere.show("connectors")
    expect(elsewhere.page.get_by_role("row", name="Payments")).to_be_visible()
    assert len(asked) == 3


@pytest.mark.parametrize("breaks_off", [False, True])
def test_503_is_told_in_the_apis_words_and_an_answer_that_breaks_off_too_and_both_can_be_tried_again(
    elsewhere: Console, *, breaks_off: bool
) -> None:
    words = ["The answer broke off"] if breaks_off else ["Service unavailable", "The database is away.", "the-request"]
    if breaks_off:
        elsewhere.page.route("**/v1/workspace-connectors?*", lambda route: route.fulfill(body='{"data": ['), times=1)
    else:
        error = dict(zip(("title", "detail", "id"), words, strict=True)) | {"status": "503"}
        refuse(elsewhere, 503, {"errors": [error]}, 3, **{"retry-after": "0"})
    elsewhere.show("connectors")
    for each in words:
        expect(elsewhere.problem().first).to_contain_text(each)
    elsewhere.page.get_by_role("button", name="Try again").first.click()
    expect(elsewhere.page.get_by_role("row", name="Payments")).to_be_visible()


def test_what_is_waited_for_is_said(elsewhere: Console) -> None:
    held: list[Route] = []
    elsewhere.page.route("**/v1/workspace-connectors?*", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    elsewhere.page.evaluate("fragment => { location.hash = fragment }", f"#/{WORKSPACE}/connectors")
    waiting = elsewhere.page.get_by_role("status")
    expect(waiting).to_contain_text("Waiting for the API: the connectors of Verdier Foods.")
    expect(waiting.locator("p")).not_to_have_class("quiet unseen")
    for route in held:
        route.continue_()
    expect(elsewhere.page.get_by_role("row", name="Payments")).to_be_visible()


def test_a_hundred_connectors_come_by_pages(elsewhere: Console) -> None:
    ids = (demo_id("workspace_connector", "a", 1000 + number) for number in range(100))
    rows = [resource("workspace_connector", id_, status="active", health_reasons=[]) for id_ in ids]
    answer_by_pages(elsewhere, "**/v1/workspace-connectors?*", "/v1/workspace-connectors?", rows, 50)
    elsewhere.show("connectors")
    expect(elsewhere.page.locator("tbody tr")).to_have_count(50)
    more = elsewhere.page.get_by_role("button", name="Load more")
    more.click()
    expect(elsewhere.page.locator("tbody tr")).to_have_count(100)
    expect(more).to_have_count(0)


def test_a_service_finds_more_workspaces_than_a_filter_takes_and_sees_the_connectors_of_all(console: Console) -> None:
    def connectors_of(route: Route) -> None:
        (ids,) = parse_qs(urlsplit(route.request.url).query)["filter[workspace]"]
        many.append(ids.count(",") + 1)
        route.fulfill(json={"data": [], "links": {"next": None}})

    many = list[int]()
    console.sign_in("pipeline", "workspaces", "all")
    url = "/v1/workspaces?filter%5Bname%5D%5Bstarts%5D="
    ids = (demo_id("workspace", "a", 1000 + number) for number in range(150))
    found = [resource("workspace", id_, name=f"Found {number:03}") for number, id_ in enumerate(ids)]
    answer_by_pages(console, f"**{url}*", f"{url}Found&", found, 50)
    console.page.route("**/v1/workspace-connectors?filter%5Bworkspace%5D=*", connectors_of)
    console.page.get_by_role("searchbox", name="Find a workspace").fill("Found")
    rows = console.page.get_by_role("table", name="Workspaces").locator("tbody tr")
    expect(rows).to_have_count(50)
    more = console.page.get_by_role("button", name="Load more")
    for count in (100, 150):
        more.click()
        expect(rows).to_have_count(count)
    # Of each page once: all of them together are more ids than a filter takes.
    assert many == [50, 50, 50]
    assert sum(many) > MAX_FILTER_IDS


def test_ten_thousand_points_are_drawn_in_slices(console: Console) -> None:
    connectors = [demo_id("workspace_connector", "a", 2000 + number) for number in range(300)]
    since, pages, of_page = datetime(2025, 1, 1, tzinfo=UTC), 20, 500

    def row(number: int) -> dict[str, Any]:
        at = (since + timedelta(hours=number * 0.87)).isoformat().replace("+00:00", "Z")
        of = {"workspace_connector": connectors[number * 7 % 300]}
        said: dict[str, Any] = {"direction": "input", "created_at": at, "deleted_at": at if number % 3 == 0 else None}
        return resource("company_workspace_connector", demo_id("message", "a", number), of, **said)

    console.sign_in("owner", "records")
    url = "/v1/company-workspace-connectors?"
    answer_by_pages(console, f"**{url}*", url, [row(number) for number in range(pages * of_page)], of_page)
    console.page.route(
        "**/v1/companies/*/sources?*", lambda route: route.fulfill(status=404, json={"errors": [NOT_THERE]})
    )
    console.page.evaluate(
        """() => {
            window.drawn = [];
            new MutationObserver(changes => {
                const added = changes.flatMap(change => [...change.addedNodes]).filter(node => node.matches);
                const points = node => node.matches(".point") + node.querySelectorAll(".point").length;
                drawn.push(added.reduce((sum, node) => sum + points(node), 0));
            }).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    console.show(f"records/company/{COMPANY}")
    more = console.page.get_by_role("button", name="Load more times")
    for page in range(1, pages):
        more.click()
        expect(more.or_(console.page.get_by_text("No more")).first).to_have_count(int(page < pages - 1))
    marks = console.page.locator("figure svg .point")
    # One for each row at most, for each connector's name, and for the key.
    wait_until(lambda: marks.count() > 8000)
    assert marks.count() <= 10_303
    # In one task: a slice, and the connector with which it is full.
    drawn = console.page.evaluate("drawn")
    assert max(drawn) <= 600
    assert sum(drawn) >= 8000
    expect(console.page.get_by_role("table", name="Each time").locator("tbody tr")).to_have_count(100)


# ---- for a person to look at ----------------------------------------------------------------------------------------
def test_pictures_are_made_for_a_person_to_look_at(stack: StackProcess, open_page: Callable[..., Watched]) -> None:
    """They go to `.local/artefacts/console`; `make pictures` has them made from the large demo, into docs/console."""
    folder = ROOT / (PICTURES or ".local/artefacts/console")
    folder.mkdir(parents=True, exist_ok=True)
    for scheme, names in SHOWN.items():
        console = Console(open_page(color_scheme=scheme), stack.facts["api_url"])
        console.sign_in("owner")
        for name, (fragment, width, height) in names.items():
            console.page.set_viewport_size({"width": width, "height": height})
            console.page.evaluate("fragment => { location.hash = fragment }", fragment)
            console.settle()
            expect(console.problem()).to_have_count(0)
            console.page.screenshot(path=folder / f"{name}.png")
            assert (folder / f"{name}.png").stat().st_size < LARGEST_PICTURE_BYTES, name
        assert console.watched.errors == []
