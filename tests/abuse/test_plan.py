"""The harness's plan, and its expectations, are right when nothing goes wrong. Quick: no queue, no processes."""

from collections import Counter
from dataclasses import replace

import pytest

from maintenance.settle import handler as settle
from tests.abuse.harness import Delivery, Freeze, known_types
from tests.abuse.ledger import Ledger, bring, populate
from tests.abuse.plan import Author, Cast, Expected, Send, mended
from tests.support.api import Context
from tests.support.databases import CONSUMER, FreshDatabase
from tests.support.queue import consume

MANY = 500


@pytest.fixture
def database(fresh_database: FreshDatabase) -> FreshDatabase:
    fresh_database.role = CONSUMER
    return fresh_database


@pytest.fixture
def cast(database: FreshDatabase) -> Cast:
    return populate(database.url)


def written(cast: Cast, seed: int, most: int = MANY) -> list[Send]:
    return Author(seed, cast, known_types()).write(most)


def test_a_seed_gives_the_same_messages_again_and_another_one_others(cast: Cast) -> None:
    assert written(cast, 7) == written(cast, 7)
    assert written(cast, 7) != written(cast, 8)


def test_messages_of_every_type_are_sent_poisoned_in_every_way_and_again_with_the_same_id(cast: Cast) -> None:
    sends = written(cast, 1, 20_000)
    assert {send.body["type"] for send in sends if send.body} == set(known_types())
    assert {send.reason for send in sends if send.body is None} == {
        "malformed",
        "unknown_connector",
        "unknown_record",
        "unknown_workspace",
        "unknown_provider",
        "tenant_mismatch",
        "wrong_group",
        "reused_id",
        "reverted_run",
    }
    assert {"attributes" in record for send in sends if send.body for record in send.body.get("records", [])} == {
        True,
        False,
    }
    reverts = [send.body for send in sends if send.body and send.body["type"] == "sync.reverted"]
    assert {"run" in body for body in reverts} == {True, False}
    times = Counter((send.group, send.id) for send in sends if send.body)
    assert max(times.values()) > 1


def test_in_peace_the_ledger_is_as_expected_and_the_order_shows(database: FreshDatabase, cast: Cast) -> None:
    before = Ledger.read(database.url)
    expected, reversed_ = (Expected(before.rows, set(before.matched)) for _ in range(2))
    done: dict[str, Send] = {}
    poisoned: dict[str, str] = {}
    sends = written(cast, 5)
    for send in sends:
        assert consume(send.text, groups=[send.group]) == [], send
        if send.body is None:
            poisoned[send.digest] = send.reason
        elif send.id not in done:
            done[send.id] = send
            expected.apply(send.body)
    after = Ledger.read(database.url)
    assert after.rows == expected.rows
    # Snapshots have ended something.
    assert expected.gone > 0
    assert after.matched == expected.matched
    assert after.applied.keys() == done.keys()
    assert {message.digest: message.reason for message in after.messages if message.outcome == "parked"} == poisoned
    assert len(after.messages) == len(done) + len(poisoned)
    assert not after.differences
    made = {record: owner for record, owner in after.records.items() if record not in before.records}
    assert made == {
        record: after.connectors[connector]
        for record, connector in expected.brought.items()
        if record not in before.records
    }
    assert made
    assert after.made == Counter(record.type for record in made)
    assert not before.untouchable - after.untouchable
    assert sum((after.untouchable - before.untouchable).values()) == len(made)
    assert after.selected == before.selected
    again = mended(sends)
    overtaken = after.overtaken() & {send.digest for send in again}
    bring(database.url, cast, sends)
    for number, send in enumerate(again):
        # Half of it nobody sends again.
        if number % 2:
            settle({}, Context())
        else:
            assert consume(send.text, groups=[send.group]) == [], send
        if send.digest in overtaken:
            poisoned[send.digest] = "overtaken"
        else:
            del poisoned[send.digest]
            assert send.body is not None
            expected.apply(send.body)
    assert 0 < len(overtaken) < len(again)
    at_last = Ledger.read(database.url)
    assert at_last.rows == expected.rows
    assert {message.digest: message.reason for message in at_last.messages if message.outcome == "parked"} == poisoned
    assert not at_last.differences
    for send in reversed(done.values()):
        assert send.body is not None
        reversed_.apply(send.body)
    assert after.rows != reversed_.rows


def test_a_freeze_proves_something_where_others_had_its_messages_and_it_went_on_with_them() -> None:
    def delivery(at: float, *ids: str, failed: set[str] | None) -> Delivery:
        return Delivery(at, {"Records": [{"messageId": id_} for id_ in ids]}, failed)

    mine, theirs = delivery(1, "a", "b", failed=set()), delivery(5, "b", failed=set())
    assert Freeze(mine, since=2, until=6).was_overtaken([mine, theirs])
    # Too soon over; of something else; and killed.
    assert not Freeze(mine, since=2, until=4).was_overtaken([mine, theirs])
    assert not Freeze(mine, since=2, until=6).was_overtaken([mine, delivery(5, "c", failed=set())])
    assert not Freeze(replace(mine, failed=None), since=2, until=6).was_overtaken([theirs])
