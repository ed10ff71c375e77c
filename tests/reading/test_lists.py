"""Contract, section 4: what a list includes, what it costs, and what it shows whatever is written meanwhile."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import convert_paramstyle

from tests.golden.rendering import compiled
from tests.golden.shapes import golden
from tests.support.api import READER, Caller, Reply, get
from tests.support.databases import Database, FreshDatabase, Statements
from tests.support.plans import sent_for
from tests.support.tenants import Tenant
from tests.support.wire import Flushes
from tests.support.world import Row, World
from wellspring.resources import WORKSPACE_PROVIDER, resources
from wellspring.services.ledger import cursors

COMPANIES = "/v1/company-workspace-connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
CHOICES = WORKSPACE_PROVIDER.route


def test_a_read_is_one_round_trip_whatever_it_includes(
    fresh_database: FreshDatabase, ours: Tenant, statements: Statements, flushes: Flushes
) -> None:
    """All statements together (docs/adr/0041), and COMMIT with them (docs/adr/0046); a snapshot costs no statement."""
    assert sent_for(statements, COMPANIES, ours.caller)[0] == 1
    for query in (
        "",
        "include=company,workspace_connector",
        "include=company.workspace,workspace_connector.connector,workspace_connector.workspace,sync_message",
        "include=workspace_connector&fields[workspace_connector]=live_rows",
    ):
        for url in (
            f"{COMPANIES}?{query}",
            f"{COMPANIES}?page[total]=true&{query}".rstrip("&"),
            f"{COMPANIES}/{ours.provenance.id}?{query}",
        ):
            flushes.clear()
            reply = get(url, ours.caller)
            assert reply.status == 200, reply.document
            assert flushes.are(1), url
    flushes.clear()
    get(f"{COMPANIES}?include=company&filter[workspace]={ours.workspace.id}", ours.caller)
    # A claim is looked at before anything is read for it: time tells nothing of others' workspaces.
    assert flushes.are(2)


def test_the_first_read_of_a_process_is_one_round_trip_too(
    fresh_database: FreshDatabase, world: World, ours: Tenant, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys of cursors, which it does not know, are in it. On AWS a list and a retrieve are two functions."""
    monkeypatch.setattr("wellspring.services.ledger.including.share", lambda _rows: 1)
    group = world.group(ours.owner)
    world.group_member(ours.owner, group)
    for workspace in (ours.workspace, world.workspace()):
        world.enrol(group, workspace)
    get(f"{COMPANIES}/{ours.provenance.id}", ours.caller)  # an engine first asks what is planned
    for url in (
        COMPANIES,
        f"{COMPANIES}?include=company&page[total]=true",
        f"{COMPANIES}/{ours.provenance.id}",
        f"/v1/workspace-groups/{group.id}?include=workspaces",
    ):
        monkeypatch.setattr(cursors, "_known", [])
        for turn in ("first", "second"):
            flushes.clear()
            reply = get(url, ours.caller)
            assert (reply.status, flushes.are(1)) == (200, True), (url, turn, reply.document)
    # More than it shows, whose cursor was signed.
    assert "meta" in reply.data["relationships"]["workspaces"]


def test_an_id_may_be_in_capitals(ours: Tenant) -> None:
    assert get(f"{COMPANIES}/{str(ours.provenance.id).upper()}", ours.caller).status == 200


@pytest.mark.parametrize("gone", ["company", "workspace_connector"])
@pytest.mark.parametrize("name", ["company", "workspace_connector"])
def test_a_gone_parent_hides_live_rows_and_no_dead_ones(world: World, ours: Tenant, name: str, gone: str) -> None:
    """By the record all rows are read together; by the connector either half by itself."""
    dead = world.provenance(ours.record, ours.connector, created_at=NOON, deleted_at=NOON)
    parents = {"company": ours.record, "workspace_connector": ours.connector}
    url = f"{COMPANIES}?filter[deleted]=include&filter[{name}]={parents[name].id}"
    assert set(get(url, ours.caller).ids) == {dead.id, ours.provenance.id}
    world.tombstone(parents[gone])
    for caller in (ours.caller, READER):
        assert get(url, caller).ids == [dead.id]


