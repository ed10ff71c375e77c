"""`sync.reverted`: what messages wrote ends, what they ended comes back, and later ones of the run are parked."""

from uuid import uuid4

import pytest

from maintenance.prune import handler as prune
from tests.support.api import Context
from tests.support.databases import FEEDER
from tests.support.feed import deleted, statuses
from tests.support.queue import disconnected, invalidated, reverted, synced
from tests.support.world import World
from tests.sync.conftest import APPLIED, Ledger, Tenant, absent, applied, ending, ids, of_run, settle
from wellspring.services.sync import applying

# Time stands still in a transaction that is rolled back, and a message is known by its time: each has its own here.
pytestmark = pytest.mark.usefixtures("fresh_database")


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
    monkeypatch.setattr(applying, "CHUNK", 7)
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


def test_a_disconnect_is_undone_too(
    world: World, ours: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "CHUNK", 7)
    records = world.companies(ours.workspace, 30)
    body = disconnected(ours.connector)
    both = [synced(ours.connector, records, direction) for direction in ("input", "output")]
    applied(*both, body, reverted(ours.connector, body["id"]))
    assert ledger.live() == ids(records) + ids(records)


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
