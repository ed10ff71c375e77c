"""Several messages at once: what goes back, in which order things happen, and in how many statements."""


import pytest

from tests.support.databases import Statements
from tests.support.queue import consume, invalidated, synced
from tests.sync.conftest import Ledger, Tenant, absent, units


class TestStatements:
    """A batch is a handful of statements, whatever its size (contract, section 5)."""

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
