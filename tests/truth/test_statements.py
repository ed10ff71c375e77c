"""Statements of the pages, held against what they speak of: those that were false once, plots, and docs/tasks.md.

Each row of docs/tasks.md is typed by a test (tests/local/test_stack.py), or has one of its own.
"""

import re

import pytest

from bench import plots
from bench.__main__ import GROUPS
from local import demo_data
from local.settings import ROOT, Settings
from local.sign_in import PRINCIPAL_WORDS
from local.template import Template
from tests.local.tasks import CHECKS, ELSEWHERE, PAGE, ROWS
from tests.truth.test_named_tests import is_there
from wellspring import reasons
from wellspring.queries import OF_NAMES
from wellspring.resources import HEALTH, MESSAGE_TYPES
from wellspring.routes import routes

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
STATIC = ROOT / "layers/console/wellspring_console/static"
REASONS = (STATIC / "reasons.js").read_text()
PAPER = (ROOT / "docs" / "performance.md").read_text()
TABLES = (ROOT / "docs" / "performance" / "tables.md").read_text()


def words_of(table: str, module: str = REASONS) -> set[str]:
    """Return what a table of a module of the console has words for."""
    found = re.search(rf"^(?:export )?const {table} = {{$(.*?)^}};$", module, re.MULTILINE | re.DOTALL)
    assert found
    return set(re.findall(r'^  "?([\w.]+)"?: ', found[1], re.MULTILINE))


def test_the_console_has_words_for_each_type_of_message() -> None:
    """Those for reasons are written from `wellspring.reasons`: tests/truth/test_generated.py."""
    assert words_of("KINDS") == set(MESSAGE_TYPES)


def test_whoever_is_told_to_send_a_message_again_is_told_that_a_correction_needs_a_new_id() -> None:
    """SQS swallows the old one; the feed's queue swallows nothing."""
    again = {
        reason.code: reason.advice
        for reason in reasons.MESSAGES
        if re.search(r"\bsend\b|\bnew id\b", reason.advice, re.IGNORECASE)
    }
    assert {"malformed", "tenant_mismatch", "wrong_group", "reused_id", "overtaken", "expired"} <= again.keys()
    assert [reason for reason, advice in again.items() if "new id" not in advice] == []
    guide = " ".join((ROOT / "docs/messages.md").read_text().split())
    assert "A correction needs a new id" in guide
    assert "within five minutes" in guide


def test_the_console_has_words_for_each_health_and_shows_each() -> None:
    module = (STATIC / "health.js").read_text()
    assert words_of("HEALTH", module) == set(HEALTH)
    shown = [health for some in re.findall(r"healths: \[([^\]]+)\]", module) for health in re.findall(r'"(\w+)"', some)]
    assert sorted(shown) == sorted(HEALTH)


def test_every_page_that_tells_how_long_the_audit_is_kept_names_the_setting() -> None:
    days = Template().document["Parameters"]["AuditDays"]["Default"]
    lines = [line for page in PAGES for line in page.read_text().splitlines()]
    rows = [line for line in lines if line.startswith("| the audit of writes")]
    assert len(rows) >= 2
    assert [row for row in rows if f"| `AuditDays` ({days}) |" not in row] == []


@pytest.mark.parametrize("path", [route.path for route in routes() if route.open_to_all])
def test_what_is_open_is_named_where_strangers_are_spoken_of(path: str) -> None:
    stranger = (ROOT / "SECURITY.md").read_text().partition("**A stranger.**")[2].partition("\n- **")[0]
    assert f"`{path}`" in stranger


def test_the_readme_says_how_lists_are_sorted_and_searched_by_name() -> None:
    lists = (ROOT / "README.md").read_text().partition("\n**Lists**")[2].partition("\n\n")[0]
    forms = {"named": "filter[name]=", "starts": "filter[name][starts]=", "contains": "filter[name][contains]="}
    assert forms.keys() == set(OF_NAMES)
    assert [form for form in (*forms.values(), "sort=name") if f"`{form}`" not in lists] == []


def test_who_signs_in_to_the_demo_is_told_what_they_are_there() -> None:
    rows = demo_data.rows()
    names = {row["id"]: row["name"] for row in rows["workspaces"]}
    for name, words in PRINCIPAL_WORDS.items():
        person = demo_data.PRINCIPALS[name].get("sub")
        mine = [row for row in rows["workspace_memberships"] if row["people"] == person]
        assert [row for row in mine if f"{row['role']} of {names[row['workspace']]}" not in words] == []
        assert len(re.findall(r"\b(?:owner|admin|member|guest) of (?!the )", words)) == len(mine)


# ---- docs/performance.md, and the tables behind it -------------------------------------------------------
@pytest.mark.parametrize("name", [name for names, _ in GROUPS for name in names])
def test_every_measurement_is_in_the_tables(name: str) -> None:
    # An N stands for a number.
    patterns = [re.sub(r"(?<=_)N\b", "[0-9]+", said) for said in re.findall(r"`([a-zN0-9_]+)`", TABLES)]
    assert any(re.fullmatch(pattern, name) for pattern in patterns)


def test_the_page_leads_to_the_tables() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", said.lower()).replace(" ", "-")
        for said in re.findall(r"^#+ (.+)$", TABLES, re.MULTILINE)
    }
    led_to = set(re.findall(r"\(performance/tables\.md#([a-z0-9-]+)\)", PAPER))
    assert {"what-is-measured", "results"} <= led_to <= headings


def test_every_plot_is_in_the_paper() -> None:
    drawn = sorted(path.name for path in (ROOT / plots.FOLDER).glob("*.svg"))
    assert drawn
    for name in drawn:
        assert f"({plots.FOLDER.name}/{name})" in PAPER


# ---- docs/tasks.md ---------------------------------------------------------------------------------------
def test_every_row_of_the_page_is_typed_by_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| task", "| ---"))]
    assert len(ROWS) == len(rows)
    # What is checked by nothing but its status is seen in the row after it.
    unseen = {task for task, typed in ROWS.items() if typed.startswith(("send ", "say DELETE"))}
    assert CHECKS.keys() | ELSEWHERE.keys() | unseen == ROWS.keys()
    assert all(is_there(name) for name in ELSEWHERE.values())


def test_a_client_is_generated_by_the_command_of_its_own_page() -> None:
    page = re.sub(r" \\\n\s+", " ", (ROOT / "docs/clients.md").read_text())
    assert all(ROWS[task] in page for task in ROWS if task.startswith("A client in"))


@pytest.mark.parametrize("task", ["See a 429", "Let a page of another origin call"])
def test_what_a_row_has_one_set_for_a_stack_is_a_setting_of_it(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assignment, *command = ROWS[task].split()
    name, _, value = assignment.partition("=")
    assert command == ["make", "run"]
    before = Settings()
    monkeypatch.setenv(name, value)
    now = Settings()
    assert (now.throttle_rate, now.cors_origins) != (before.throttle_rate, before.cors_origins)
