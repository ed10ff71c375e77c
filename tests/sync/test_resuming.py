"""Resuming what was left half-done in chunks, without undoing what newer messages did."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import TextClause, text

from tests.support.api import PIPELINE, READER, Reply, draft, get, patch
from tests.support.databases import CONSUMER, WRITER, FreshDatabase, role_of_call
from tests.support.queue import Body, consume, disconnected, invalidated, reverted, synced
from tests.support.world import Row, World
from tests.sync.conftest import APPLIED, Ledger, Log, Tenant, absent, ending, ids, settle
from tests.writing.conftest import race
from wellspring import messages
from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, with_retries
from wellspring.services.sync import applying

# Each message has a time of its own, by which a revert finds what it wrote.
pytestmark = pytest.mark.usefixtures("fresh_database")

CHUNK = 3


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is three rows of each type, and what was left a moment ago is gone on with."""
    monkeypatch.setattr("wellspring.services.sync.applying.CHUNK", CHUNK)
    monkeypatch.setattr("wellspring.services.sync.releasing.STALLED_SECONDS", 0.0)


@pytest.fixture
def companies(world: World, ours: Tenant) -> list[Row]:
    return world.companies(ours.workspace, 2 * CHUNK + 1)


def begin(body: Body, chunks: int = 1) -> None:
    """Apply the first chunks of a message, as a release by hand does with one, and a consumer that is lost then."""
    arrival = messages.arrival(json.dumps(body), group=body["workspace_connector_id"], sent=0, receives=1)
    for _ in range(chunks):
        done = with_retries(lambda transaction: applying.apply_one(transaction, arrival), PIPELINE_SCOPE, Deadline(20))
        assert done.status == "in_progress"


def held(connector: Row) -> TextClause:
    return text(f"SELECT wellspring.lock_connectors(ARRAY[{connector.pk}]::bigint[], NULL)")


def url_of(row: Row) -> str:
    return f"/v1/{row.type.replace('_', '-')}s/{row.id}"


def restore(row: Row) -> Reply:
    token = role_of_call.set(WRITER)
    try:
        return patch(url_of(row), PIPELINE, draft(row.type, {"deleted_at": None}, row.id))
    finally:
        role_of_call.reset(token)


class TestADisconnect:
    def test_ends_what_was_there_and_nothing_newer(self, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
        consume(synced(ours.connector, companies))
        over = disconnected(ours.connector)
        begin(over)
        newer = [companies[0], companies[-1], ours.accounts[0]]
        assert consume(synced(ours.connector, newer)) == []
        settle()
        assert ledger.fate(over) == APPLIED
        assert ledger.live(ours.connector) == ids(newer)
        assert ledger.messages()[over["id"]].counts["company"] == {"ended": len(companies)}

    def test_leaves_the_first_row_of_a_type(self, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
        consume(synced(ours.connector, companies))
        begin(disconnected(ours.connector))
        consume(synced(ours.connector, ours.peoples[:1]))
        settle()
        assert ledger.live(ours.connector) == ids(ours.peoples[:1])

    def test_leaves_what_a_request_brought_back_that_had_waited_for_its_first_chunk(
        self, fresh_database: FreshDatabase, world: World, ours: Tenant, ledger: Ledger, companies: list[Row]
    ) -> None:
        rows = world.provenances(companies, ours.connector)
        world.tombstone(rows[-1])
        fresh_database.engine(CONSUMER)
        calls: list[Callable[[], Reply | None]] = [
            lambda: begin(disconnected(ours.connector)),
            lambda: restore(rows[-1]),
        ]
        _, restored = race(fresh_database, held(ours.connector), *calls)
        assert restored is not None
        assert restored.status == 200
        settle()
        assert ledger.live(ours.connector) == ids(companies[-1:])
        # What was shown is what is stored, in milliseconds.
        found = get(url_of(rows[-1]), READER).data["attributes"]
        assert found == restored.data["attributes"]
        assert found["updated_at"] > found["created_at"]


def restored_rows(ledger: Ledger) -> Sequence[Any]:
    rows = "SELECT pk, updated_at FROM core_api.company_workspace_connectors"
    return ledger.sql(f"{rows} WHERE deleted_at IS NULL AND updated_at > created_at")


class TestARevert:
    @pytest.fixture
    def undo(self, ours: Tenant, companies: list[Row]) -> Body:
        """Of a relink; half of the rows that it had ended are back."""
        consume(synced(ours.connector, companies))
        relink = synced(ours.connector, companies, mode="relink")
        consume(relink)
        undo = reverted(ours.connector, relink["id"])
        begin(undo, chunks=2)
        return undo

    def test_stamps_what_it_brings_back_when_it_has_its_connector(
        self, fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger, undo: Body
    ) -> None:
        known = {row.pk for row in restored_rows(ledger)}
        moment = f"UPDATE core_api.companies SET updated_at = clock_timestamp() WHERE pk = {ours.companies[0].pk}"
        race(fresh_database, held(ours.connector), lambda: begin(undo), meanwhile=[text(moment)])
        at = ledger.value(f"SELECT updated_at FROM core_api.companies WHERE pk = {ours.companies[0].pk}")
        stamped = [row.updated_at for row in restored_rows(ledger) if row.pk not in known]
        assert len(stamped) == CHUNK
        assert min(stamped) >= at

    @pytest.mark.parametrize("behind", ["nothing", "an append", "what is parked"])
    @pytest.mark.parametrize("goes_on", [settle, consume])
    def test_goes_on(
        self,
        ours: Tenant,
        ledger: Ledger,
        companies: list[Row],
        undo: Body,
        behind: str,
        goes_on: Callable[..., object],
    ) -> None:
        assert ledger.fate(undo) == ("in_progress", None)
        more = companies[-1:] if behind == "an append" else []
        if behind != "nothing":
            consume(synced(ours.connector, more) if more else invalidated(ours.connector, [absent()]))
        goes_on(*([undo] if goes_on is consume else []))
        assert ledger.fate(undo) == APPLIED
        assert ledger.live(ours.connector) == ids([*companies, *more])

    @pytest.mark.parametrize("newer", ["invalidation", "relink", "disconnect"])
    def test_brings_nothing_back_behind_what_ends_rows_and_says_so(
        self, ours: Tenant, ledger: Ledger, companies: list[Row], undo: Body, log: Log, newer: str
    ) -> None:
        body = ending(newer, ours.connector, companies)
        assert consume(body) == []
        settle()
        assert ledger.fate(body) == APPLIED
        assert ledger.live(ours.connector) == (ids(companies) if newer == "relink" else {})
        assert ledger.fate(undo) == ("parked", "overtaken")
        (told,) = [line for line in log if line.get("reason") == "overtaken"]
        assert told["left_ended"] > 0
        assert consume(undo) == []
        assert ledger.live(ours.connector) == (ids(companies) if newer == "relink" else {})

    def test_of_nothing_is_applied_behind_anything(self, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
        wrote = synced(ours.connector, companies)
        consume(wrote)
        undo = reverted(ours.connector, wrote["id"])
        begin(undo, chunks=2)
        consume(invalidated(ours.connector, companies[:1]))
        settle()
        assert ledger.fate(undo) == APPLIED
        assert not ledger.live()
