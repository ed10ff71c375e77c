"""Settling behind a batch, by both consumers: it fails no batch and asks little of others."""

import json
from typing import Any
from uuid import uuid4

import pytest

from feed.consume import handler as consume_feed
from tests.feed.conftest import Tables, sync
from tests.support.api import Context
from tests.support.databases import FreshDatabase, Statements
from tests.support.feed import Event, deleted, upserted
from tests.support.queue import synced
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from tests.sync.conftest import Tenant
from wellspring.errors import DatabaseAway
from wellspring.handlers import after_batch
from wellspring.services.sync import releasing

type Log = list[dict[str, Any]]


def tell(*events: Event) -> None:
    records = [
        {"messageId": str(uuid4()), "body": json.dumps(event), "attributes": {"ApproximateReceiveCount": "1"}}
        for event in events
    ]
    assert consume_feed({"Records": records}, Context()) == {"batchItemFailures": []}


pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.fixture
def missing() -> Row:
    return Row("company", 0, uuid4())


def outcomes(tables: Tables) -> list[str]:
    return [row.outcome for row in tables.sql("SELECT outcome FROM wellspring.sync_messages ORDER BY pk")]


def live(tables: Tables) -> int:
    return int(tables.value("SELECT count(*) FROM core_api.company_workspace_connectors WHERE deleted_at IS NULL"))


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
        self, fresh_database: FreshDatabase, tables: Tables, ours: Tenant, missing: Row
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
        sync(synced(ours.connector, [missing, Row("people", 0, uuid4())]))
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

    def test_looks_at_no_ending_of_others(self, world: World, tables: Tables, ours: Tenant) -> None:
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
        further = Row("company", 0, uuid4())
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
