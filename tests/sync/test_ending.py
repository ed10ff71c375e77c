"""Ending live rows of records on a connector: all that a `records.invalidated` does, and what a relink does first."""

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.support.databases import Statements
from tests.support.queue import consume, invalidated, synced
from tests.support.world import Direction, Row, World
from tests.sync.conftest import Ledger, Log, Tenant, applied, ending, ids, units

WAYS = pytest.mark.parametrize("way", ["relink", "invalidation"])


def made(way: str, records: Sequence[Row]) -> Counter[object]:
    """Return the rows that a message makes which ends those of these records."""
    return Counter((row.type, row.id, "input", True) for row in records if way == "relink")


@WAYS
def test_it_ends_all_live_rows_of_its_records_on_its_connector(
    ours: Tenant, ledger: Ledger, world: World, way: str
) -> None:
    for record in (*ours.mixed, ours.mixed[0]):
        world.provenance(record, ours.connector)
    message = ending(way, ours.connector, ours.mixed)
    applied(message)
    first, *others = ours.mixed
    ended = {(row.type, row.id, "input", False): 1 for row in others} | {(first.type, first.id, "input", False): 2}
    assert ledger.rows() == ended | made(way, ours.mixed)
    assert {str(id_) for id_ in ledger.inbox()} == {message["id"]}


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
def test_it_leaves_other_records_connectors_and_directions_alone(
    ours: Tenant, ledger: Ledger, world: World, way: str
) -> None:
    company, other = ours.companies[:2]
    world.provenance(other, ours.connector)
    world.provenance(company, ours.other_connector)
    if way == "relink":
        world.provenance(company, ours.connector, "output")
    before = ledger.rows()
    applied(ending(way, ours.connector, [company]))
    assert ledger.rows() == before + made(way, [company])


@pytest.mark.parametrize("way", ["relink", "invalidation", "disconnect"])
def test_it_stamps_what_it_ends_and_nothing_that_had_ended_before(
    ours: Tenant, ledger: Ledger, world: World, way: str
) -> None:
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
