"""A page costs what a page holds: the plan walks an index in order, however the planner misjudges a tenant.

The planner knows how many rows a connector has on average, and not that this tenant's has a hundred times as many.
No time is asserted: the number of ledger rows that Postgres touched is.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from tests.support.api import get, person
from tests.support.databases import FreshDatabase
from tests.support.plans import asked, cheap, explain, plan_of
from tests.support.tenants import Tenant, tenant
from tests.support.world import World

COMPANIES = "/v1/company-workspace-connectors"
LEDGER = "company_workspace_connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
ROWS = 30_000


@pytest.fixture(scope="module")
def giant(module_database: FreshDatabase) -> Tenant:
    """Make a tenant with a connector of 30,000 rows among 1,500 connectors of a single row, and let Postgres know."""
    world = World(module_database)
    ours = tenant(world, "company")
    records = world.companies(ours.workspace, 1000)
    times = [NOON + timedelta(seconds=number // 20) for number in range(ROWS)]
    world.provenances([records[number % 1000] for number in range(ROWS)], ours.connector, created_at=times)
    small = world.workspace()
    tool = "(SELECT min(pk) FROM core_api.connectors)"
    world.fill("core_api.workspace_connectors", 1500, workspace_pk=small.pk, connector_pk=tool)
    world.fill(
        f"core_api.{LEDGER}",
        f"core_api.workspace_connectors WHERE workspace_pk = {small.pk}",
        company_pk=ours.record.pk,
        workspace_connector_pk="pk",
        direction="'input'",
    )
    world.analyze("core_api.companies", "core_api.workspace_connectors", f"core_api.{LEDGER}")
    return ours


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_a_page_touches_what_it_shows_at_any_depth(module_database: FreshDatabase, giant: Tenant, sort: str) -> None:
    url = f"{COMPANIES}?sort={sort}"
    assert len(cheap(module_database, url, giant.caller, LEDGER)["data"]) == 20
    middle = quote((NOON + timedelta(seconds=ROWS // 40)).isoformat())
    operator = "gte" if sort == "created_at" else "lte"
    cursor = get(f"{url}&filter[created_at][{operator}]={middle}", giant.caller).data[-1]["meta"]["page"]["cursor"]
    for parameter in ("page[after]", "page[before]"):
        document = cheap(module_database, f"{url}&{parameter}={cursor}", giant.caller, LEDGER)
        assert len(document["data"]) == 20
        assert document["links"]["prev"]
        assert document["links"]["next"]


def reads(plan: dict[str, Any]) -> int:
    """Return how many reads of the ledger a plan ran."""
    own = plan.get("Relation Name") == LEDGER and plan["Actual Loops"] > 0
    return own + sum(reads(child) for child in plan.get("Plans", []))


def test_a_page_looks_behind_its_cursor_where_that_row_has_gone(module_database: FreshDatabase, giant: Tenant) -> None:
    first = get(COMPANIES, giant.caller)
    after = first.document["links"]["next"]

    def read() -> tuple[list[UUID], int]:
        reply, sent = asked(module_database, after, giant.caller)
        assert reply.document["links"]["prev"]
        (page,) = (each for each in sent if "behind" in each[0])
        return reply.ids, reads(plan_of(module_database, page, giant.caller))

    ids, before = read()
    module_database.owner.exec_driver_sql(
        f"UPDATE core_api.{LEDGER} SET deleted_at = now() WHERE id = %s", (first.ids[-1],)
    )
    module_database.commit()
    assert read() == (ids, before + 1)


def test_a_page_of_one_record_is_cheap(module_database: FreshDatabase, world: World, giant: Tenant) -> None:
    often = world.company(giant.workspace)
    world.provenances([often] * 3000, giant.connector)
    world.analyze(f"core_api.{LEDGER}")
    document = cheap(module_database, f"{COMPANIES}?filter[company]={often.id}", giant.caller, LEDGER)
    assert len(document["data"]) == 20


def test_a_row_is_found_by_its_id(module_database: FreshDatabase, giant: Tenant) -> None:
    rows, _ = explain(module_database, f"{COMPANIES}/{giant.provenance.id}", giant.caller, LEDGER)
    assert rows == 1


def test_members_of_many_pay_for_their_connectors(module_database: FreshDatabase, world: World, giant: Tenant) -> None:
    everywhere = world.people(giant.workspace)
    for workspace in (giant.workspace, *(world.workspace() for _ in range(30))):
        world.member(everywhere, workspace)
        world.workspace_connector(workspace)
    assert len(cheap(module_database, COMPANIES, person(everywhere), LEDGER)["data"]) == 20


def test_a_name_is_found_by_an_index(module_database: FreshDatabase, world: World, giant: Tenant) -> None:
    world.companies(giant.workspace, 20_000)
    found = [world.company(giant.workspace, f"Ärger {number}") for number in range(3)]
    world.analyze("core_api.companies")
    for query, rows in (
        ("filter[name][starts]=%C3%A4RG", 3),
        ("filter[name]=%C3%84rger%201", 1),
        ("sort=name", 20),
        ("sort=-updated_at", 20),
        ("sort=created_at", 20),
    ):
        document = cheap(module_database, f"/v1/companies?{query}", giant.caller, "companies")
        assert len(document["data"]) == rows, query
    shown = get("/v1/companies?filter[name][starts]=%C3%A4rg", giant.caller)
    assert shown.ids == [row.id for row in found]
