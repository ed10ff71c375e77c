"""A snapshot ends what its run did not name, and nothing else (contract, section 5)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.api import PIPELINE, draft, patch, post
from tests.support.queue import Body, completed, consume, disconnected, invalidated, reverted, synced
from tests.support.world import Direction, Row, World
from tests.sync.conftest import APPLIED, Ledger, Tenant, applied, die, ids, of_run, release, release_many, settle
from wellspring.repositories.sync import completing
from wellspring.services.sync import applying, releasing

# Time stands still in a transaction that is rolled back, and rows are known by their time: each has its own here.
pytestmark = pytest.mark.usefixtures("fresh_database")

# Far behind what is old here, and before what a run finds.
READ_SINCE = "2026-05-10T08:14:22.000Z"
ROWS = "/v1/company-workspace-connectors"
TOO_MANY = ("parked", "too_many_endings")


@pytest.fixture
def companies(world: World, ours: Tenant) -> list[Row]:
    found = world.companies(ours.workspace, 10)
    linked(world, found, ours.connector)
    return found


def linked(world: World, records: Iterable[Row], connector: Row, direction: Direction = "input") -> None:
    for record in records:
        world.provenance(record, connector, direction, created_at=datetime(2026, 5, 1, tzinfo=UTC))


def snapshot(
    connector: Row, *messages: Body, types: Iterable[str] = ("company",), read_since: str = READ_SINCE
) -> Body:
    named = [body["id"] for body in messages]
    return completed(connector, "nightly", *named, types=types, read_since=read_since)


def run_of(connector: Row, records: Sequence[Row], **said: Any) -> tuple[Body, Body]:
    """Return the one message of a run, which names these records, and its end."""
    named = of_run(synced(connector, records))
    return named, snapshot(connector, named, **said)


def ended_by(ledger: Ledger, body: Body) -> int:
    pk = ledger.messages()[body["id"]].pk
    return int(ledger.value(f"SELECT count(*) FROM core_api.company_workspace_connectors WHERE ended_by_pk = {pk}"))


def tomorrow(ledger: Ledger) -> str:
    """Return what a clock says that is half a day fast."""
    return str(ledger.value("SELECT to_json(now() + interval '12 hours')"))


def test_it_ends_what_the_run_did_not_name(world: World, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    linked(world, companies[:1], ours.connector, "output")
    linked(world, companies[:1], ours.other_connector)
    linked(world, ours.accounts, ours.connector)
    named, end = run_of(ours.connector, companies[1:])
    assert consume(named, end) == []
    assert ledger.fate(end) == APPLIED
    rows = ledger.rows(ours.connector)
    assert rows["company", companies[0].id, "input", False] == 1
    assert rows["company", companies[0].id, "output", True] == 1
    assert ledger.live(ours.other_connector) == ids(companies[:1])
    # An append beside what there was.
    assert all(rows["company", record.id, "input", True] == 2 for record in companies[1:])
    assert all(rows["account", record.id, "input", True] == 1 for record in ours.accounts)
    assert ended_by(ledger, end) == 1
    run = ledger.run_of(ours.connector)
    assert run.state == "complete"
    assert run.snapshot["endings"] == [{"type": "company", "records": 1, "live": 10}]
    assert run.counts == {"company": {"named": 9, "made": 0, "linked": 9, "ended": 1}}
    assert ledger.messages()[end["id"]].counts == {"company": {"ended": 1}}


@pytest.mark.parametrize("way", ["relinked", "invalidated", "disconnected and synced again"])
def test_what_the_run_named_stays(ours: Tenant, ledger: Ledger, companies: list[Row], way: str) -> None:
    """A row of the run that is dead was written all the same: its record is at the source."""
    # Old rows of the same records came back by hand before the source was read, as far as times tell.
    named, end = run_of(ours.connector, companies, read_since="2026-11-01T00:00:00Z")
    applied(named)
    if way == "relinked":
        applied(synced(ours.connector, companies[:3], mode="relink"))
    elif way == "invalidated":
        applied(invalidated(ours.connector, companies[:3]))
    else:
        applied(disconnected(ours.connector), synced(ours.connector, companies[:3]))
    before = ledger.rows(ours.connector)
    applied(end)
    assert ledger.fate(end) == APPLIED
    assert ledger.rows(ours.connector) == before
    assert ended_by(ledger, end) == 0


def test_a_dead_row_of_the_run_keeps_the_old_rows_of_its_record(
    ours: Tenant, ledger: Ledger, companies: list[Row]
) -> None:
    named, end = run_of(ours.connector, companies)
    applied(named)
    linking = f"sync_message_pk = {ledger.messages()[named['id']].pk}"
    ledger.sql(f"UPDATE core_api.company_workspace_connectors SET deleted_at = now() WHERE {linking}")
    applied(end)
    assert ledger.fate(end) == APPLIED
    assert ledger.live(ours.connector) == ids(companies)


def test_what_came_meanwhile_stays(world: World, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    """Whatever the producer's clock says: rows behind the run's first message are not the run's to end."""
    beginning, end = run_of(ours.connector, companies[2:], read_since=tomorrow(ledger))
    applied(beginning)
    others = world.companies(ours.workspace, 2)
    applied(synced(ours.connector, others[:1]))
    # Of a transaction that had begun long before, and waited for the run's.
    ledger.sql(
        "UPDATE core_api.company_workspace_connectors SET created_at = '2026-05-01', updated_at = '2026-05-01'"
        f" WHERE company_pk = {others[0].pk}"
    )
    row = draft(
        "company_workspace_connector", {"direction": "input"}, company=others[1], workspace_connector=ours.connector
    )
    assert post(ROWS, PIPELINE, row).status == 201
    applied(end)
    assert ledger.fate(end) == APPLIED
    live = ledger.live(ours.connector)
    assert all(live[record.id] for record in [*others, *companies[2:]])
    assert not any(live[record.id] for record in companies[:2])


