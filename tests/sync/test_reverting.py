"""`sync.reverted`, and what was left half-done in chunks and is gone on with, without undoing newer messages."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import TextClause, text

from maintenance.prune import handler as prune
from tests.support.api import PIPELINE, READER, Context, Reply, draft, get, patch
from tests.support.databases import CONSUMER, FEEDER, WRITER, FreshDatabase, acting_as
from tests.support.feed import deleted, statuses
from tests.support.queue import Body, consume, disconnected, invalidated, reverted, synced
from tests.support.world import Row, World
from tests.sync.conftest import APPLIED, Ledger, Log, Tenant, absent, applied, ending, ids, of_run, settle
from tests.writing.conftest import race
from wellspring import messages
from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, with_retries
from wellspring.services.sync import applying

# Time stands still in a transaction that is rolled back, and a message is known by its time: each has its own here.
pytestmark = pytest.mark.usefixtures("fresh_database")

CHUNK = 3


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is three rows of each type, and what was left a moment ago is gone on with."""
    monkeypatch.setattr(applying, "CHUNK", CHUNK)
    monkeypatch.setattr("wellspring.services.sync.releasing.STALLED_SECONDS", 0.0)


@pytest.fixture
def companies(world: World, ours: Tenant) -> list[Row]:
    return world.companies(ours.workspace, 2 * CHUNK + 1)


def test_what_a_message_wrote_ends_and_nothing_else(ours: Tenant, ledger: Ledger) -> None:
    first, second = synced(ours.connector, ours.mixed), synced(ours.connector, ours.mixed)
    other = synced(ours.other_connector, ours.mixed)
    applied(first, second, other)
    undo = reverted(ours.connector, first["id"], str(uuid4()))
    applied(undo, undo)
    assert ledger.live(ours.connector) == ids(ours.mixed)
    assert ledger.live(ours.other_connector) == ids(ours.mixed)
    messages = ledger.messages()
    assert ledger.fate(undo) == APPLIED
    assert messages[undo["id"]].counts == {type_: {"ended": 1} for type_ in ("company", "account", "people")}
    ended = ledger.sql(
        "SELECT sync_message_pk, ended_by_pk FROM core_api.company_workspace_connectors WHERE deleted_at IS NOT NULL"
    )
    assert [tuple(row) for row in ended] == [(messages[first["id"]].pk, messages[undo["id"]].pk)]


@pytest.mark.parametrize("way", ["relink", "invalidation", "disconnect"])
def test_what_a_message_ended_comes_back(ours: Tenant, ledger: Ledger, way: str) -> None:
    before = synced(ours.connector, ours.mixed)
    over = ending(way, ours.connector, ours.mixed)
    applied(before, over, reverted(ours.connector, over["id"]))
    assert ledger.live(ours.connector) == ids(ours.mixed)
    messages = ledger.messages()
    rows = ledger.sql(
        "SELECT sync_message_pk, ended_by_pk FROM core_api.company_workspace_connectors WHERE deleted_at IS NULL"
    )
    assert [tuple(row) for row in rows] == [(messages[before["id"]].pk, None)]


def test_what_is_gone_does_not_come_back(world: World, ours: Tenant, ledger: Ledger) -> None:
    company, other = ours.companies[:2]
    over = disconnected(ours.connector)
    applied(synced(ours.connector, [company, other]), over)
    world.tombstone(company)
    applied(reverted(ours.connector, over["id"]))
    assert ledger.live() == ids([other])
    # Of a connector that is gone nothing comes back, and what was written still ends.
    late = synced(ours.other_connector, [other])
    stop = invalidated(ours.other_connector, [ours.companies[2]])
    applied(synced(ours.other_connector, [ours.companies[2]]), late, stop)
    world.tombstone(ours.other_connector)
    applied(reverted(ours.other_connector, late["id"], stop["id"]))
    assert not ledger.live(ours.other_connector)


def test_what_a_reverted_message_wrote_stays_ended_where_another_had_ended_it(ours: Tenant, ledger: Ledger) -> None:
    kept = synced(ours.connector, [ours.companies[0]])
    wrote = of_run(synced(ours.connector, ours.companies[:2]))
    ended = of_run(synced(ours.connector, ours.companies[:2], mode="relink"))
    applied(kept, wrote, ended, reverted(ours.connector, run="nightly"))
    assert ledger.live() == ids([ours.companies[0]])
    # Nor where the two are reverted one after the other.
    first = synced(ours.other_connector, [ours.companies[0]])
    second = invalidated(ours.other_connector, [ours.companies[0]])
    applied(first, second, reverted(ours.other_connector, first["id"]), reverted(ours.other_connector, second["id"]))
    assert not ledger.live(ours.other_connector)


