"""Runs in the console: whether a sync came whole, and what its snapshot would end, in a real browser."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import expect

from local.demo_data import message
from local.example_ids import demo_id
from tests.browser.conftest import Watched
from tests.browser.lively import CRM, PAYMENTS, WORKSPACE, wait_until
from tests.local.stack_process import StackProcess
from tests.support.queue import completed

pytestmark = pytest.mark.outside


def send(stack: StackProcess) -> None:
    """Send a run that is whole, and one that misses a message; the demo has one whose snapshot would end all."""
    brought = message(str(uuid4()), PAYMENTS, "input", [{"type": "company", "id": demo_id("company", "a", 1)}])
    sent = [
        brought | {"run": "monday"},
        completed(UUID(PAYMENTS), "monday", brought["id"]),
        completed(UUID(PAYMENTS), "tuesday", str(uuid4())),
    ]
    for body in sent:
        stack.send(body)

    def made() -> bool:
        runs = stack.get("/v1/sync-runs", "pipeline").json["data"]
        return {"monday", "tuesday"} <= {run["attributes"]["run"] for run in runs}

    wait_until(made)


def test_a_connector_shows_its_runs_and_a_snapshot_is_released_by_who_has_read_its_number(
    stack: StackProcess, open_page: Callable[..., Watched]
) -> None:
    send(stack)
    watched = open_page()
    page = watched.page
    page.goto(f"{stack.facts['api_url']}/console#/{WORKSPACE}/connectors/{PAYMENTS}")
    page.get_by_role("link", name="pipeline", exact=True).click()
    runs = page.get_by_role("table", name="Runs of Payments")
    expect(runs.get_by_role("row", name="monday")).to_contain_text("whole")
    missing = runs.get_by_role("row", name="tuesday")
    expect(missing).to_contain_text("not whole")
    expect(missing).to_contain_text("misses messages")
    if folder := os.environ.get("PICTURES"):
        runs.scroll_into_view_if_needed()
        page.screenshot(path=Path(folder) / "runs.png")

    page.goto(f"{stack.facts['api_url']}/console#/{WORKSPACE}/failures?connector={CRM}")
    group = page.locator(".failure", has_text="too_many_endings")
    expect(group).to_contain_text(re.compile(r"This sync would remove \d+ of \d+ companies\."))
    group.get_by_role("button", name="Release", exact=True).click()
    expect(group).to_contain_text(re.compile(r"This ends \d+ of \d+ companies\."))
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / "too-many-endings.png")
    group.get_by_role("button", name="Leave it").click()
    assert stack.get("/v1/sync-runs?filter[state]=incomplete", "pipeline").json["data"][0]["attributes"]["run"]
    group.get_by_role("button", name="Release", exact=True).click()
    group.get_by_role("button", name="Release it all the same").click()
    expect(group).to_have_count(0)
    assert watched.errors == []
