"""A queue server of a test's own, and a few words for what tests do with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.queue import QueueServer, client
from local.template import Template

RETRY = 1


class Sqs:
    """A few words for what the tests do with the queue."""

    def __init__(self, server: QueueServer) -> None:
        self.server = server
        self.api = client(server.endpoint_url)
        self.url = server.urls["SyncQueue"]
        self.dead_letters = server.urls["SyncDeadLetterQueue"]

    def send(self, group: str, body: str, deduplication_id: str | None = None) -> str:
        sent = self.api.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=deduplication_id or f"{group}-{body}-{time.time_ns()}",
        )
        return str(sent["MessageId"])

    def receive(self, url: str | None = None, *, wait: int = 0, hidden: int = 60, most: int = 10) -> list[Any]:
        answer = self.api.receive_message(
            QueueUrl=url or self.url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait,
            VisibilityTimeout=hidden,
            MessageSystemAttributeNames=["All"],
        )
        messages: list[Any] = answer.get("Messages", [])
        return messages

    def hand_back(self, message: Any) -> None:
        """Let a message that was received be received again at once, in a thousandth of a second."""
        self.api.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
        time.sleep(0.01)

    def bodies(self, messages: list[Any]) -> list[str]:
        return [message["Body"] for message in messages]

    def count(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        answer = self.api.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])


@contextmanager
def asking(server: QueueServer) -> Iterator[Sqs]:
    """Run a server, and give the words for it."""
    with server:
        sqs = Sqs(server)
        yield sqs
        sqs.api.close()


def serve(folder: Path) -> QueueServer:
    return QueueServer(Template(), 0, folder / "queue.sqlite", folder / "queue.log", RETRY)
