"""An answer shows one state of the world, however many statements it takes and whatever is written meanwhile."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

import pytest
from sqlalchemy import text

from tests.support.api import Reply, get
from tests.support.databases import FreshDatabase, Statements
from tests.support.tenants import Tenant
from tests.support.world import World

COMPANIES = "/v1/company-workspace-connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
RENAME = text("UPDATE core_api.companies SET name = 'Renamed' WHERE pk = :pk")
# Somebody waits for a lock; of others in this cluster, too.
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'core_api.connectors'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
TOMBSTONE = text("UPDATE core_api.company_workspace_connectors SET deleted_at = now() WHERE pk = :pk")


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


def held_back(database: FreshDatabase, change: Callable[[], object], ask: Callable[[], Reply]) -> Reply:
    """Have something asked that waits, behind its first statement, for what is changed meanwhile.

    All its statements are sent together. Only what includes connectors' connectors reads that table, which is locked.
    """
    owner = database.owner
    owner.exec_driver_sql("LOCK TABLE core_api.connectors IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(ask)
        try:
            while not owner.exec_driver_sql(WAITING).scalar_one() and not answered.done():
                time.sleep(0.01)
        finally:
            change()
            database.commit()
        return answered.result()


def test_a_page_what_it_includes_and_its_total_are_of_one_time(
    fresh_database: FreshDatabase, ours: Tenant, change: Callable[[], None]
) -> None:
    url = f"{COMPANIES}?include=company,workspace_connector.connector&page[total]=true"
    before = get(url, ours.caller).document
    assert any(item["type"] == "connector" for item in before["included"])
    during = held_back(fresh_database, change, lambda: get(url, ours.caller)).document
    assert (during["data"], during["included"], during["meta"]) == (before["data"], before["included"], before["meta"])
    after = get(url, ours.caller).document
    assert (len(after["data"]), after["meta"]["page"]["total"]) == (2, 2)
    assert "Renamed" in {item["attributes"].get("name") for item in after["included"]}


def test_a_row_and_what_it_includes_are_of_one_time(
    fresh_database: FreshDatabase, ours: Tenant, change: Callable[[], None]
) -> None:
    url = f"{COMPANIES}/{ours.provenance.id}?include=company,workspace_connector.connector"
    before = get(url, ours.caller)
    during = held_back(fresh_database, change, lambda: get(url, ours.caller))
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
