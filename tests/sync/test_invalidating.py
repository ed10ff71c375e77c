"""`records.invalidated`: its effects on the ledger, and what it must not do."""

import pytest

from tests.support.databases import Statements
from tests.support.queue import consume, disconnected, invalidated
from tests.support.world import Direction, Row, World
from tests.sync.conftest import Ledger, Log, Tenant, units


def test_it_ends_all_live_rows_of_its_records_on_its_connector(ours: Tenant, ledger: Ledger, world: World) -> None:
    for record in (*ours.mixed, ours.mixed[0]):
        world.provenance(record, ours.connector)
    message = invalidated(ours.connector, ours.mixed)
    assert consume(message) == []
    first, *others = ours.mixed
    expected = {(row.type, row.id, "input", False): 1 for row in others}
    assert ledger.rows() == expected | {(first.type, first.id, "input", False): 2}
    assert {str(id_) for id_ in ledger.inbox()} == {message["id"]}


@pytest.mark.parametrize(
    ("direction", "left"),
    [("input", {"output"}), ("output", {"input"}), (None, set())],
    ids=["input", "output", "both"],
)
def test_it_ends_rows_of_the_direction_that_it_says(
    ours: Tenant, ledger: Ledger, world: World, direction: Direction | None, left: set[str]
) -> None:
    for each in ("input", "output"):
        world.provenance(ours.companies[0], ours.connector, each)
    assert consume(invalidated(ours.connector, ours.companies[:1], direction)) == []
    assert {of for _, _, of, live in ledger.rows() if live} == left


def test_it_leaves_other_records_and_connectors_alone(ours: Tenant, ledger: Ledger, world: World) -> None:
    company, other = ours.companies[:2]
    world.provenance(other, ours.connector)
    world.provenance(company, ours.other_connector)
    before = ledger.rows()
    assert consume(invalidated(ours.connector, [company])) == []
    assert ledger.rows() == before


def test_it_stamps_what_it_ends_and_nothing_that_had_ended_before(ours: Tenant, ledger: Ledger, world: World) -> None:
    world.tombstone(world.provenance(ours.companies[0], ours.connector))
    world.database.owner.exec_driver_sql(
        "UPDATE core_api.company_workspace_connectors SET updated_at = now() - interval '1 day',"
        " deleted_at = now() - interval '1 day'"
    )
    (long_ago,) = ledger.times("company")
    world.provenance(ours.companies[0], ours.connector)
    consume(invalidated(ours.connector, ours.companies[:1]))
    ended_before, ended_now = ledger.times("company")
    assert ended_before == long_ago
    assert ended_now.deleted_at == ended_now.updated_at is not None


def test_records_that_have_no_live_row_are_no_failure(ours: Tenant, ledger: Ledger, log: Log) -> None:
    message = invalidated(ours.connector, [*ours.companies, ours.companies[0]])
    assert consume(message) == []
    assert not ledger.rows()
    (line,) = [line for line in log if line["message"] == "message applied"]
    assert (line["records"], line["inserted"], line["tombstoned"]) == (len(ours.companies), 0, 0)


@pytest.mark.parametrize("ends", ["invalidation", "disconnect"])
def test_rows_of_what_is_gone_end_too(ours: Tenant, ledger: Ledger, orphan: Row, ends: str) -> None:
    """To end a row nobody asks whether its parents are live: they may have been removed for the same reason."""
    body = invalidated(ours.connector, [orphan]) if ends == "invalidation" else disconnected(ours.connector)
    assert consume(body) == []
    assert ledger.rows() == {("company", orphan.id, "input", False): 1}


@pytest.mark.long
def test_ten_messages_of_three_thousand_records_are_one_statement(
    ours: Tenant, ledger: Ledger, world: World, statements: Statements
) -> None:
    companies = world.companies(ours.workspace, 30_000)
    world.provenances(companies, ours.connector)
    batch = [invalidated(ours.connector, companies[start::10]) for start in range(10)]
    assert consume(*batch) == []
    assert units(statements) == 1
    assert not ledger.live()
