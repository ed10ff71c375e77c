"""Lambda's event source mapping for SQS: polls a queue, invokes the consumer, deletes what succeeded.

What it does with an answer is Lambda's rule for ReportBatchItemFailures. A message that failed is left to the
visibility timeout, and after enough receives to the dead-letter queue; both are the queue's work.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.settings import REGION
from local.template import QueueSource

LONG_POLL_SECONDS = 1
PAUSE_AFTER_ERROR_SECONDS = 0.5

logger = logging.getLogger(__name__)

type Invoke = Callable[[Mapping[str, Any]], Any]


class InvalidAnswerError(Exception):
    """The consumer's answer is not one that Lambda accepts, so the whole batch failed."""


def to_event(messages: Sequence[Mapping[str, Any]], queue_arn: str) -> dict[str, Any]:
    """Return the event that Lambda makes of received SQS messages."""
    return {"Records": [_to_record(message, queue_arn) for message in messages]}


def _to_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: {"stringListValues": [], "binaryListValues": []}
            | {f"{key[0].lower()}{key[1:]}": value[key] for key in ("StringValue", "DataType") if key in value}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def failed_ids(answer: Any, message_ids: Sequence[str]) -> set[str]:
    """Return the ids of the messages that `answer` reports as failed.

    Nothing, `null`, an empty object and an empty list of failures mean success. Raises InvalidAnswerError for what
    Lambda takes for a failure of the whole batch: an item without `itemIdentifier`, an empty one, or one that
    names no message of the batch.
    """
    if answer is None or answer == {}:
        return set()
    if not isinstance(answer, dict):
        raise InvalidAnswerError(f"the answer is {type(answer).__name__}, not an object")
    failures = answer.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        raise InvalidAnswerError("batchItemFailures is not a list")
    ids = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures]
    unknown = [identifier for identifier in ids if identifier not in message_ids]
    if unknown:
        raise InvalidAnswerError(f"itemIdentifier {unknown[0]!r} is not a message of the batch")
    return {str(identifier) for identifier in ids}


class Poller:
    """Polls one queue from `threads` threads until stopped.

    While a batch is worked on, its messages stay hidden for `hidden_seconds`; a failed one comes back
    `retry_seconds` after its failure, or becomes a dead letter if that was its last receive: `on_dead_letter` is told.
    """

    def __init__(
        self,
        sqs: Any,
        queue_url: str,
        queue_arn: str,
        source: QueueSource,
        invoke: Invoke,
        *,
        hidden_seconds: int,
        retry_seconds: int,
        threads: int = 2,
        maximum_receives: int = 0,
        on_dead_letter: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._queue_arn = queue_arn
        self._source = source
        self._invoke = invoke
        self._hidden_seconds = hidden_seconds
        self._retry_seconds = retry_seconds
        self._maximum_receives = maximum_receives
        self._on_dead_letter = on_dead_letter
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._poll, name=f"poller-{number}", daemon=True)
            for number in range(min(threads, source.maximum_concurrency))
        ]

    def start(self) -> None:
        """Begin to poll."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after the batches that are being worked on, or after `hidden_seconds` at the latest."""
        self._stopping.set()
        deadline = time.monotonic() + self._hidden_seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self.poll_once(LONG_POLL_SECONDS)
            except Exception:
                if self._stopping.is_set():
                    return
                logger.exception("polling failed")
                self._stopping.wait(PAUSE_AFTER_ERROR_SECONDS)

    def poll_once(self, wait_seconds: int = 0) -> int:
        """Receive one batch, have it worked on and settle it; return the number of its messages."""
        received = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=min(self._source.batch_size, 10),
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self._hidden_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = received.get("Messages", [])
        if messages:
            self._settle(messages, self._work(messages))
        return len(messages)

    def _work(self, messages: Sequence[Mapping[str, Any]]) -> set[str]:
        """Invoke the consumer; return the ids of the messages that failed."""
        ids = [message["MessageId"] for message in messages]
        try:
            answer = self._invoke(to_event(messages, self._queue_arn))
            return failed_ids(answer, ids) if self._source.reports_failures else set()
        except Exception as error:  # noqa: BLE001  whatever the consumer does wrong fails the batch, not the poller
            logger.warning("the whole batch failed: %s", error)
            return set(ids)

    def _settle(self, messages: Sequence[Mapping[str, Any]], failed: set[str]) -> None:
        done: list[dict[str, Any]] = []
        retried: list[dict[str, Any]] = []
        for number, message in enumerate(messages):
            entry = {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] in failed:
                retried.append(entry | {"VisibilityTimeout": self._retry_seconds})
            else:
                done.append(entry)
        if done:
            self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=done)
        if retried:
            self._sqs.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=retried)
        for message in messages:
            receives = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 0))
            if self._on_dead_letter and message["MessageId"] in failed and receives >= self._maximum_receives:
                self._on_dead_letter(message)