def test_prev_is_null_when_all_that_stood_before_is_gone(world: World, ours: Tenant) -> None:
    newer = world.provenance(ours.record, ours.connector, created_at=datetime(2100, 1, 1, tzinfo=UTC))
    following = get(f"{COMPANIES}?page[size]=1", ours.caller).document["links"]["next"]
    assert get(following, ours.caller).document["links"]["prev"] is not None
    world.tombstone(newer)
    reply = get(following, ours.caller)
    assert (reply.ids, reply.document["links"]["prev"]) == ([ours.provenance.id], None)


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_while_rows_are_inserted_and_removed_nothing_is_missed_or_seen_twice(
    world: World, ours: Tenant, sort: str
) -> None:
    def write(second: int) -> Row:
        return world.provenance(ours.record, ours.connector, created_at=NOON + timedelta(seconds=second))

    # Several of one time, so that pages end among them.
    lasting, gone = [write(number // 4) for number in range(24)], [write(number) for number in range(6)]
    seen, following = list[UUID](), f"{COMPANIES}?sort={sort}&page[size]=5"
    while following:
        page = get(following, ours.caller)
        seen, following = [*seen, *page.ids], page.document["links"]["next"]
        # On both sides of the place, as long as there is something left to end.
        if gone:
            world.tombstone(gone.pop())
            for second in range(-1, 7):
                write(second)
    assert {row.id for row in lasting} <= set(seen)
    assert len(seen) == len(set(seen)) > len(lasting)


# Somebody waits for a lock; of others in this cluster, too.
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'core_api.connectors'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture
def change(fresh_database: FreshDatabase, world: World, ours: Tenant) -> Callable[[], None]:
    """Rename the company, end its row, and make another row."""

    def done() -> None:
        owner, ledger = fresh_database.owner, "core_api.company_workspace_connectors"
        owner.exec_driver_sql(f"UPDATE core_api.companies SET name = 'Renamed' WHERE pk = {ours.record.pk}")
        owner.exec_driver_sql(f"UPDATE {ledger} SET deleted_at = now() WHERE pk = {ours.provenance.pk}")
        # All at once: the builder of rows commits.
        world.provenances([ours.record] * 2, ours.connector)

    return done


def held_back(database: FreshDatabase, change: Callable[[], None], url: str, caller: Caller) -> Reply:
    """Ask for what waits, behind its first statement, for what is changed meanwhile.

    All its statements are sent together. Only what includes connectors' connectors reads that table, which is locked.
    """
    owner = database.owner
    owner.exec_driver_sql("LOCK TABLE core_api.connectors IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(get, url, caller)
        try:
            while not owner.exec_driver_sql(WAITING).scalar_one() and not answered.done():
                time.sleep(0.01)
        finally:
            change()
        return answered.result()


def test_a_page_is_of_one_time(fresh_database: FreshDatabase, ours: Tenant, change: Callable[[], None]) -> None:
    url = f"{COMPANIES}?include=company,workspace_connector.connector&page[total]=true"
    before = get(url, ours.caller).document
    assert any(item["type"] == "connector" for item in before["included"])
    during = held_back(fresh_database, change, url, ours.caller).document
    assert (during["data"], during["included"], during["meta"]) == (before["data"], before["included"], before["meta"])
    after = get(url, ours.caller).document
    assert (len(after["data"]), after["meta"]["page"]["total"]) == (2, 2)
    assert "Renamed" in {item["attributes"].get("name") for item in after["included"]}


def test_a_row_is_of_one_time(fresh_database: FreshDatabase, ours: Tenant, change: Callable[[], None]) -> None:
    url = f"{COMPANIES}/{ours.provenance.id}?include=company,workspace_connector.connector"
    before = get(url, ours.caller)
    during = held_back(fresh_database, change, url, ours.caller)
    assert (during.status, during.body) == (200, before.body)
    assert get(url, ours.caller).status == 404


# ---- drivers: the parent whose index has the rows together that the caller asks for ------------------------
def test_the_order_of_the_filters_makes_no_other_statement(world: World, statements: Statements) -> None:
    provider, workspace = world.provider("wanted"), world.workspace()
    filters = (f"filter[provider]={provider.id}", "filter[is_selected]=true", f"filter[workspace]={workspace.id}")
    get(CHOICES, READER)  # the first answer of a process also reads the cursor keys
    statements.clear()
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        get(f"{CHOICES}?{'&'.join(filters[place] for place in order)}", READER)
    claims, pages = set(list(statements)[::2]), set(list(statements)[1::2])
    assert (len(statements), len(claims), len(pages)) == (6, 1, 1)


def test_what_drives_has_its_index(database: Database) -> None:
    for resource in resources():
        for related in resource.relationships:
            # A message's rows are found by its connector and time; tests/reading/test_sync_messages.py has messages,
            # tests/reading/test_sync_runs.py runs, which have a time of their own.
            if related.drives and not related.is_trace and resource.attribute("created_at"):
                defined = database.owner.exec_driver_sql(
                    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'core_api' AND tablename = %s",
                    (resource.table,),
                ).scalars()
                assert any(f"({related.column}, created_at, pk)" in index for index in defined), related.name


def test_postgres_takes_every_golden_statement_as_it_is_sent(database: Database) -> None:
    for shape in golden():
        body, _ = convert_paramstyle("format", compiled(shape.question).text, ())
        database.owner.exec_driver_sql(f"PREPARE golden AS {body}")
        database.owner.exec_driver_sql("DEALLOCATE golden")
