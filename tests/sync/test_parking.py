"""Messages that are parked: for which reason, for how long, and whose they are."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.support.queue import Body, consume, delivery, disconnected, matched, replay, synced
from tests.support.wire import Flushes
from tests.support.world import Row
from tests.sync.conftest import Ledger, Tenant, absent, fail, ids


class TestWhatMissesARecord:
    @pytest.fixture
    def missing(self) -> Row:
        return absent()

    def test_keeps_its_reason_when_it_comes_again_behind_what_would_overtake_it(
        self, ours: Tenant, ledger: Ledger, missing: Row
    ) -> None:
        message = synced(ours.connector, [missing, ours.companies[0]], mode="relink")
        follower = synced(ours.connector, ours.companies)
        for _ in range(2):
            assert consume(message, follower) == []
            assert ledger.reasons() == {"unknown_record": 1, None: 1}
            assert ledger.waits_for() == {("company", str(missing.id))}
            assert ledger.parked_of(ours.connector) == 1


def test_a_parked_disconnect_is_its_connectors_and_counted_once(ours: Tenant, ledger: Ledger) -> None:
    message = disconnected(ours.connector)
    for _ in range(2):
        assert consume(message, groups=["another"]) == []
        row = ledger.messages()[message["id"]]
        assert (row.outcome, row.reason) == ("parked", "wrong_group")
        assert (row.workspace_connector_pk, row.workspace_pk) == (ours.connector.pk, ours.workspace.pk)
        assert ledger.parked_of(ours.connector) == 1
    assert consume(message) == []
    assert ledger.messages()[message["id"]].outcome == "applied"
    assert ledger.parked_of(ours.connector) == 0


@pytest.mark.parametrize("spelling", [str.upper, str.title])
def test_a_group_is_the_id_as_it_is_written_in_lower_case_for_sqs_takes_another_spelling_for_another_group(
    ours: Tenant, ledger: Ledger, spelling: Callable[[str], str]
) -> None:
    message, choice = synced(ours.connector, ours.companies), matched(ours.workspace, [uuid4()])
    groups = [spelling(str(row.id)) for row in (ours.connector, ours.workspace)]
    assert groups[0] != str(ours.connector.id)
    assert consume(message, choice, groups=groups) == []
    assert not ledger.live()
    assert ledger.messages()[message["id"]].reason == "wrong_group"


class TestWhatIsMalformed:
    def test_is_its_connectors_and_counted_once(self, ours: Tenant, ledger: Ledger) -> None:
        message = synced(ours.connector, ours.companies) | {"direction": "sideways", "run": "nightly"}
        for _ in range(2):
            assert consume(message) == []
            row = ledger.messages()[message["id"]]
            assert (row.outcome, row.reason, row.run) == ("parked", "malformed", "nightly")
            assert (row.workspace_connector_pk, row.workspace_pk) == (ours.connector.pk, ours.workspace.pk)
            assert ledger.parked_of(ours.connector) == 1

    def test_overtakes_nothing_that_waits(self, ours: Tenant, ledger: Ledger) -> None:
        missing = absent()
        message = synced(ours.connector, [missing], mode="relink")
        assert consume(message, synced(ours.connector, ours.companies) | {"direction": None}) == []
        ours.come(missing)
        assert consume(message) == []
        assert ledger.live() == ids([missing])

    def test_takes_no_round_trip_of_its_own(self, ours: Tenant, flushes: Flushes) -> None:
        good, bad = synced(ours.connector, ours.companies), synced(ours.connector, ours.companies) | {"direction": 1}
        consume(good)
        of_good = len(flushes)
        flushes.clear()
        consume(synced(ours.connector, ours.companies), bad)
        assert flushes.are(of_good)


def received(body: Body, times: int) -> dict[str, Any]:
    record = delivery(body)
    return record | {"attributes": record["attributes"] | {"ApproximateReceiveCount": str(times)}}


def test_a_message_that_fails_for_a_reason_of_its_own_is_parked_at_its_fourth_receive_as_its_connectors(
    ours: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = synced(ours.connector, ours.mixed), synced(ours.connector, ours.companies)
    fail(monkeypatch, bad)
    assert replay({"Records": [received(bad, 3), received(good, 3)]}) == [0, 1]
    assert not ledger.messages()
    assert replay({"Records": [received(bad, 4), received(good, 4)]}) == []
    assert ledger.live() == ids(ours.companies)
    row = ledger.messages()[bad["id"]]
    assert (row.outcome, row.reason) == ("parked", "unexpected")
    assert (row.workspace_connector_pk, row.workspace_pk) == (ours.connector.pk, ours.workspace.pk)
    assert ledger.parked_of(ours.connector) == 1
