"""An operator's verbs of the maintenance function: releasing parked messages, and recounting the sums."""

from typing import Any
from uuid import uuid4

import pytest

from maintenance.settle import handler
from tests.support.api import Context
from tests.support.queue import consume, invalidated, synced
from tests.sync.conftest import Ledger, Tenant, absent, ids
from wellspring.errors import NotFound
from wellspring.services import recounting
from wellspring.services.sync import releasing


def ask(verb: str, **members: Any) -> dict[str, Any]:
    return handler({"Verb": verb, **members}, Context())


def came_to(matching: int, released: int, still_parked: int = 0, remaining: int = 0) -> dict[str, int]:
    return {"matching": matching, "released": released, "still_parked": still_parked, "remaining": remaining}


def reasons(ledger: Ledger) -> dict[str, int]:
    return {reason: number for reason, number in ledger.reasons().items() if reason}


class TestRelease:
    def test_of_all_tries_each_connectors_messages_and_those_of_none(self, ours: Tenant, ledger: Ledger) -> None:
        come, missing, nobody = absent(), absent(), absent("workspace_connector")
        consume(synced(ours.connector, [come]), synced(ours.other_connector, [missing]), synced(nobody, [come]))
        ours.come(come)
        assert ask("Release", DryRun=True) == came_to(3, 0, remaining=3)
        assert not ledger.live()
        assert ask("Release") == came_to(3, 1, 2)
        assert ledger.live() == ids([come])
        assert reasons(ledger) == {"unknown_record": 1, "unknown_connector": 1}

    def test_of_a_connector_and_a_reason_leaves_the_others(self, ours: Tenant, ledger: Ledger) -> None:
        come = absent()
        consume(synced(ours.connector, [come]), synced(ours.other_connector, [come]))
        ours.come(come)
        connector = str(ours.connector.id)
        assert ask("Release", Connector=connector, Reason="tenant_mismatch") == came_to(0, 0)
        assert ask("Release", Connector=connector, Reason="unknown_record") == came_to(1, 1)
        assert ledger.live(ours.other_connector) == {}
        assert ask("Release", Reason="unknown_record") == came_to(1, 1)

    def test_does_not_try_what_was_overtaken(self, ours: Tenant, ledger: Ledger) -> None:
        come = absent()
        consume(synced(ours.connector, [come]))
        consume(invalidated(ours.connector, ours.companies[:1]))
        ours.come(come)
        assert ask("Release") == came_to(1, 0, 1)
        assert reasons(ledger) == {"overtaken": 1}
        assert ask("Release") == came_to(0, 0)

    def test_leaves_what_is_too_much_for_it_and_says_how_many(
        self, ours: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(releasing, "BY_HAND", 2)
        monkeypatch.setattr(releasing, "TOGETHER", 1)
        come = absent()
        consume(*(synced(ours.connector, [come]) for _ in range(3)))
        ours.come(come)
        assert ask("Release") == came_to(3, 2, remaining=1)
        assert ask("Release") == came_to(1, 1)

    def test_of_a_connector_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(NotFound):
            ask("Release", Connector=str(uuid4()))


class TestRecount:
    def test_finds_nothing_where_all_is_well_and_what_somebody_spoilt(self, ours: Tenant, ledger: Ledger) -> None:
        consume(synced(ours.connector, ours.mixed), synced(ours.connector, [absent()]))
        well = ask("Recount")
        assert (well["different"], well["differences"], well["is_all"]) == (0, [], True)
        assert well["connectors"] >= 2
        mine = f"WHERE workspace_connector_pk = {ours.connector.pk}"
        ledger.sql(f"UPDATE wellspring.connector_rows SET live = live + 2 {mine} AND type = 'company'")
        ledger.sql(f"UPDATE wellspring.connector_state SET parked_messages = 0, live_rows = 0 {mine}")
        found = ask("Recount")
        told = {"date": None, "connector_id": str(ours.connector.id)}
        assert found["different"] == 3
        assert found["differences"] == [
            {**told, "name": "live", "type": "company", "direction": "input", "counted": 1, "kept": 3},
            {**told, "name": "live_rows", "type": None, "direction": None, "counted": 3, "kept": 0},
            {**told, "name": "parked_messages", "type": None, "direction": None, "counted": 1, "kept": 0},
        ]
        # What is missing is added where the owner has it mended.
        span = f"{ours.connector.pk}, {ours.connector.pk + 1}"
        mended = ledger.sql(f"SELECT name FROM wellspring.recount({span}, true)")
        assert sorted(row.name for row in mended) == ["live", "live_rows", "parked_messages"]
        assert ask("Recount")["different"] == 0

    def test_goes_on_behind_the_connector_that_it_came_to(self, ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recounting, "TOGETHER", 1)
        all_of_them = ask("Recount")["connectors"]
        behind_ours = ask("Recount", After=str(ours.connector.id))["connectors"]
        assert 1 <= behind_ours < all_of_them
        none = handler({"Verb": "Recount"}, Context(milliseconds=0))
        assert (none["connectors"], none["is_all"], none["after"]) == (0, False, None)
        with pytest.raises(NotFound):
            ask("Recount", After=str(uuid4()))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"Verb": "Forget"}, "There is no verb 'Forget'; there are Release, Recount."),
        ({"Verb": "Recount", "Reason": "expired"}, "Recount does not take Reason; it takes After."),
        ({"Verb": "Release", "Reason": "bored"}, "There is no reason 'bored'"),
        ({"Verb": "Release", "DryRun": "yes"}, "DryRun is true or false."),
        ({"Verb": "Release", "Connector": "no-uuid"}, "Connector is the uuid of a workspace connector."),
        ({"Verb": "Recount", "After": 7}, "After is the uuid of a workspace connector."),
    ],
)
def test_what_it_does_not_know_is_refused_in_words(event: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        handler(event, Context())