@pytest.mark.parametrize("minutes", [-6, -4, 4])
def test_what_is_as_new_as_the_reading_stays(ours: Tenant, ledger: Ledger, companies: list[Row], minutes: int) -> None:
    """A row that changed within five minutes before the source was read, or since, may be what the source has."""
    changed = f"timestamptz '{READ_SINCE}' + interval '{minutes} minutes'"
    for column, company in (("created_at", companies[0]), ("updated_at", companies[1])):
        ledger.sql(
            f"UPDATE core_api.company_workspace_connectors SET {column} = {changed} WHERE company_pk = {company.pk}"
        )
    named, end = run_of(ours.connector, companies[2:])
    assert consume(named, end) == []
    assert ended_by(ledger, end) == (2 if minutes < -5 else 0)


def test_what_came_back_since_the_run_began_stays(ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    gone = companies[0]
    row = ledger.value(
        "UPDATE core_api.company_workspace_connectors SET deleted_at = updated_at"
        f" WHERE company_pk = {gone.pk} RETURNING id"
    )
    named, end = run_of(ours.connector, companies[1:], read_since=tomorrow(ledger))
    applied(named)
    back = draft("company_workspace_connector", {"deleted_at": None}, row)
    assert patch(f"{ROWS}/{row}", PIPELINE, back).status == 200
    applied(end)
    assert ledger.live(ours.connector)[gone.id] == 1


def test_an_incomplete_run_ends_nothing(ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    named, late = (of_run(synced(ours.connector, some)) for some in (companies[1:6], companies[6:]))
    end = snapshot(ours.connector, named, late)
    applied(named, end, end)
    settle()
    assert release(end).data["attributes"]["reason"] == "incomplete_run"
    assert ended_by(ledger, end) == 0
    applied(late)
    assert ended_by(ledger, end) == 1


def test_a_record_of_several_rows_ends_once(world: World, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    for _ in range(3):
        linked(world, companies[:2], ours.connector)
    named, end = run_of(ours.connector, companies[2:])
    applied(named, end)
    assert ended_by(ledger, end) == 8
    assert ledger.run_of(ours.connector).snapshot["endings"] == [{"type": "company", "records": 2, "live": 10}]


# ---- what would end too much ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("live", "ends", "limit", "is_parked"),
    [
        *((live, ends, None, False) for live, ends in ((2, 1), (10, 5), (130, 20), (140, 21))),
        *((live, ends, None, True) for live, ends in ((3, 2), (10, 6), (130, 21))),
        (60, 24, "40", False),
    ],
)
def test_more_than_half_or_more_than_the_limit_is_parked_and_ends_nothing(
    world: World,
    ours: Tenant,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    live: int,
    ends: int,
    limit: str | None,
    *,
    is_parked: bool,
) -> None:
    if limit is not None:
        monkeypatch.setenv("SNAPSHOT_END_LIMIT", limit)
    records = world.companies(ours.workspace, live)
    linked(world, records, ours.connector)
    named, end = run_of(ours.connector, records[ends:])
    assert consume(named, end) == []
    assert ledger.fate(end) == (TOO_MANY if is_parked else APPLIED)
    run = ledger.run_of(ours.connector)
    assert run.state == ("incomplete" if is_parked else "complete")
    assert run.snapshot["endings"] == [{"type": "company", "records": ends, "live": live}]
    assert ended_by(ledger, end) == (0 if is_parked else ends)
    problem = {"code": "too_many_endings", "type": "company", "id": f"{ends} of {live}"}
    assert ledger.messages()[end["id"]].problems == ([problem] if is_parked else [])


def test_each_type_has_the_limit_to_itself(world: World, ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    linked(world, ours.accounts, ours.connector)
    named, end = run_of(ours.connector, companies, types=["company", "account"])
    applied(named, end)
    assert ledger.fate(end) == TOO_MANY
    assert ledger.run_of(ours.connector).snapshot["endings"] == [
        {"type": "company", "records": 0, "live": 10},
        {"type": "account", "records": 2, "live": 2},
    ]


def test_too_many_endings_are_for_who_releases_them_alone(ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    named, end = run_of(ours.connector, companies[8:])
    applied(named, end)
    # No resend, no settle, no release of many, no verb.
    applied(end)
    settle()
    many = release_many(ours.connector, "too_many_endings")
    assert many.document["meta"] == {"matching": 1, "released": 0, "still_parked": 1, "remaining": 0}
    for reason in ({}, {"Reason": "too_many_endings"}):
        assert settle(Verb="Release", Connector=str(ours.connector.id), **reason)["released"] == 0
    assert ledger.fate(end) == TOO_MANY
    assert ledger.live(ours.connector) == ids([*companies, *companies[8:]])
    problem = {"code": "too_many_endings", "type": "company", "id": "8 of 10"}
    assert ledger.messages()[end["id"]].problems == [problem]
    assert release(end).data["attributes"]["outcome"] == "applied"
    assert ledger.live(ours.connector) == ids([*companies[8:], *companies[8:]])
    assert ledger.run_of(ours.connector).state == "complete"


# ---- in chunks ------------------------------------------------------------------------------------------
@pytest.fixture
def begun(ours: Tenant, ledger: Ledger, companies: list[Row], monkeypatch: pytest.MonkeyPatch) -> Body:
    """The end of a run that names nothing, released by hand, of which the first chunk is done; what is left stalls."""
    monkeypatch.setattr(applying, "CHUNK", 3)
    monkeypatch.setattr(releasing, "STALLED_SECONDS", 0.0)
    end = snapshot(ours.connector)
    applied(end)
    assert ledger.fate(end) == TOO_MANY
    assert release(end).data["attributes"]["outcome"] == "in_progress"
    assert ledger.live(ours.connector).total() == len(companies) - 3
    assert ledger.run_of(ours.connector).state == "completing"
    return end


def test_a_release_by_hand_that_takes_long_is_gone_on_with(ours: Tenant, ledger: Ledger, begun: Body) -> None:
    settle()
    assert ledger.fate(begun) == APPLIED
    assert not ledger.live(ours.connector)
    assert ledger.run_of(ours.connector).state == "complete"


@pytest.mark.parametrize("at", range(1, 8))
def test_it_goes_on_after_a_crash(
    world: World, ours: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """With chunks of two rows: the count goes on, too, and what came meanwhile is not ended."""
    monkeypatch.setattr(applying, "CHUNK", 2)
    monkeypatch.setattr(completing, "COUNTED", 2)
    monkeypatch.setattr(completing, "WALKED", 2)
    records = world.companies(ours.workspace, 20)
    linked(world, records, ours.connector)
    named, end = run_of(ours.connector, records[9:])
    applied(named)
    begun_chunks = die(monkeypatch, at)
    assert consume(end) == [0]
    more = world.companies(ours.workspace, 1)
    applied(synced(ours.connector, more), end)
    assert ledger.fate(end) == APPLIED
    assert len(begun_chunks) > 8
    assert ledger.live(ours.connector) == ids([*records[9:], *records[9:], *more])
    (counted,) = ledger.run_of(ours.connector).snapshot["endings"]
    assert counted["records"] == ended_by(ledger, end) == 9


def test_what_fails_in_the_middle_for_a_reason_of_its_own_is_parked_and_goes_on_when_it_is_released(
    ours: Tenant, ledger: Ledger, companies: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else may think that its run is being completed: it is incomplete until somebody releases its end."""
    monkeypatch.setattr(applying, "CHUNK", 2)
    named, missing = (of_run(synced(ours.connector, companies[4:])) for _ in range(2))
    end = snapshot(ours.connector, named, missing)
    applied(named, end)
    assert ledger.fate(end) == ("parked", "incomplete_run")
    with monkeypatch.context() as patched:
        die(patched, *range(3, 100))
        # It brings what was missing; the end is released behind the batch.
        applied(missing)
    assert ledger.fate(end) == ("parked", "unexpected")
    assert 0 < ended_by(ledger, end) < 4
    assert ledger.run_of(ours.connector).state == "incomplete"
    assert release(end).status == 200
    monkeypatch.setattr(releasing, "STALLED_SECONDS", 0.0)
    settle()
    assert ledger.fate(end) == APPLIED
    assert ledger.run_of(ours.connector).state == "complete"
    assert ended_by(ledger, end) == 4


# ---- undone ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("by", ["run", "message"])
@pytest.mark.parametrize("state", ["complete", "completing", "incomplete"])
def test_a_revert_brings_back_what_it_ended_and_stops_what_is_left(
    request: pytest.FixtureRequest, ours: Tenant, ledger: Ledger, companies: list[Row], state: str, by: str
) -> None:
    named, end = run_of(ours.connector, companies[3:])
    kept = companies[3:] if by == "message" and state == "complete" else []
    if state == "complete":
        applied(named, end)
        assert ended_by(ledger, end) == 3
    else:
        # It would end too much, and is in the middle of it or not begun.
        end = request.getfixturevalue("begun") if state == "completing" else snapshot(ours.connector)
        applied(*([end] if state == "incomplete" else []))
    assert ledger.run_of(ours.connector).state == state
    applied(reverted(ours.connector, run="nightly") if by == "run" else reverted(ours.connector, end["id"]))
    for again in (lambda: None, settle, lambda: applied(end)):
        again()
        assert ledger.live(ours.connector) == ids([*companies, *kept])
        assert ledger.run_of(ours.connector).state == "reverted"
    if state == "incomplete":
        assert release(end).data["attributes"]["reason"] == "reverted_run"
    late = of_run(synced(ours.connector, companies))
    applied(late)
    assert ledger.fate(late) == ("parked", "reverted_run")


def test_a_run_older_than_rows_of_runs_ends_nothing(ours: Tenant, ledger: Ledger, companies: list[Row]) -> None:
    named, end = run_of(ours.connector, companies[5:])
    applied(named)
    ledger.sql("UPDATE wellspring.sync_runs SET noted = '{}'")
    applied(end)
    assert ledger.fate(end) == APPLIED
    assert ended_by(ledger, end) == 0
