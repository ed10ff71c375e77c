"""Endings by the feed: rows of records and connectors, choices of providers; and the races about them."""

import pytest

from tests.feed.conftest import Tables
from tests.support import events
from tests.support.databases import CONSUMER, FEEDER, FreshDatabase, Statements
from tests.support.feed import apply, deleted, statuses, upserted
from tests.support.world import Row, World
from tests.sync.conftest import Tenant
from wellspring.database.retry import Deadline
from wellspring.services.feed import endings
from wellspring.services.feed.endings import Swept

pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements are over at once here; the tests wait for none."""
    monkeypatch.setattr(endings, "QUIET_SECONDS", 0.0)


def sweep(tables: Tables) -> Swept:
    database = tables.database
    database.role = CONSUMER
    try:
        return endings.sweep(Deadline(30))
    finally:
        database.role = FEEDER


def live(tables: Tables, ledger: str = "company_workspace_connectors") -> int:
    return int(tables.one(f"SELECT count(*) FROM core_api.{ledger} WHERE deleted_at IS NULL")[0])


def open_endings(tables: Tables) -> int:
    return int(tables.value("SELECT count(*) FROM wellspring.endings WHERE done_at IS NULL"))


@pytest.fixture
def pair(world: World, ours: Tenant) -> list[Row]:
    """Two companies with rows of both directions on our connector."""
    for company in ours.companies[:2]:
        world.provenances([company] * 5, ours.connector)
        world.provenances([company] * 2, ours.connector, "output")
    return ours.companies[:2]


def test_a_deleted_connector_ends_all_its_rows_in_chunks(
    tables: Tables, ours: Tenant, pair: list[Row], statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.world.provenances(ours.peoples, ours.connector)
    ours.world.provenances([pair[0]], ours.other_connector)
    monkeypatch.setattr(endings, "CHUNK", 4)
    tool = ours.world.connector("Told")
    apply(upserted("workspace_connector", ours.connector, 1, workspace_id=ours.workspace, connector_id=tool))
    apply(deleted("workspace_connector", ours.connector))
    statements.clear()
    assert sweep(tables) == Swept(rows=16, done=0, is_all=True)
    # Contract, section 5: whoever writes rows of a connector locks it first.
    assert "lock_connectors" in next(
        each for each in statements if "_connectors" in each and "SELECT ended" not in each
    )
    assert live(tables) == 1
    assert live(tables, "people_workspace_connectors") == 0


def test_a_deleted_provider_ends_its_choices(tables: Tables, world: World) -> None:
    provider, other = world.provider("qonto"), world.provider("other")
    for _ in range(3):
        workspace = world.workspace()
        world.choose(workspace, provider, is_selected=True, is_matched=True)
        world.choose(workspace, other, is_selected=True, is_matched=True)
    apply(deleted("provider", provider))
    assert sweep(tables).rows == 3
    rows = tables.sql("SELECT provider_pk, is_selected, deleted_at IS NULL FROM core_api.workspace_providers")
    assert {tuple(row) for row in rows} == {(provider.pk, False, False), (other.pk, True, True)}


def test_settling_ends_what_records_connectors_and_providers_have_with_the_role_of_the_template(
    tables: Tables, world: World, ours: Tenant, pair: list[Row]
) -> None:
    provider = world.provider("qonto")
    world.choose(ours.workspace, provider, is_selected=True, is_matched=True)
    other = ours.other_connector
    world.provenances([pair[1]], other)
    assert (
        statuses(deleted("company", pair[0]), deleted("provider", provider), deleted("workspace_connector", other))
        == ["applied"] * 3
    )
    assert events.replay("maintenance_settle")["sweep"] == {"rows": 9, "done": 0, "is_all": True}
    assert live(tables) == 7
    assert live(tables, "workspace_providers") == 0
    for _ in range(3):
        events.replay("maintenance_settle")
    assert open_endings(tables) == 0
    assert tables.sql("SELECT * FROM wellspring.recount(0, 1000000, false)") == []


def test_a_deleted_workspace_ends_nothing_and_hides_all(tables: Tables, ours: Tenant, pair: list[Row]) -> None:
    apply(deleted("workspace", ours.workspace))
    assert sweep(tables) == Swept(0, 0, is_all=True)
    assert live(tables) == 14


def test_a_row_of_a_sync_that_saw_the_record_live_and_commits_after_the_sweep_is_ended_too(
    fresh_database: FreshDatabase, tables: Tables, world: World, ours: Tenant, pair: list[Row]
) -> None:
    other = ours.other_connector
    with fresh_database.session() as sync:
        # As the consumer does: it has looked, and its row is not committed yet. It has its connector to itself.
        sync.exec_driver_sql(
            "INSERT INTO core_api.company_workspace_connectors (company_pk, workspace_connector_pk, direction)"
            " VALUES (%s, %s, 'input')",
            (pair[0].pk, other.pk),
        )
        apply(deleted("company", pair[0]))
        for _ in range(4):
            sweep(tables)
        assert open_endings(tables) == 1
        sync.commit()
    assert live(tables) == 8
    assert sweep(tables).rows == 1
    assert live(tables) == 7
    sweep(tables)
    assert open_endings(tables) == 0


def test_a_connector_that_is_being_written_is_left_to_the_next_sweep(
    fresh_database: FreshDatabase,
    tables: Tables,
    world: World,
    ours: Tenant,
    pair: list[Row],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wellspring.repositories.feed.endings.LOCK_MILLISECONDS", 50)
    free = ours.companies[2]
    ours.world.provenances([free] * 3, ours.other_connector)
    apply(deleted("company", pair[0]))
    apply(deleted("company", free))
    with fresh_database.session() as sync:
        sync.exec_driver_sql("SELECT wellspring.lock_connectors(ARRAY[%s]::bigint[], NULL)", (ours.connector.pk,))
        # It holds up nobody else's.
        swept = sweep(tables)
        assert (swept.rows, swept.is_all) == (3, False)
        sync.rollback()
    assert sweep(tables).rows == 7


def test_what_ended_stays_ended_when_the_record_is_revived_and_later_rows_live(
    tables: Tables, world: World, ours: Tenant, pair: list[Row]
) -> None:
    apply(deleted("company", pair[0], 2))
    apply(upserted("company", pair[0], 3, workspace_id=ours.workspace))
    world.provenances([pair[0]], ours.connector)
    assert sweep(tables).rows == 7
    assert live(tables) == 8
    for _ in range(3):
        sweep(tables)
    assert open_endings(tables) == 0
    assert live(tables) == 8


def test_the_first_row_of_a_revived_record_lives(tables: Tables, world: World) -> None:
    workspace = world.workspace()
    link, company = world.workspace_connector(workspace), world.company(workspace)
    apply(deleted("company", company, 2))
    apply(upserted("company", company, 3, workspace_id=workspace))
    world.provenances([company], link)
    sweep(tables)
    assert live(tables) == 1
