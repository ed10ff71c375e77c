"""An answer shows one state of the world, however many statements it takes and whatever is written meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import event, text

from tests.reading.conftest import Tenant
from tests.support.api import get
from tests.support.databases import FreshDatabase, Statements
from tests.support.world import World

COMPANIES = "/v1/company-workspace-connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
RENAME = text("UPDATE core_api.companies SET name = 'Renamed' WHERE pk = :pk")
TOMBSTONE = text("UPDATE core_api.company_workspace_connectors SET deleted_at = now() WHERE pk = :pk")


def after_first(database: FreshDatabase, deed: Callable[[], object]) -> list[str]:
    """Have something done when the first statement that reads the ledger has been answered; return what was seen."""
    seen: list[str] = []

    @event.listens_for(database.engine("wellspring_reader"), "after_cursor_execute")
    def interrupt(*call: Any) -> None:
        statement: str = call[2]
        if "company_workspace_connectors" in statement:
            seen.append(statement)
            if len(seen) == 1:
                deed()

    return seen


@pytest.fixture
def change(fresh_database: FreshDatabase, world: World, ours: Tenant) -> Callable[[], None]:
    """Rename the company, end its row, and make another row."""
    fresh_database.commit()

    def done() -> None:
        fresh_database.owner.execute(RENAME, {"pk": ours.record.pk})
        fresh_database.owner.execute(TOMBSTONE, {"pk": ours.provenance.pk})
        world.provenances([ours.record] * 2, ours.connector)
        fresh_database.commit()

    return done


def test_a_page_what_it_includes_and_its_total_are_of_one_time(
    fresh_database: FreshDatabase, ours: Tenant, change: Callable[[], None]
) -> None:
    url = f"{COMPANIES}?include=company&page[total]=true"
    before = get(url, ours.caller).document
    seen = after_first(fresh_database, change)
    during = get(url, ours.caller).document
    assert len(seen) == 2
    assert (during["data"], during["included"], during["meta"]) == (before["data"], before["included"], before["meta"])
    after = get(url, ours.caller).document
    assert (len(after["data"]), after["meta"]["page"]["total"]) == (2, 2)
    assert after["included"][0]["attributes"]["name"] == "Renamed"


def test_a_row_and_what_it_includes_are_of_one_time(
    fresh_database: FreshDatabase, ours: Tenant, change: Callable[[], None]
) -> None:
    url = f"{COMPANIES}/{ours.provenance.id}?include=company"
    before = get(url, ours.caller)
    after_first(fresh_database, change)
    during = get(url, ours.caller)
    assert (during.status, during.body) == (200, before.body)
    assert get(url, ours.caller).status == 404


def test_a_walk_goes_on_from_a_row_that_ended_since(
    fresh_database: FreshDatabase, world: World, ours: Tenant, change: Callable[[], None]
) -> None:
    world.provenances([ours.record] * 2, ours.connector, created_at=[NOON, NOON])
    fresh_database.commit()
    cursor = get(COMPANIES, ours.caller).data[0]["meta"]["page"]["cursor"]
    change()
    assert len(get(f"{COMPANIES}?page[after]={quote(cursor)}", ours.caller).data) == 2


def test_a_snapshot_costs_no_statement(fresh_database: FreshDatabase, ours: Tenant, statements: Statements) -> None:
    fresh_database.commit()
    get(COMPANIES, ours.caller)
    statements.clear()
    ask = partial(get, COMPANIES, ours.caller)
    assert ask().status == 200
    assert len(statements) == 1
