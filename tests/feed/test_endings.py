"""Endings by the feed, and the races about them; and settling behind a batch, by both consumers: it fails no batch."""

import json
from uuid import uuid4

import pytest

from feed.consume import handler as consume_feed
from tests.feed.conftest import Tables, sync
from tests.support import events
from tests.support.api import Context
from tests.support.databases import CONSUMER, FreshDatabase, Statements, acting_as
from tests.support.feed import Event, apply, deleted, statuses, upserted
from tests.support.queue import synced
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from tests.sync.conftest import Log, Tenant, absent
from wellspring.database.retry import Deadline
from wellspring.errors import DatabaseAway
from wellspring.handlers import after_batch
from wellspring.services.feed import endings
from wellspring.services.feed.endings import Swept
from wellspring.services.sync import releasing

pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements are over at once here; the tests wait for none."""
    monkeypatch.setattr(endings, "QUIET_SECONDS", 0.0)


def sweep() -> Swept:
    with acting_as(CONSUMER):
        return endings.sweep(Deadline(30))


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
    assert sweep() == Swept(rows=16, done=0, is_all=True)
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
    assert sweep().rows == 3
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
    assert sweep() == Swept(0, 0, is_all=True)
    assert live(tables) == 14


def test_a_row_of_a_sync_that_saw_the_record_live_and_commits_after_the_sweep_is_ended_too(
    fresh_database: FreshDatabase, tables: Tables, ours: Tenant, pair: list[Row]
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
            sweep()
        assert open_endings(tables) == 1
        sync.commit()
    assert live(tables) == 8
    assert sweep().rows == 1
    assert live(tables) == 7
    sweep()
    assert open_endings(tables) == 0


def test_a_connector_that_is_being_written_is_left_to_the_next_sweep(
    fresh_database: FreshDatabase, ours: Tenant, pair: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wellspring.repositories.feed.endings.LOCK_MILLISECONDS", 50)
    free = ours.companies[2]
    ours.world.provenances([free] * 3, ours.other_connector)
    apply(deleted("company", pair[0]))
    apply(deleted("company", free))
    with fresh_database.session() as sync:
        sync.exec_driver_sql("SELECT wellspring.lock_connectors(ARRAY[%s]::bigint[], NULL)", (ours.connector.pk,))
        # It holds up nobody else's.
        swept = sweep()
        assert (swept.rows, swept.is_all) == (3, False)
        sync.rollback()
    assert sweep().rows == 7


def test_what_ended_stays_ended_when_the_record_is_revived_and_later_rows_live(
    tables: Tables, world: World, ours: Tenant, pair: list[Row]
) -> None:
    apply(deleted("company", pair[0], 2))
    apply(upserted("company", pair[0], 3, workspace_id=ours.workspace))
    world.provenances([pair[0]], ours.connector)
    assert sweep().rows == 7
    assert live(tables) == 8
    for _ in range(3):
        sweep()
    assert open_endings(tables) == 0
    assert live(tables) == 8


def test_the_first_row_of_a_revived_record_lives(tables: Tables, world: World) -> None:
    workspace = world.workspace()
    link, company = world.workspace_connector(workspace), world.company(workspace)
    apply(deleted("company", company, 2))
    apply(upserted("company", company, 3, workspace_id=workspace))
    world.provenances([company], link)
    sweep()
    assert live(tables) == 1


def tell(*events: Event) -> None:
    records = [
        {"messageId": str(uuid4()), "body": json.dumps(event), "attributes": {"ApproximateReceiveCount": "1"}}
        for event in events
    ]
    assert consume_feed({"Records": records}, Context()) == {"batchItemFailures": []}


@pytest.fixture
def missing() -> Row:
    return absent()


def outcomes(tables: Tables) -> list[str]:
    return [row.outcome for row in tables.sql("SELECT outcome FROM wellspring.sync_messages ORDER BY pk")]


class TestTheFeed:
    def test_releases_what_waited_for_what_it_brought(
        self, fresh_database: FreshDatabase, tables: Tables, ours: Tenant, missing: Row
    ) -> None:
        sync(synced(ours.connector, [missing, ours.companies[0]]))
        assert outcomes(tables) == ["parked"]
        tell(upserted("company", missing, workspace_id=ours.workspace))
        assert outcomes(tables) == ["applied"]
        assert live(tables) == 2
        sums_are_right(fresh_database)

    def test_releases_what_waited_for_what_was_settled(self, tables: Tables, ours: Tenant, missing: Row) -> None:
        workspace, connector = uuid4(), uuid4()
        tell(upserted("company", missing, workspace_id=workspace))
        tell(upserted("workspace_connector", connector, workspace_id=workspace, connector_id=uuid4()))
        sync(synced(ours.connector, [missing]))
        tell(upserted("workspace", workspace))
        # It has come, of another workspace.
        reasons = tables.sql("SELECT reason FROM wellspring.sync_messages")
        assert [row.reason for row in reasons] == ["tenant_mismatch"]

    def test_releases_what_waited_for_its_connector_and_makes_its_records(
        self, fresh_database: FreshDatabase, tables: Tables, missing: Row
    ) -> None:
        workspace, connector, software = uuid4(), uuid4(), uuid4()
        making = synced(connector, [missing])
        making["records"][0]["attributes"] = {"name": "Made when its connector came"}
        sync(making)
        tell(upserted("workspace_connector", connector, workspace_id=workspace, connector_id=software))
        tell(upserted("workspace", workspace))
        assert outcomes(tables) == ["parked"]
        tell(upserted("connector", software))
        assert outcomes(tables) == ["applied"]
        assert live(tables) == 1
        sums_are_right(fresh_database)

    def test_leaves_what_misses_more(self, tables: Tables, ours: Tenant, missing: Row) -> None:
        sync(synced(ours.connector, [missing, absent("people")]))
        tell(upserted("company", missing, workspace_id=ours.workspace))
        assert outcomes(tables) == ["parked"]

    @pytest.mark.parametrize("kind", ["company", "workspace_connector"])
    def test_ends_the_rows_of_what_it_ended(
        self, fresh_database: FreshDatabase, world: World, tables: Tables, ours: Tenant, kind: str
    ) -> None:
        world.provenances([ours.companies[0]] * 5, ours.connector)
        tell(deleted(kind, {"company": ours.companies[0], "workspace_connector": ours.connector}[kind]))
        assert live(tables) == 0
        assert tables.value("SELECT seen_at IS NOT NULL AND done_at IS NULL FROM wellspring.endings")
        sums_are_right(fresh_database)

    def test_looks_at_no_ending_of_others(self, tables: Tables, ours: Tenant) -> None:
        tell(deleted("company", ours.companies[0]))
        other = ours.companies[1]
        tables.sql("UPDATE wellspring.endings SET seen_at = '2026-01-01'")
        tell(deleted("company", other))
        kept = tables.sql("SELECT seen_at FROM wellspring.endings WHERE seen_at = '2026-01-01'")
        assert len(kept) == 1

    def test_asks_one_thing_more_where_nobody_waits(
        self, ours: Tenant, statements: Statements, missing: Row, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tell(upserted("company", uuid4(), workspace_id=ours.workspace))
        statements.clear()
        tell(upserted("company", missing, workspace_id=ours.workspace))
        with_it = len(statements)
        monkeypatch.setattr(after_batch, "settle_for_feed", lambda *_given, **_named: None)
        statements.clear()
        tell(upserted("company", uuid4(), workspace_id=ours.workspace))
        assert with_it == len(statements) + 1


class TestSyncs:
    def test_release_what_waited_for_the_records_that_they_make(
        self, fresh_database: FreshDatabase, tables: Tables, ours: Tenant, missing: Row
    ) -> None:
        further = absent()
        chained = synced(ours.connector, [missing, further])
        chained["records"][1]["attributes"] = {"name": "Made by what was released"}
        sync(synced(ours.connector, [further]), chained)
        assert outcomes(tables) == ["parked", "parked"]
        making = synced(ours.connector, [missing])
        making["records"][0]["attributes"] = {"name": "Made"}
        sync(making)
        assert outcomes(tables) == ["applied"] * 3
        sums_are_right(fresh_database)

    def test_ask_nothing_where_they_make_nothing(
        self, ours: Tenant, monkeypatch: pytest.MonkeyPatch, tables: Tables, missing: Row
    ) -> None:
        def asked(*_given: object) -> None:
            raise AssertionError

        monkeypatch.setattr(after_batch, "_settle", asked)
        body = synced(ours.connector, [ours.companies[0]])
        body["records"][0]["attributes"] = {"name": "There already"}
        sync(body, synced(ours.connector, [missing]))
        assert outcomes(tables) == ["applied", "parked"]


@pytest.mark.parametrize("error", [DatabaseAway("away"), RuntimeError("a bug")])
def test_a_failure_behind_a_batch_gives_nothing_back(
    tables: Tables, ours: Tenant, missing: Row, log: Log, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sync(synced(ours.connector, [missing]))

    def fails(*_given: object) -> None:
        raise error

    monkeypatch.setattr(releasing, "release_for", fails)
    tell(upserted("company", missing, workspace_id=ours.workspace))
    assert outcomes(tables) == ["parked"]
    assert any("left to the schedule" in line["message"] for line in log)


def test_a_batch_that_took_its_time_leaves_it_to_the_schedule(
    tables: Tables, ours: Tenant, missing: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(synced(ours.connector, [missing]))
    monkeypatch.setattr(after_batch, "SECONDS", 0.5)
    tell(upserted("company", missing, workspace_id=ours.workspace))
    assert outcomes(tables) == ["parked"]
