"""The local SQS: what a FIFO consumer relies on, by the same API as on AWS."""

import itertools
import json
import time
from pathlib import Path

import pytest

from local import message_store
from local.message_store import MessageStore, receipt
from local.template import Template
from tests.local.queues import RETRY, Sqs, asking, serve

pytestmark = pytest.mark.long


def put(store: MessageStore, line: str, body: str) -> None:
    """Add a message to the queue `q`."""
    attributes: dict[str, object] = {"attributes": {}, "system_attributes": {}}
    store.add("q", line, attributes | {"id": body, "body": body, "group_id": line, "deduplication_id": None})


def test_the_queues_are_those_of_the_template_but_for_the_visibility_timeout(sqs: Sqs) -> None:
    template = Template()
    got = sqs.api.get_queue_attributes(QueueUrl=sqs.url, AttributeNames=["All"])["Attributes"]
    declared = dict(template.queues["SyncQueue"].attributes)
    assert declared.pop("VisibilityTimeout") == "360"
    assert {name: got[name] for name in declared} == declared
    assert got["VisibilityTimeout"] == str(RETRY)
    assert json.loads(got["RedrivePolicy"]) == {
        "deadLetterTargetArn": template.queues["SyncDeadLetterQueue"].arn,
        "maxReceiveCount": 5,
    }


def test_a_group_is_delivered_in_order_and_not_beside_itself(sqs: Sqs) -> None:
    for group, body in (("a", "a1"), ("b", "b1"), ("a", "a2"), ("a", "a3")):
        sqs.send(group, body)
    first = sqs.receive(most=2)
    assert sqs.bodies(first) == ["a1", "b1"]
    # Both groups are being worked on.
    assert sqs.receive() == []
    sqs.api.delete_message(QueueUrl=sqs.url, ReceiptHandle=first[0]["ReceiptHandle"])
    assert sqs.bodies(sqs.receive()) == ["a2", "a3"]


def test_a_group_that_timed_out_comes_back_in_order(sqs: Sqs) -> None:
    for body in ("1", "2", "3"):
        sqs.send("a", body)
    assert sqs.bodies(sqs.receive(hidden=1)) == ["1", "2", "3"]
    assert sqs.bodies(sqs.receive(wait=3)) == ["1", "2", "3"]


def test_a_group_stays_in_order_when_its_consumer_answers_after_its_time(sqs: Sqs) -> None:
    """As one does that was frozen: what it hands back is not its own any more."""
    for body in ("1", "2"):
        sqs.send("a", body)
    (late,) = sqs.receive(most=1, hidden=1)
    time.sleep(1.1)
    again = [{"Id": "1", "ReceiptHandle": late["ReceiptHandle"], "VisibilityTimeout": 30}]
    answer = sqs.api.change_message_visibility_batch(QueueUrl=sqs.url, Entries=again)
    assert [failed["Id"] for failed in answer["Failed"]] == ["1"]
    (held,) = sqs.receive(most=1)
    assert held["Body"] == "1"
    # Of who has it now it is, and stays so.
    answer = sqs.api.change_message_visibility_batch(QueueUrl=sqs.url, Entries=again)
    assert [failed["Id"] for failed in answer["Failed"]] == ["1"]
    mine = [again[0] | {"ReceiptHandle": held["ReceiptHandle"]}]
    assert len(sqs.api.change_message_visibility_batch(QueueUrl=sqs.url, Entries=mine)["Successful"]) == 1
    assert sqs.receive() == []


