"""docs/tasks.md: each row is typed by a test (tests/local/test_stack.py), or has one of its own."""

import re

import pytest

from local.settings import ROOT, Settings
from tests.local.tasks import CHECKS, ELSEWHERE, PAGE, ROWS
from tests.support.named_tests import is_there


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
