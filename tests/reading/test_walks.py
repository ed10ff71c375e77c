"""Contract, section 4: a walk shows every row that was live when it began once, whatever is written meanwhile."""

import random
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.support.api import get, walked
from tests.support.databases import FreshDatabase
from tests.support.tenants import Tenant
from tests.support.world import Row, World

COMPANIES = "/v1/company-workspace-connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
ROWS = 350


def many_rows(world: World, tenant: Tenant) -> list[UUID]:
    """Make hundreds of rows on 7 connectors, sharing times; return ids in the list's order."""
    chance = random.Random(7)
    connectors = [tenant.connector, *(world.workspace_connector(tenant.workspace) for _ in range(6))]
    companies = world.companies(tenant.workspace, 60)
    made: list[tuple[datetime, int, UUID]] = []
    for connector in connectors:
        count = ROWS // 7 + (connector is tenant.connector) * (ROWS % 7)
        times = [NOON + timedelta(seconds=chance.randrange(40)) for _ in range(count)]
        records = [chance.choice(companies) for _ in range(count)]
        rows = world.provenances(records, connector, created_at=times)
        made += [(at, row.pk, row.id) for at, row in zip(times, rows, strict=True)]
    # The tenant's own first row is of now, later than all of these.
    return [id_ for _, _, id_ in sorted(made)] + [tenant.provenance.id]


@pytest.fixture
def rows(world: World, ours: Tenant) -> list[UUID]:
    return many_rows(world, ours)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_forward_and_backward_both_equal_the_set(ours: Tenant, rows: list[UUID], size: int) -> None:
    if size == 1:
        # A page for each row would be hundreds of requests; a tenth of them shows the same.
        oldest = f"filter[created_at][lte]={(NOON + timedelta(seconds=3)).isoformat().replace('+', '%2B')}"
        few = set(walked(f"{COMPANIES}?{oldest}&page[size]=500", ours.caller))
        rows = [item for item in rows if item in few]
    else:
        oldest = ""
    query = f"{COMPANIES}?sort=created_at&page[size]={size}&{oldest}".rstrip("&")
    assert walked(query, ours.caller) == rows
    assert walked(query.replace("sort=created_at", "sort=-created_at"), ours.caller) == rows[::-1]


def test_prev_is_null_when_all_that_stood_before_is_gone(world: World, ours: Tenant) -> None:
    newer = world.provenance(ours.record, ours.connector, created_at=datetime(2100, 1, 1, tzinfo=UTC))
    following = get(f"{COMPANIES}?page[size]=1", ours.caller).document["links"]["next"]
    assert get(following, ours.caller).document["links"]["prev"] is not None
    world.tombstone(newer)
    reply = get(following, ours.caller)
    assert (reply.ids, reply.document["links"]["prev"]) == ([ours.provenance.id], None)


def test_a_cursor_survives_the_tombstone_of_its_row(world: World, ours: Tenant) -> None:
    rows = world.provenances(world.companies(ours.workspace, 4), ours.connector)
    first = get(f"{COMPANIES}?sort=created_at&page[size]=2", ours.caller)
    world.tombstone(Row("company_workspace_connector", rows[0].pk, first.ids[-1]))
    expected = get(f"{COMPANIES}?sort=created_at", ours.caller).ids
    following = get(first.document["links"]["next"], ours.caller).ids
    assert following == [id_ for id_ in expected if id_ not in first.ids][: len(following)]


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_while_rows_are_inserted_and_removed_nothing_is_missed_or_seen_twice(
    fresh_database: FreshDatabase, world: World, ours: Tenant, sort: str
) -> None:
    expected = set(many_rows(world, ours))
    stop = threading.Event()
    written: list[UUID] = []

    def write() -> None:
        """Insert rows of now and of the walked past, and tombstone them again, in sessions of their own."""
        chance = random.Random(11)
        with fresh_database.session() as session:
            while not stop.is_set():
                at = NOON + timedelta(seconds=chance.randrange(60))
                row = session.exec_driver_sql(
                    "INSERT INTO core_api.company_workspace_connectors"
                    " (company_pk, workspace_connector_pk, direction, created_at)"
                    " VALUES (%s, %s, 'input', %s) RETURNING id, pk",
                    (ours.record.pk, ours.connector.pk, at),
                ).one()
                session.commit()
                written.append(row[0])
                if chance.random() < 0.3:
                    session.exec_driver_sql(
                        "UPDATE core_api.company_workspace_connectors SET deleted_at = now() WHERE pk = %s", (row[1],)
                    )
                    session.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = walked(f"{COMPANIES}?sort={sort}&page[size]=10", ours.caller)
    finally:
        stop.set()
        writer.join()
    assert len(written) > 10
    assert len(seen) == len(set(seen))
    assert expected <= set(seen)