@pytest.mark.parametrize("phase", range(40))
def test_a_group_whose_messages_come_back_one_by_one_comes_back_in_order(
    phase: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a consumer hides each for a second more: here a thousandth passes whenever anybody looks at the clock."""
    ticks = itertools.count(2_000_000_000_000 + phase)
    monkeypatch.setattr(message_store, "now", lambda: next(ticks))
    store = MessageStore(tmp_path / "queue.sqlite")
    for body in "12345":
        put(store, "a", body)
    for seconds, message in enumerate(store.receive("q", 4, 1000)):
        store.hide("q", receipt(message), seconds)
    received: list[str] = []
    while not received:
        received = [message["body"] for message in store.receive("q", 10, 1000)]
    assert received == ["1", "2", "3", "4", "5"]
    store.close()


def test_a_request_costs_the_same_however_many_messages_wait(tmp_path: Path) -> None:
    """In one group, and in as many groups as messages: what SQLite steps through, not how long it takes."""

    def steps(waiting: int, groups: int) -> int:
        taken = 0

        def step() -> int:
            nonlocal taken
            taken += 1
            return 0

        store = MessageStore(tmp_path / f"{waiting}-{groups}.sqlite")
        for place in range(waiting):
            put(store, str(place % groups), str(place))
        store._database.set_progress_handler(step, 1)
        for message in store.receive("q", 10, 60):
            store.delete("q", receipt(message))
        put(store, "0", "one more")
        store.close()
        return taken

    for groups in (1, 2, 1000):
        assert steps(1000, groups) < 1.2 * steps(20, min(groups, 20))


def test_a_receipt_that_is_not_the_last_deletes_nothing(sqs: Sqs) -> None:
    """ "You must provide the most recently received ReceiptHandle" (SQS API reference, DeleteMessage)."""
    sqs.send("a", "1")
    (late,) = sqs.receive(hidden=0)
    time.sleep(0.01)
    (held,) = sqs.receive(hidden=0)
    sqs.api.delete_message(QueueUrl=sqs.url, ReceiptHandle=late["ReceiptHandle"])
    time.sleep(0.01)
    assert sqs.bodies(sqs.receive(hidden=0)) == ["1"]
    with pytest.raises(sqs.api.exceptions.ReceiptHandleIsInvalid):
        sqs.api.delete_message(QueueUrl=sqs.url, ReceiptHandle="none")
    assert held["ReceiptHandle"] != late["ReceiptHandle"]


def test_a_duplicate_is_answered_like_the_first_and_not_delivered_whatever_it_says(sqs: Sqs) -> None:
    """docs/messages.md, "A correction needs a new id"; SQS guide, "Exactly-once processing"."""
    first = sqs.send("a", "once", "one-id")
    (message,) = sqs.receive()
    sqs.api.delete_message(QueueUrl=sqs.url, ReceiptHandle=message["ReceiptHandle"])
    assert sqs.send("a", "corrected", "one-id") == first
    assert sqs.receive() == []
    # The queue's scope of deduplication is the group.
    assert sqs.send("b", "once", "one-id") != first
    assert sqs.bodies(sqs.receive()) == ["once"]


def test_after_five_receives_a_message_is_a_dead_letter_and_its_group_goes_on(sqs: Sqs) -> None:
    sqs.send("a", "poison", "poison-id")
    sqs.send("a", "good")
    for receives in range(1, 6):
        (message,) = sqs.receive(most=1)
        assert message["Body"] == "poison"
        assert message["Attributes"]["ApproximateReceiveCount"] == str(receives)
        sqs.hand_back(message)
    assert sqs.bodies(sqs.receive()) == ["good"]
    assert sqs.bodies(sqs.receive(sqs.dead_letters)) == ["poison"]


def test_messages_survive_a_restart_and_a_kill_in_order_with_their_counts_and_ids(tmp_path: Path) -> None:
    server = serve(tmp_path)
    with asking(server) as sqs:
        first = sqs.send("a", "1", "one-id")
        for body in ("2", "3"):
            sqs.send("a", body)
        assert sqs.bodies(sqs.receive(most=1)) == ["1"]
    with asking(server) as sqs:
        # A duplicate is one after a restart too.
        assert sqs.send("a", "1", "one-id") == first
        messages = sqs.receive()
        assert sqs.bodies(messages) == ["1", "2", "3"]
        counts = [message["Attributes"]["ApproximateReceiveCount"] for message in messages]
        assert counts == ["2", "1", "1"]
        for message in messages:
            sqs.api.delete_message(QueueUrl=sqs.url, ReceiptHandle=message["ReceiptHandle"])
        sqs.send("a", "kept")
        server.kill()
    with asking(server) as sqs:
        assert sqs.bodies(sqs.receive()) == ["kept"]
