"""`make redrive`: dead letters go back to the queue, in the order of their groups, and none is lost on the way."""

import json
from argparse import Namespace
from pathlib import Path

from local import __main__ as commands
from local.postgres import locked
from local.redrive import redrive
from local.settings import Settings
from tests.local.queues import Sqs


def bury(sqs: Sqs, group: str, *bodies: str) -> None:
    """Send these messages and receive them until they are dead letters."""
    for body in bodies:
        sqs.send(group, body, f"{group}-{body}")
    for _ in range(5 * len(bodies)):
        for message in sqs.receive(most=1):
            sqs.hand_back(message)
    assert sqs.receive() == []


def test_they_come_back_in_order_with_no_receives_and_the_dead_letter_queue_is_empty(sqs: Sqs) -> None:
    bury(sqs, "a", *(f"a{number}" for number in range(12)))
    bury(sqs, "b", "b0")
    assert redrive(sqs.api, sqs.dead_letters, sqs.url) == 13
    assert sqs.receive(sqs.dead_letters) == []
    found = []
    while messages := sqs.receive():
        for message in messages:
            found.append((message["Attributes"]["MessageGroupId"], message["Body"]))
            assert message["Attributes"]["ApproximateReceiveCount"] == "1"
            sqs.api.delete_message(QueueUrl=sqs.url, ReceiptHandle=message["ReceiptHandle"])
    assert [body for group, body in found if group == "a"] == [f"a{number}" for number in range(12)]
    assert ("b", "b0") in found


def test_they_are_not_taken_for_duplicates_of_what_they_were(sqs: Sqs) -> None:
    bury(sqs, "a", "again")
    for _ in range(2):
        assert redrive(sqs.api, sqs.dead_letters, sqs.url) == 1
        for _ in range(5):
            (message,) = sqs.receive(most=1)
            sqs.hand_back(message)
        assert sqs.receive() == []
    assert sqs.count(sqs.dead_letters) == 1


def test_the_command_says_how_many_it_moved(sqs: Sqs, tmp_path: Path) -> None:
    bury(sqs, "a", "1", "2")
    facts = {
        "sqs_endpoint_url": sqs.server.endpoint_url,
        "queue_url": sqs.url,
        "dlq_url": sqs.dead_letters,
        "feed_queue_url": sqs.server.urls["FeedQueue"],
        "feed_dlq_url": sqs.server.urls["FeedDeadLetterQueue"],
    }
    (tmp_path / "stack.json").write_text(json.dumps(facts))
    (tmp_path / "postgres").mkdir()
    with locked(tmp_path / "postgres" / "lock"):
        for number in (2, 0):
            assert commands.redrive(Settings(state=tmp_path), Namespace()).startswith(f"{number} messages moved")
    assert len(sqs.receive()) == 2
