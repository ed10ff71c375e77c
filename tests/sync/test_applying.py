"""Effects of messages, what they end and must not do, and which are applied together; and what log and metrics tell."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from local.settings import ROOT
from tests.support import databases
from tests.support.api import Context
from tests.support.databases import FreshDatabase, Statements
from tests.support.queue import Body, consume, delivery, disconnected, invalidated, matched, replay, synced
from tests.support.wire import Flushes
from tests.support.world import Direction, Row, World
from tests.sync.conftest import Ledger, Log, Tenant, absent, applied, emitted, ending, ids, outcomes, units


@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_message_writes_a_row_for_each_of_its_records(ours: Tenant, ledger: Ledger, direction: Direction) -> None:
    message = synced(ours.connector, ours.mixed, direction)
    assert consume(message) == []
    assert ledger.rows(ours.connector) == {(row.type, row.id, direction, True): 1 for row in ours.mixed}
    assert ledger.inbox() == {message["id"]}


def test_a_record_named_twice_gets_one_row(ours: Tenant, ledger: Ledger) -> None:
    message = synced(ours.connector, [ours.companies[0]] * 3)
    message["records"][1]["id"] = message["records"][1]["id"].upper()
    assert consume(message) == []
    assert ledger.live() == ids(ours.companies[:1])


def test_a_new_row_is_made_now_and_updated_when_made(ours: Tenant, ledger: Ledger, world: World) -> None:
    consume(synced(ours.connector, ours.companies[:1]))
    ((created, updated, deleted),) = ledger.times("company")
    assert created == updated == world.database.owner.exec_driver_sql("SELECT now()::timestamptz(3)").scalar_one()
    assert deleted is None


def test_no_line_of_the_log_holds_sql_names_bodies_or_pks(ours: Tenant, theirs: Tenant, log: Log, world: World) -> None:
    # Numbers that stand out, should they appear.
    world.database.owner.exec_driver_sql("ALTER TABLE core_api.companies ALTER pk RESTART WITH 770077001")
    records = [world.company(ours.workspace), *ours.mixed]
    bad = synced(ours.connector, records) | {"direction": "swordfish"}
    consume(synced(ours.connector, records), bad, synced(theirs.connector, records))
    assert len(log) == 4
    words = ("SELECT", "INSERT", "core_api", "Ours", "swordfish", "7700770")
    assert [word for word in words if word in str(log)] == []


WAYS = pytest.mark.parametrize("way", ["relink", "invalidation"])


def made(way: str, records: Sequence[Row]) -> Counter[object]:
    return Counter((row.type, row.id, "input", True) for row in records if way == "relink")


@WAYS
def test_it_ends_all_live_rows_of_its_records_there(ours: Tenant, ledger: Ledger, world: World, way: str) -> None:
    for record in (*ours.mixed, ours.mixed[0]):
        world.provenance(record, ours.connector)
    message = ending(way, ours.connector, ours.mixed)
    applied(message)
    first, *others = ours.mixed
    ended = {(row.type, row.id, "input", False): 1 for row in others} | {(first.type, first.id, "input", False): 2}
    assert ledger.rows() == ended | made(way, ours.mixed)
    assert ledger.inbox() == {message["id"]}


@pytest.mark.parametrize(
    ("direction", "left"),
    [("input", {"output"}), ("output", {"input"}), (None, set())],
    ids=["input", "output", "both"],
)
def test_an_invalidation_ends_rows_of_the_direction_that_it_says(
    ours: Tenant, ledger: Ledger, world: World, direction: Direction | None, left: set[str]
) -> None:
    for each in ("input", "output"):
        world.provenance(ours.companies[0], ours.connector, each)
    applied(invalidated(ours.connector, ours.companies[:1], direction))
    assert {of for _, _, of, live in ledger.rows() if live} == left


@WAYS
def test_it_leaves_others_alone(ours: Tenant, ledger: Ledger, world: World, way: str) -> None:
    company, other = ours.companies[:2]
    world.provenance(other, ours.connector)
    world.provenance(company, ours.other_connector)
    if way == "relink":
        world.provenance(company, ours.connector, "output")
    before = ledger.rows()
    applied(ending(way, ours.connector, [company]))
    assert ledger.rows() == before + made(way, [company])


@pytest.mark.parametrize("way", ["relink", "invalidation", "disconnect"])
def test_it_stamps_what_it_ends_and_nothing_else(ours: Tenant, ledger: Ledger, world: World, way: str) -> None:
    world.tombstone(world.provenance(ours.companies[0], ours.connector))
    ledger.sql(
        "UPDATE core_api.company_workspace_connectors SET updated_at = now() - interval '1 day',"
        " deleted_at = now() - interval '1 day'"
    )
    (long_ago,) = ledger.times("company")
    world.provenance(ours.companies[0], ours.connector)
    applied(ending(way, ours.connector, ours.companies[:1]))
    ended_before, ended_now, *live = ledger.times("company")
    assert ended_before == long_ago
    assert ended_now.deleted_at == ended_now.updated_at is not None
    assert [row.deleted_at for row in live] == ([None] if way == "relink" else [])


@WAYS
def test_records_that_have_no_live_row_are_no_failure(ours: Tenant, ledger: Ledger, log: Log, way: str) -> None:
    applied(ending(way, ours.connector, [*ours.companies, ours.companies[0]]))
    linked = made(way, ours.companies)
    assert ledger.rows() == linked
    (line,) = [line for line in log if line["message"] == "message applied"]
    assert (line["records"], line["inserted"], line["tombstoned"]) == (len(ours.companies), linked.total(), 0)


@pytest.mark.parametrize("way", ["invalidation", "disconnect"])
def test_rows_of_what_is_gone_end_too(ours: Tenant, ledger: Ledger, orphan: Row, way: str) -> None:
    """To end a row nobody asks whether its parents are live: they may have been removed for the same reason."""
    applied(ending(way, ours.connector, [orphan]))
    assert ledger.rows() == {("company", orphan.id, "input", False): 1}


@pytest.mark.long
@WAYS
def test_ten_messages_of_three_thousand_records_are_one_unit(
    ours: Tenant, ledger: Ledger, world: World, statements: Statements, way: str
) -> None:
    companies = world.companies(ours.workspace, 30_000)
    batches = [companies[start::10] for start in range(10)]
    assert consume(*(synced(ours.connector, records) for records in batches)) == []
    statements.clear()
    assert consume(*(ending(way, ours.connector, records) for records in batches)) == []
    assert units(statements) == 1
    assert ledger.live() == (ids(companies) if way == "relink" else {})


class TestStatements:
    def test_what_ends_earlier_rows_begins_a_unit(self, ours: Tenant, theirs: Tenant, statements: Statements) -> None:
        relinks = (synced(ours.connector, ours.mixed, mode="relink") for _ in range(3))
        others = (synced(theirs.connector, theirs.mixed) for _ in range(3))
        assert consume(*relinks, *others) == []
        assert units(statements) == 3

    def test_a_message_that_ends_other_rows_does_not(self, ours: Tenant, statements: Statements) -> None:
        relinks = [synced(ours.connector, [record], mode="relink") for record in ours.mixed]
        assert consume(*relinks, synced(ours.other_connector, ours.mixed, mode="relink")) == []
        assert units(statements) == 1

    def test_what_comes_twice_is_known_to_be_done_in_the_second_unit(
        self, ours: Tenant, statements: Statements, log: Log
    ) -> None:
        message = synced(ours.connector, ours.mixed)
        assert consume(message, message) == []
        assert units(statements) == 2
        assert outcomes(log) == ["applied", "duplicate"]


@pytest.mark.parametrize("mode", ["append", "relink"])
def test_what_is_sent_again_behind_what_ends_its_rows_is_overtaken(ours: Tenant, ledger: Ledger, mode: str) -> None:
    late = absent()
    old = synced(ours.connector, [ours.companies[0], late], mode=mode)
    assert consume(old) == []
    ours.come(late)
    newer = invalidated(ours.connector, [ours.companies[0], late])
    assert consume(newer, old) == []
    assert ledger.fate(old) == ("parked", "overtaken")
    assert not ledger.live(ours.connector)


def test_a_row_that_is_made_and_ended_in_one_batch_is_kept_as_history(ours: Tenant, ledger: Ledger) -> None:
    company = ours.companies[0]
    assert consume(synced(ours.connector, [company]), invalidated(ours.connector, [company])) == []
    ((created, updated, deleted),) = ledger.times("company")
    assert created == updated == deleted


@pytest.fixture
def providers(world: World) -> list[Row]:
    return [world.provider(f"provider-{number}") for number in range(4)]


def test_it_matches_selects_nothing_and_updates_only_what_it_changes(
    ours: Tenant, providers: list[Row], ledger: Ledger, world: World, log: Log
) -> None:
    gone, (selected, plain, known, new) = world.provider("gone"), providers
    world.tombstone(world.choose(ours.workspace, gone, is_matched=True))
    world.choose(ours.workspace, selected, is_selected=True, is_matched=True)
    world.choose(ours.workspace, plain)
    world.choose(ours.workspace, known, is_matched=True)
    ledger.sql("UPDATE core_api.workspace_providers SET updated_at = now() - interval '1 day'")
    message = matched(ours.workspace, [*providers, gone, selected])
    applied(message)
    assert ledger.choices(ours.workspace) == {
        (gone.id, False, True, False): 1,
        (selected.id, True, True, True): 1,
        **{(provider.id, False, True, True): 1 for provider in (plain, known, new, gone)},
    }
    changed = "SELECT updated_at > now() - interval '1 hour' FROM core_api.workspace_providers ORDER BY pk"
    assert [row[0] for row in ledger.sql(changed)] == [False, False, True, False, True, True]
    assert ledger.inbox() == {message["id"]}
    (line,) = [line for line in log if line["message"] == "message applied"]
    assert (line["records"], line["matched"], line["message_group"]) == (5, 3, str(ours.workspace.id))


def test_messages_of_one_batch_may_match_the_same(
    ours: Tenant, theirs: Tenant, providers: list[Row], ledger: Ledger, log: Log, statements: Statements
) -> None:
    batch = [matched(of.workspace, providers[number:]) for of in (ours, theirs) for number in range(3)]
    assert consume(*batch) == []
    assert units(statements) == 1
    for of in (ours, theirs):
        assert ledger.choices(of.workspace) == {(provider.id, False, True, True): 1 for provider in providers}
    assert [line["matched"] for line in log if line["message"] == "message applied"] == [4, 0, 0, 4, 0, 0]


# What begins the transaction leaves with the first look at the batch; then what it writes, then COMMIT.
MOST = 3


def test_a_batch_takes_as_many_as_one_message_of_one_record(
    fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant, ledger: Ledger, world: World, flushes: Flushes
) -> None:
    def trips(*batch: Body) -> int:
        flushes.clear()
        assert consume(*batch) == []
        # One by one, a batch has a statement more for each thing to do.
        assert flushes.are(len(flushes))
        return len(flushes) if databases.pipelining == "true" else MOST

    providers = [world.provider(f"provider-{number}") for number in range(3)]
    companies = world.companies(ours.workspace, 1000)
    hundreds = [companies[start::10] for start in range(10)]
    trips(synced(ours.connector, companies[:1]))
    one = trips(synced(ours.connector, companies[:1]))
    many = trips(*(synced(ours.connector, records) for records in hundreds))
    relinked = trips(*(synced(ours.connector, records, mode="relink") for records in hundreds))
    mixed: list[Any] = [
        invalidated(ours.connector, companies),
        synced(ours.other_connector, companies),
        matched(theirs.workspace, providers),
        synced(theirs.connector, theirs.mixed),
    ]
    assert {one, many, relinked, trips(*mixed)} == {one}
    assert one <= MOST
    assert ledger.live() == ids(theirs.mixed) + ids(companies)


COUNTS = ("records", "inserted", "tombstoned", "matched")


@pytest.fixture
def mixed(ours: Tenant, theirs: Tenant, world: World) -> list[Any]:
    done = synced(theirs.connector, theirs.mixed)
    consume(done)
    provider = world.provider("provider")
    return [
        synced(ours.connector, ours.mixed),
        invalidated(ours.connector, ours.mixed[:2]),
        matched(ours.workspace, [provider]),
        disconnected(ours.other_connector),
        done,
        synced(theirs.other_connector, [absent()]),
        disconnected(theirs.other_connector),
    ]


def test_there_is_a_line_for_each_message(mixed: list[Any], log: Log) -> None:
    log.clear()
    assert consume(*mixed) == []
    lines = [line for line in log if "outcome" in line]
    assert [line["message_id"] for line in lines] == [message["id"] for message in mixed]
    assert [line["outcome"] for line in lines] == [*["applied"] * 4, "duplicate", "parked", "applied"]
    assert [tuple(line[name] for name in COUNTS) for line in lines] == [
        (3, 3, 0, 0),
        (2, 0, 2, 0),
        (1, 0, 0, 1),
        (0, 0, 0, 0),
        (3, 0, 0, 0),
        (1, 0, 0, 0),
        (0, 0, 0, 0),
    ]
    assert {line["request_id"] for line in log} == {Context().aws_request_id}
    (batch,) = [line for line in log if line["message"] == "batch done"]
    summed = ("messages", "applied", "duplicate", "parked", "records", "inserted", "tombstoned")
    assert tuple(batch[name] for name in summed) == (7, 5, 1, 1, 10, 3, 2)


def test_the_metrics_say_what_became_of_them(mixed: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    consume(*mixed)
    values = emitted(capsys)
    assert values.pop("RecordsPerSecond") > 0
    assert values.pop("OldestMessageAge") > 0
    assert values == {
        "Messages": 7,
        "Records": 6,
        "Tombstones": 2,
        "DuplicatesSkipped": 1,
        "Parked": 1,
        "TransientFailures": 0,
    }


def test_the_metrics_count_what_is_returned(ours: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    consume("not json")
    capsys.readouterr()
    consume(synced(ours.connector, ours.mixed), "not json", context=Context(milliseconds=0))
    values = emitted(capsys)
    assert (values["Messages"], values["Records"]) == (2, 0)
    assert (values["Parked"], values["TransientFailures"]) == (0, 2)
    assert "RecordsPerSecond" not in values


def test_the_age_is_that_of_the_oldest_message(
    ours: Tenant, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("wellspring.handlers.sync.time.time", lambda: now)
    records = [delivery(synced(ours.connector, ours.mixed)) for _ in range(3)]
    for record, age in zip(records, (5, 90, 1), strict=True):
        record["attributes"]["SentTimestamp"] = str(int((now - age) * 1000))
    replay({"Records": records})
    assert emitted(capsys)["OldestMessageAge"] == pytest.approx(90, abs=0.01)


@pytest.mark.parametrize(
    ("functions", "others"),
    [
        (("company_workspace_connector.list", "maintenance.prune"), "wellspring.metrics"),
        (("sync.consume", "feed.consume", "maintenance.settle"), "wellspring.jsonapi"),
    ],
    ids=["readers no metrics", "consumers no JSON:API"],
)
def test_a_function_imports_nothing_of_others(functions: Sequence[str], others: str) -> None:
    program = "".join(f"import {name}; " for name in functions)
    program += f"import sys; print([name for name in sys.modules if name.startswith('{others}')])"
    path = {"PYTHONPATH": f"{ROOT / 'layers/shared'}:{ROOT / 'functions'}"}
    done = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
