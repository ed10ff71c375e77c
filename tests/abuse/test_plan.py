"""The harness's plan, and its verdict, are right when nothing goes wrong. Quick: no queue, no processes."""

from collections import Counter
from dataclasses import replace

import pytest

from local.postgres import Cluster
from maintenance.settle import handler as settle
from tests.abuse.harness import Freeze
from tests.abuse.ledger import Ledger, bring, populate
from tests.abuse.plan import Author, Cast, Send, effective, mended
from tests.abuse.processes import Delivery
from tests.support.api import Context
from tests.support.databases import CONSUMER, FreshDatabase, Statements, fresh
from tests.support.queue import consume
from wellspring import messages
from wellspring.database import scope

MANY = 500


@pytest.fixture
def database(fresh_database: FreshDatabase) -> FreshDatabase:
    fresh_database.role = CONSUMER
    return fresh_database


@pytest.fixture
def cast(database: FreshDatabase) -> Cast:
    return populate(database.url)


def written(cast: Cast, seed: int, most: int = MANY) -> list[Send]:
    return Author(seed, cast).write(most)


def test_a_seed_gives_the_same_messages_again_and_another_one_others(cast: Cast) -> None:
    assert written(cast, 7) == written(cast, 7)
    assert written(cast, 7) != written(cast, 8)


def test_messages_of_every_type_are_sent_poisoned_in_every_way_and_again_with_the_same_id(cast: Cast) -> None:
    sends = written(cast, 1, 20_000)
    known = messages.schema()["discriminator"]["mapping"].keys()
    assert {send.body["type"] for send in sends if send.body} == known
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


def take(*sends: Send) -> None:
    for send in sends:
        assert consume(send.text, groups=[send.group]) == [], send


def test_in_peace_each_is_applied_or_parked_for_its_reason_and_the_order_shows(
    database: FreshDatabase, cast: Cast, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Ledger.read(database.url)
    sends = written(cast, 5)
    good = effective(sends, ())
    database.owner.close()
    database._owner_engine.dispose()
    with fresh(cluster, database.url.rpartition("/")[2], Statements()) as other, monkeypatch.context() as elsewhere:
        other.role = CONSUMER
        elsewhere.setattr(scope, "connection", other.connection)
        take(*reversed(good))
        reversed_ = Ledger.read(other.url)
    take(*sends)
    after = Ledger.read(database.url)
    poisoned = {send.digest: send.reason for send in sends if send.body is None}
    assert after.applied == Counter(send.id for send in good)
    assert after.parked == Counter(poisoned.items())
    assert not after.differences
    assert not before.untouchable - after.untouchable
    made = after.records.keys() - before.records.keys()
    assert made
    assert after.made == Counter(type_ for type_, _ in made)
    # Snapshots have ended something.
    assert {ender for _, (_, ender) in after.rows} & {send.id for send in good if send.body["type"] == "run.completed"}  # type: ignore[index]  # good ones have a body
    assert after.rows != reversed_.rows
    again = mended(sends)
    overtaken = after.overtaken() & {send.digest for send in again}
    assert 0 < len(overtaken) < len(again)
    bring(database.url, cast, sends)
    for number, send in enumerate(again):
        # Half of it nobody sends again.
        if number % 2:
            settle({}, Context())
        else:
            take(send)
    at_last = Ledger.read(database.url)
    assert at_last.applied == Counter(send.id for send in effective([*sends, *again], overtaken))
    left = poisoned | {send.digest: "overtaken" for send in again}
    applied = {send.digest for send in again} - overtaken
    assert at_last.parked == Counter(item for item in left.items() if item[0] not in applied)
    assert not at_last.differences


def test_a_freeze_proves_something_where_others_had_its_messages_and_it_went_on_with_them() -> None:
    def delivery(at: float, *ids: str, failed: set[str] | None) -> Delivery:
        return Delivery(at, {"Records": [{"messageId": id_} for id_ in ids]}, failed)

    mine, theirs = delivery(1, "a", "b", failed=set()), delivery(5, "b", failed=set())
    assert Freeze(mine, since=2, until=6).was_overtaken([mine, theirs])
    # Too soon over; of something else; and killed.
    assert not Freeze(mine, since=2, until=4).was_overtaken([mine, theirs])
    assert not Freeze(mine, since=2, until=6).was_overtaken([mine, delivery(5, "c", failed=set())])
    assert not Freeze(replace(mine, failed=None), since=2, until=6).was_overtaken([theirs])
