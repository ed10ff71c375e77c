"""The event source mapping: what it makes of received messages, and of the consumer's answers."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, repeat
from typing import Any
from unittest.mock import DEFAULT, Mock

import pytest

from local.poller import InvalidAnswerError, Poller, failed_ids, to_event
from local.settings import Settings
from local.template import QueueSource, Template
from tests.local.queues import Sqs
from tests.local.stack_process import until

ARN = "arn:aws:sqs:us-east-1:123456789012:wellspring-sync.fifo"
SOURCE = QueueSource("SyncQueue", batch_size=10, reports_failures=True, maximum_concurrency=10)


class Consumer:
    """Stands in for the function: remembers the bodies of each batch and answers as told."""

    def __init__(self, answer: Callable[[list[Mapping[str, Any]]], Any]) -> None:
        self.batches: list[list[str]] = []
        self._answer = answer

    def __call__(self, event: Mapping[str, Any]) -> Any:
        records = event["Records"]
        self.batches.append([record["body"] for record in records])
        return self._answer(records)


def failing(*bodies: str) -> Callable[[list[Mapping[str, Any]]], Any]:
    """Answer that the messages with these bodies failed."""
    return lambda records: {
        "batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records if record["body"] in bodies]
    }


def poller(sqs: Sqs, consumer: Consumer, source: QueueSource = SOURCE, retry: int = 0) -> Poller:
    return Poller(sqs.api, sqs.url, ARN, source, consumer, hidden_seconds=30, retry_seconds=retry)


def waiting(sqs: Sqs) -> list[str]:
    time.sleep(0.01)
    return sqs.bodies(sqs.receive(hidden=0))


def test_an_event_is_what_lambda_sends(sqs: Sqs) -> None:
    sent = sqs.api.send_message(
        QueueUrl=sqs.url,
        MessageBody="text",
        MessageGroupId="group",
        MessageDeduplicationId="event",
        MessageAttributes={"trace": {"DataType": "String", "StringValue": "t"}},
    )
    received = sqs.api.receive_message(
        QueueUrl=sqs.url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"]
    (record,) = to_event(received, ARN)["Records"]
    attributes = record.pop("attributes")
    assert record == {
        "messageId": sent["MessageId"],
        "receiptHandle": received[0]["ReceiptHandle"],
        "body": "text",
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "messageAttributes": {
            "trace": {"stringValue": "t", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN,
        "awsRegion": "us-east-1",
    }
    assert attributes["MessageGroupId"] == "group"
    assert attributes["MessageDeduplicationId"] == "event"
    assert attributes["SequenceNumber"] == sent["SequenceNumber"]
    assert attributes["ApproximateReceiveCount"] == "1"
    assert {"SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp"} < attributes.keys()


# The messages that each answer says have failed; None where it is none, and all of them have.
ANSWERS: list[tuple[Any, set[str] | None]] = [
    (None, set()),
    ({}, set()),
    ({"batchItemFailures": []}, set()),
    ({"batchItemFailures": None}, set()),
    ({"batchItemFailures": [{"itemIdentifier": "2"}]}, {"2"}),
    *((answer, None) for answer in ("text", [1], {"batchItemFailures": "1"}, {"batchItemFailures": ["1"]})),
    *(({"batchItemFailures": [{"itemIdentifier": id_}]}, None) for id_ in ("", None, "3")),
    ({"batchItemFailures": [{"itemIdentifier": "1"}, {"id": "2"}]}, None),
]


@pytest.mark.parametrize(("answer", "failed"), ANSWERS)
def test_an_answer_names_the_messages_that_failed_or_all_of_the_batch_has(answer: Any, failed: set[str] | None) -> None:
    if failed is None:
        with pytest.raises(InvalidAnswerError):
            failed_ids(answer, ["1", "2"])
    else:
        assert failed_ids(answer, ["1", "2"]) == failed


def test_what_succeeded_is_deleted_and_what_failed_comes_back(sqs: Sqs) -> None:
    for group in "abc":
        sqs.send(group, group)
    consumer = Consumer(failing("b"))
    assert poller(sqs, consumer).poll_once() == 3
    assert consumer.batches == [["a", "b", "c"]]
    assert waiting(sqs) == ["b"]


def explode(_: object) -> None:
    raise RuntimeError("broken")


@pytest.mark.parametrize("answer", [explode, lambda _: {"batchItemFailures": [{"itemIdentifier": "no-such-id"}]}])
def test_an_exception_of_the_consumer_and_a_foreign_message_in_its_answer_fail_the_whole_batch(
    sqs: Sqs, answer: Callable[[list[Mapping[str, Any]]], Any]
) -> None:
    for body in "12":
        sqs.send("a", body)
    poller(sqs, Consumer(answer)).poll_once()
    assert waiting(sqs) == ["1", "2"]


def test_a_batch_is_no_larger_than_the_template_says_and_its_answer_is_read_where_that_says_so(sqs: Sqs) -> None:
    for body in "123":
        sqs.send("a", body)
    consumer = Consumer(failing("1", "2", "3"))
    for _ in range(2):
        poller(sqs, consumer, replace(SOURCE, batch_size=2, reports_failures=False)).poll_once()
    assert consumer.batches == [["1", "2"], ["3"]]
    assert waiting(sqs) == []


def test_a_group_that_hangs_does_not_hold_up_another(sqs: Sqs) -> None:
    release, done = threading.Event(), threading.Event()

    def consume(records: list[Mapping[str, Any]]) -> None:
        if records[0]["body"] == "slow":
            release.wait(10)
        if records[0]["body"] == "quick":
            done.set()

    polling = poller(sqs, Consumer(consume))
    sqs.send("a", "slow")
    polling.start()
    try:
        time.sleep(0.2)
        sqs.send("b", "quick")
        assert done.wait(5)
    finally:
        release.set()
        # It waits for the batch that is worked on.
        polling.stop()
    assert waiting(sqs) == []


def test_a_queue_that_is_away_for_a_moment_is_polled_again(sqs: Sqs, caplog: pytest.LogCaptureFixture) -> None:
    flaky = Mock(wraps=sqs.api)
    flaky.receive_message.side_effect = chain([ConnectionError("away")], repeat(DEFAULT))
    consumer = Consumer(failing())
    polling = Poller(flaky, sqs.url, ARN, SOURCE, consumer, hidden_seconds=30, retry_seconds=0)
    sqs.send("a", "1")
    polling.start()
    assert until(lambda: bool(consumer.batches))
    polling.stop()
    assert consumer.batches == [["1"]]
    assert "polling failed" in caplog.text


def test_the_local_retry_is_shorter_than_a_consumer_may_take() -> None:
    assert Settings().visibility_timeout < min(function.timeout for function, _ in Template().queue_sources)
