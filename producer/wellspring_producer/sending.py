"""Sends messages to SQS: as many in a call as it takes, in their order, and again what it refused."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  botocore's name

from wellspring_producer.errors import NotSent
from wellspring_producer.messages import Entry

# "You can use SendMessageBatch to send up to 10 messages"; "The maximum allowed individual message size and the maximum
# total payload size (the sum of the individual lengths of all of the batched messages) are both 1 MiB 1,048,576 bytes."
# (SQS API reference, SendMessageBatch). It was 256 KiB until August 2025; the queue keeps that for a single message.
MOST_ENTRIES = 10
MOST_BYTES_OF_A_CALL = 1024 * 1024

# A call is tried so often, with pauses of a minute in all at most: well within the five minutes in which SQS knows a
# message again that it took without our hearing of it.
ATTEMPTS = 10
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 20.0
SERVER_ERRORS = 500
TOO_MANY_REQUESTS = 429

_log = logging.getLogger("wellspring_producer")


class Sqs(Protocol):
    """What is used of boto3's client, typed or not."""

    def send_message_batch(self, *args: Any, **request: Any) -> Any:
        """Send up to ten messages; the answer is a dictionary with `Successful` and `Failed`."""


def client() -> Sqs:
    """Return boto3's client of SQS, as the environment configures it. Retries are this module's, for all alike."""
    sqs: Sqs = boto3.client("sqs", config=Config(retries={"total_max_attempts": 1}))
    return sqs


class Sender:
    """Sends messages to one queue.

    What SQS refuses and takes a moment later comes behind what it took at once. So messages of one group share a call
    only where they may be applied in any order (`Entry.kind`), and the next call waits until all of this one was taken.

    Args:
        queue_url: of the queue.
        sqs: boto3's client; None makes one, without retries of its own.
        on_sent: is called with what SQS has taken, call by call.
    """

    def __init__(
        self, queue_url: str, sqs: Sqs | None = None, *, on_sent: Callable[[Sequence[Entry]], None] | None = None
    ) -> None:
        self._queue_url = queue_url
        self._sqs = sqs or client()
        self._on_sent = on_sent
        self._held: list[Entry] = []
        self._bytes = 0

    @property
    def held(self) -> tuple[Entry, ...]:
        """The messages that were not sent yet."""
        return tuple(self._held)

    def send(self, *entries: Entry) -> None:
        """Send messages now, behind those that were added before. Raises NotSent."""
        for entry in entries:
            self.add(entry)
        self.flush()

    def add(self, entry: Entry) -> None:
        """Take a message, and send those before it where it does not fit into their call.

        Raises:
            NotSent: those were not sent, and this one is not taken.
        """
        size = entry.size
        if self._held and not self._takes(entry, size):
            self.flush()
        self._held.append(entry)
        self._bytes += size

    def flush(self) -> None:
        """Send what is held. Raises NotSent with what SQS did not take, which is held still."""
        for attempt in range(ATTEMPTS):
            if not self._held:
                return
            if attempt:
                _pause(attempt, len(self._held))
            problem = self._call()
        if self._held:
            raise NotSent(self.held, f"{problem}, tried {ATTEMPTS} times")

    def _takes(self, entry: Entry, size: int) -> bool:
        return (
            len(self._held) < MOST_ENTRIES
            and self._bytes + size <= MOST_BYTES_OF_A_CALL
            and all(
                held.group != entry.group or (held.kind is not None and held.kind == entry.kind) for held in self._held
            )
        )

    def _call(self) -> str:
        """Send what is held in one call; hold what SQS did not take, and return why.

        Raises:
            NotSent: it never will.
        """
        request = [
            {
                "Id": str(number),
                "MessageBody": entry.body,
                "MessageGroupId": entry.group,
                "MessageDeduplicationId": entry.id,
            }
            for number, entry in enumerate(self._held)
        ]
        try:
            answer = self._sqs.send_message_batch(QueueUrl=self._queue_url, Entries=request)
        except (ClientError, ConnectionError, HTTPClientError) as error:
            if not _may_pass(error):
                raise NotSent(self.held, str(error)) from error
            return _named(error)
        # What the answer does not say to be taken is sent again: whatever comes twice has the same id.
        successful = {int(one["Id"]) for one in answer.get("Successful") or ()}
        refused = answer.get("Failed") or ()
        taken = [entry for number, entry in enumerate(self._held) if number in successful]
        self._held = [entry for number, entry in enumerate(self._held) if number not in successful]
        self._bytes = sum(entry.size for entry in self._held)
        if taken and self._on_sent:
            self._on_sent(taken)
        for one in refused:
            if one.get("SenderFault") and "Throttl" not in one["Code"]:
                raise NotSent(self.held, f"{one['Code']}: {one.get('Message', '')}")
        return ", ".join(sorted({one["Code"] for one in refused})) or "no answer for some"


def _may_pass(error: Exception) -> bool:
    """Say whether a call may succeed when it is made again: the network, the service itself, too many requests."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= SERVER_ERRORS or status == TOO_MANY_REQUESTS or "Throttl" in _named(error)


def _named(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def _pause(attempt: int, number: int) -> None:
    """Wait before the next attempt: exponential backoff with full jitter."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    seconds = random.uniform(0, longest)  # noqa: S311  no secret
    _log.info("SQS did not take %d messages; trying again in %.1f s", number, seconds)
    time.sleep(seconds)
