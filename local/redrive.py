"""Moves the dead letters of the running stack back to its queues, as `aws sqs start-message-move-task` does on AWS."""

from typing import Any
from uuid import uuid4

from local.queue import client
from local.running import facts
from local.settings import Settings

# A letter is hidden for so long while it is moved; one whose move was cut short shows up again after that.
HIDDEN_SECONDS = 30


def redrive(sqs: Any, dead_letters: str, queue: str) -> int:
    """Move every visible message of the queue at URL `dead_letters` to that at `queue`; return how many.

    Each group keeps its order, and each message begins with no receives. It gets a new id for deduplication, since the
    first one may be remembered still. A message that was sent and not deleted is moved again: its effect is not
    doubled, for the inbox knows its id.
    """
    moved = 0
    while letters := _receive(sqs, dead_letters):
        for letter in letters:
            group = letter.get("Attributes", {}).get("MessageGroupId")
            # The feed's queue keeps no order, and knows no groups.
            ordered = {"MessageGroupId": group, "MessageDeduplicationId": str(uuid4())} if group else {}
            sqs.send_message(QueueUrl=queue, MessageBody=letter["Body"], **ordered)
            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
    return moved


def _receive(sqs: Any, url: str) -> list[dict[str, Any]]:
    received = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=HIDDEN_SECONDS,
        MessageSystemAttributeNames=["MessageGroupId"],
    )
    letters: list[dict[str, Any]] = received.get("Messages", [])
    return letters


def of_running_stack(settings: Settings) -> int:
    """Do it for the running stack of `settings`; return how many were moved. Raises Fault when none runs."""
    stack = facts(settings)
    sqs = client(stack["sqs_endpoint_url"])
    return redrive(sqs, stack["dlq_url"], stack["queue_url"]) + redrive(
        sqs, stack["feed_dlq_url"], stack["feed_queue_url"]
    )
