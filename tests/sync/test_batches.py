"""Several messages at once: what goes back, in which order things happen, and in how many statements."""

from typing import Any

import pytest

from tests.support.databases import Statements
from tests.support.queue import consume, invalidated, synced
from tests.support.world import World
from tests.sync.conftest import Ledger, Log, Tenant, absent, bringing, ids, outcomes, units


@pytest.fixture
def poison(ours: Tenant) -> dict[str, Any]:
    """A message of our connector's group that can never succeed."""
    return synced(ours.connector, [absent()])


class TestAFailure:
    def test_does_not_hinder_what_follows_in_its_group(
        self, ours: Tenant, theirs: Tenant, ledger: Ledger, poison: dict[str, Any], log: Log
    ) -> None:
        first, second, third = (synced(ours.connector, [row]) for row in ours.companies[:3])
        other = synced(theirs.connector, theirs.companies)
        assert consume(first, poison, second, other, third) == []
        assert ledger.live() == ids([*ours.companies[:3], *theirs.companies])
        assert outcomes(log) == ["applied", "parked", "applied", "applied", "applied"]

    def test_of_a_malformed_body_does_not_hinder_its_group(self, ours: Tenant, theirs: Tenant, ledger: Ledger) -> None:
        first, second = (synced(ours.connector, [row]) for row in ours.companies[:2])
        other = synced(theirs.connector, theirs.companies)
        mine, its = str(ours.connector.id), str(theirs.connector.id)
        assert consume(first, "not json", second, other, groups=[mine, mine, mine, its]) == []
        assert ledger.live() == ids([*ours.companies[:2], *theirs.companies])


class TestOrder:
    def test_a_relink_after_a_parked_message_of_its_group_is_applied(
        self, ours: Tenant, ledger: Ledger, poison: dict[str, Any]
    ) -> None:
        company = ours.companies[0]
        relink = synced(ours.connector, [company], mode="relink")
        assert consume(synced(ours.connector, [company]), poison, relink) == []
        assert ledger.live() == ids([company])


class TestStatements:
    """A batch is a handful of statements, whatever its size (contract, section 5)."""

    def test_ten_messages_of_three_thousand_records_of_mixed_types_are_one_unit(
        self, ours: Tenant, ledger: Ledger, world: World, statements: Statements
    ) -> None:
        amounts = {"company": 16_000, "account": 7_000, "people": 7_000}
        records = [row for type_, amount in amounts.items() for row in world.records(type_, ours.workspace, amount)]
        assert consume(*(synced(ours.connector, records[start::10]) for start in range(10))) == []
        assert units(statements) == 1
        assert ledger.live() == ids(records)

    def test_a_message_that_ends_rows_of_an_earlier_one_begins_another_unit(
        self, ours: Tenant, theirs: Tenant, statements: Statements
    ) -> None:
        relinks = (synced(ours.connector, ours.mixed, mode="relink") for _ in range(3))
        others = (synced(theirs.connector, theirs.mixed) for _ in range(3))
        assert consume(*relinks, *others) == []
        assert units(statements) == 3

    def test_a_message_that_ends_other_rows_does_not(self, ours: Tenant, statements: Statements) -> None:
        relinks = [synced(ours.connector, [record], mode="relink") for record in ours.mixed]
        assert consume(*relinks, synced(ours.other_connector, ours.mixed, mode="relink")) == []
        assert units(statements) == 1

    def test_a_message_that_comes_twice_is_known_to_be_done_in_the_second_unit(
        self, ours: Tenant, statements: Statements, log: Log
    ) -> None:
        message = synced(ours.connector, ours.mixed)
        assert consume(message, message) == []
        assert units(statements) == 2
        assert outcomes(log) == ["applied", "duplicate"]

    def test_a_message_that_names_what_an_earlier_one_makes_is_applied_in_the_second_unit(
        self, ours: Tenant, statements: Statements, log: Log
    ) -> None:
        made = absent()
        assert consume(bringing(ours.connector, made), synced(ours.other_connector, [made])) == []
        assert units(statements) == 2
        assert outcomes(log) == ["applied", "applied"]

    def test_a_batch_of_nothing_but_malformed_bodies_is_parked_in_one(self, statements: Statements) -> None:
        assert consume("", "{}") == []
        assert units(statements) == 1


def test_the_batch_is_summed_up_in_one_line(
    ours: Tenant, theirs: Tenant, log: Log, poison: dict[str, Any], world: World
) -> None:
    world.provenance(theirs.companies[0], theirs.connector)
    done = synced(theirs.connector, theirs.companies[:1])
    consume(done)
    log.clear()
    relink = synced(theirs.connector, theirs.companies, mode="relink")
    consume(poison, synced(ours.connector, ours.mixed), done, relink)
    (line,) = [line for line in log if line["message"] == "batch done"]
    assert {name: line[name] for name in ("messages", "applied", "duplicate", "parked")} == {
        "messages": 4,
        "applied": 2,
        "duplicate": 1,
        "parked": 1,
    }
    assert (line["records"], line["inserted"], line["tombstoned"]) == (9, 7, 2)


@pytest.mark.parametrize("mode", ["append", "relink"])
def test_a_message_sent_again_behind_what_ends_its_rows_is_overtaken_in_their_batch(
    ours: Tenant, ledger: Ledger, mode: str
) -> None:
    late = absent()
    old = synced(ours.connector, [ours.companies[0], late], mode=mode)
    assert consume(old) == []
    ours.come(late)
    newer = invalidated(ours.connector, [ours.companies[0], late])
    assert consume(newer, old) == []
    assert (ledger.messages()[old["id"]].outcome, ledger.messages()[old["id"]].reason) == ("parked", "overtaken")
    assert not ledger.live(ours.connector)


def test_a_row_that_is_made_and_ended_in_one_batch_is_kept_as_history(ours: Tenant, ledger: Ledger) -> None:
    company = ours.companies[0]
    assert consume(synced(ours.connector, [company]), invalidated(ours.connector, [company])) == []
    ((created, updated, deleted),) = ledger.times("company")
    assert created == updated == deleted