def test_later_messages_of_a_reverted_run_are_parked(world: World, ours: Tenant, ledger: Ledger) -> None:
    run = 'it\'s "one", {of} \\many'
    first, later = (of_run(synced(ours.connector, ours.companies[:1]), run) for _ in range(2))
    waiting = of_run(synced(ours.connector, [absent()]), run)
    elsewhere = of_run(synced(ours.other_connector, ours.companies[1:2]), run)
    applied(first, waiting, reverted(ours.connector, run=run), later, elsewhere, first)
    assert ledger.fate(later) == ("parked", "reverted_run")
    assert ledger.fate(elsewhere) == APPLIED
    assert ledger.live() == ids(ours.companies[1:2])
    # One that waits for a record is not applied either when that comes.
    world.record("company", ours.workspace, id=waiting["records"][0]["id"])
    settle()
    assert ledger.fate(waiting) == ("parked", "reverted_run")
    assert ledger.live() == ids(ours.companies[1:2])


def test_runs_are_undone_in_chunks(world: World, ours: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wellspring.repositories.sync.reverting.MARKED", 3)
    monkeypatch.setattr("wellspring.repositories.sync.reverting.LOOKED_AT", 2)
    records = world.companies(ours.workspace, 20)
    others = [synced(ours.connector, records), of_run(synced(ours.connector, records[:5]), "other")]
    bodies = [of_run(synced(ours.connector, records, mode=mode)) for mode in ("append", "relink", "append", None, None)]
    applied(*others, *bodies)
    assert sum(ledger.live().values()) == 80
    undo = reverted(ours.connector, run="nightly")
    applied(undo)
    assert ledger.fate(undo) == APPLIED
    assert ledger.live() == ids(records) + ids(records[:5])
    assert ledger.messages()[undo["id"]].counts["company"]["ended"] == 80


def test_records_that_a_message_made_stay_and_the_feed_may_end_them(world: World, ours: Tenant, ledger: Ledger) -> None:
    """docs/messages.md, "Records stay"."""
    id_ = str(uuid4())
    made = {"type": "company", "id": id_, "attributes": {"name": "Alder Trading"}}
    body = synced(ours.connector, ours.companies) | {"records": [made]}
    applied(body, reverted(ours.connector, body["id"]))
    assert not ledger.live(ours.connector)
    there = f"SELECT count(*) FROM core_api.companies WHERE id = '{id_}' AND deleted_at IS NULL"
    assert ledger.value(there) == 1
    world.database.role = FEEDER
    assert statuses(deleted("company", id_, source="/anybody")) == ["applied"]
    assert ledger.value(there) == 0


def test_what_a_reverted_message_wrote_stays_ended_also_when_that_is_old(ours: Tenant, ledger: Ledger) -> None:
    wrote = synced(ours.connector, ours.mixed)
    ended = invalidated(ours.connector, ours.mixed)
    undo = reverted(ours.connector, wrote["id"])
    applied(wrote, ended, undo)
    ledger.grow_old("91 days", wrote)
    prune({}, Context())
    applied(reverted(ours.connector, ended["id"]))
    assert not ledger.live()
    # It goes with its revert: what may have ended its rows is older than that.
    ledger.grow_old("91 days", undo)
    for _ in range(2):
        prune({}, Context())
    assert not ledger.messages().keys() & {wrote["id"], undo["id"]}


# ---- half-done ----------------------------------------------------------------------------------------
def begin(body: Body, chunks: int = 1) -> None:
    """Apply the first chunks of a message, as a release by hand does with one, and a consumer that is lost then."""
    message = messages.receive(json.dumps(body), group=body["workspace_connector_id"], sent=0, receives=1)
    for _ in range(chunks):
        done = with_retries(lambda transaction: applying.apply_one(transaction, message), PIPELINE_SCOPE, Deadline(20))
        assert done.status == "in_progress"


def held(connector: Row) -> TextClause:
    return text(f"SELECT wellspring.lock_connectors(ARRAY[{connector.pk}]::bigint[], NULL)")


def url_of(row: Row) -> str:
    return f"/v1/{row.type.replace('_', '-')}s/{row.id}"


def restore(row: Row) -> Reply:
    with acting_as(WRITER):
        return patch(url_of(row), PIPELINE, draft(row.type, {"deleted_at": None}, row.id))


class TestADisconnect:
    def test_ends_what_was_there_and_nothing_newer(self, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
        consume(synced(ours.connector, companies))
        over = disconnected(ours.connector)
        begin(over)
        # The account is the first row of its type.
        newer = [companies[0], companies[-1], ours.accounts[0]]
        assert consume(synced(ours.connector, newer)) == []
        settle()
        assert ledger.fate(over) == APPLIED
        assert ledger.live(ours.connector) == ids(newer)
        assert ledger.messages()[over["id"]].counts["company"] == {"ended": len(companies)}

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
