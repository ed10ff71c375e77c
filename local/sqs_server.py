"""The SQS and S3 process of the local stack: moto's server, held to what a FIFO consumer relies on.

Run as `python -m local.sqs_server PORT STATE_FILE`; it prints its port when it listens, and leaves when its
standard input ends. moto keeps messages in memory, so they are written to STATE_FILE and read from it again. The
bucket's files are gone when it stops.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import DEDUPLICATION_TIME_IN_SECONDS, Message, SQSBackend, sqs_backends
from moto.sqs.responses import SQSResponse
from werkzeug.serving import make_server

from local.settings import HOST

SAVE_EVERY_SECONDS = 1.0
# What moto counts anew, message by message, whenever it looks at any attribute of a queue: dozens of times for a send.
COUNTS = {
    "ApproximateNumberOfMessages": "approximate_number_of_messages",
    "ApproximateNumberOfMessagesDelayed": "approximate_number_of_messages_delayed",
    "ApproximateNumberOfMessagesNotVisible": "approximate_number_of_messages_not_visible",
}
LONGEST_SLEEP_SECONDS = 0.1
KEPT = (
    "id",
    "body",
    "message_attributes",
    "system_attributes",
    "group_id",
    "deduplication_id",
    "sequence_number",
    "sent_timestamp",
    "approximate_first_receive_timestamp",
    "approximate_receive_count",
)


class Clock:
    """The time in milliseconds since 1970, which stands still while the queue is looked through.

    moto asks for it message by message. If it went on meanwhile, the third message of a group could come back into
    sight when the first had just been passed over, and be handed out before it.
    """

    def __init__(self) -> None:
        self._stopped: float | None = None

    def __call__(self) -> float:
        """Return it."""
        return time.time() * 1000 if self._stopped is None else self._stopped

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stand still; for whoever holds the backend's lock."""
        self._stopped = self()
        try:
            yield
        finally:
            self._stopped = None


CLOCK = Clock()


class FifoBackend(SQSBackend):  # type: ignore[misc]  # moto is untyped here
    """moto's SQS, one request at a time, with five promises of a FIFO queue that moto 5 does not keep.

    A group whose batch timed out comes back in order (moto hands out its second message first), also where who had
    it answers late; a message id for deduplication counts for five minutes, not for as long as the message is queued;
    sequence numbers grow; a message moved to the dead-letter queue is never taken there for a duplicate and lost.
    """

    __module__ = SQSBackend.__module__  # where moto looks for the service's URLs

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.changed = threading.Condition(threading.RLock())
        self.dirty = False
        self.saved: dict[str, list[dict[str, Any]]] = {}
        self._sequence = time.time_ns()
        self._recent: dict[tuple[str, str, str], Any] = {}

    def create_queue(self, name: str, tags: dict[str, str] | None = None, **attributes: Any) -> Any:
        """Create the queue, with the messages it held when the server last stopped."""
        with self.changed:
            queue = super().create_queue(name, tags, **attributes)
            queue.BASE_ATTRIBUTES = [attribute for attribute in queue.BASE_ATTRIBUTES if attribute not in COUNTS]
            for fields in self.saved.pop(name, []):
                message = Message(fields["id"], fields["body"])
                vars(message).update(fields)
                queue.add_message(message)
            return queue

    def get_queue_attributes(self, queue_name: str, attribute_names: list[str]) -> dict[str, Any]:
        """Return the attributes; messages are counted for those who ask how many there are."""
        with self.changed:
            others = [name for name in attribute_names if name not in COUNTS]
            attributes: dict[str, Any] = super().get_queue_attributes(queue_name, others)
            queue = self.get_queue(queue_name)
            for name, count in COUNTS.items():
                if name in attribute_names or "All" in attribute_names:
                    attributes[name] = getattr(queue, count)
            return attributes

    def send_message(self, queue_name: str, message_body: str, *rest: Any, **fields: Any) -> Any:
        """Queue the message; a duplicate of the last five minutes is answered like the first, and not queued."""
        with self.changed:
            duplicate = None
            if fields.get("deduplication_id"):
                key = (queue_name, fields["group_id"] or "", fields["deduplication_id"])
                duplicate = self._recent.get(key)
            if duplicate and time.time() - duplicate.sent_timestamp / 1000 < DEDUPLICATION_TIME_IN_SECONDS:
                return duplicate
            message = super().send_message(queue_name, message_body, *rest, **fields)
            if message.group_id:
                self._sequence += 1
                message.sequence_number = f"{self._sequence:020d}"
            if message.deduplication_id:
                self._recent[(queue_name, message.group_id or "", message.deduplication_id)] = message
            self._forget_old_duplicates()
            self._announce()
            return message

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Any]:
        """Return up to `count` messages, waiting for the first one up to `wait_seconds_timeout`."""
        deadline = time.monotonic() + wait_seconds_timeout
        with self.changed:
            while True:
                with CLOCK.stopped():
                    self._put_back(queue_name)
                    messages: list[Any] = super().receive_message(
                        queue_name, count, 0, visibility_timeout, message_attribute_names
                    )
                left = deadline - time.monotonic()
                if messages or left <= 0:
                    self.dirty = self.dirty or bool(messages)
                    return messages
                # A message that becomes visible again announces nothing, so sleep no longer than a moment.
                self.changed.wait(min(left, LONGEST_SLEEP_SECONDS))

    def delete_message(self, queue_name: str, receipt_handle: str) -> None:
        """Delete the message of that receipt."""
        with self.changed:
            super().delete_message(queue_name, receipt_handle)
            self._announce()

    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        """Hide the received message for another `visibility_timeout` seconds from now.

        Who had it and comes too late is refused, as SQS refuses them: moto would hide the message, and hand out the
        next one of its group.
        """
        with self.changed, CLOCK.stopped():
            for message in self.get_queue(queue_name)._messages:  # noqa: SLF001  moto hides those in flight
                is_held = not message.visible and message.receipt_handle == receipt_handle
                if message.had_receipt_handle(receipt_handle) and not is_held:
                    raise ReceiptHandleIsInvalid
            super().change_message_visibility(queue_name, receipt_handle, visibility_timeout)
            self._announce()

    def purge_queue(self, queue_name: str) -> None:
        """Delete every message of the queue; here as often as one likes, not once a minute."""
        with self.changed:
            super().purge_queue(queue_name)
            self.get_queue(queue_name).last_purged_at = None
            self._announce()

    def _announce(self) -> None:
        self.dirty = True
        self.changed.notify_all()

    def _put_back(self, queue_name: str) -> None:
        """Release every message whose time is over, all before any is handed out; move the hopeless ones away."""
        queue = self.get_queue(queue_name)
        for message in list(queue.pending_messages):
            if message.visible:
                queue.pending_messages.discard(message)
        if queue.dead_letter_queue is None or not queue.redrive_policy:
            return
        held = queue.pending_message_groups
        for message in queue.messages:
            hopeless = message.approximate_receive_count >= queue.redrive_policy["maxReceiveCount"]
            if hopeless and message not in queue.pending_messages and message.group_id not in held:
                queue._messages.remove(message)  # noqa: SLF001  moto offers no way to move a message
                queue.dead_letter_queue._messages.append(message)  # noqa: SLF001  the same
                self._announce()

    def _forget_old_duplicates(self) -> None:
        oldest = (time.time() - DEDUPLICATION_TIME_IN_SECONDS) * 1000
        for key, message in list(self._recent.items()):
            if message.sent_timestamp >= oldest:
                return  # in order of sending: the rest is younger
            del self._recent[key]

    # ---- keeping ----------------------------------------------------------------------------------------
    def save(self, path: Path) -> None:
        """Write the messages of every queue to `path`, whole or not at all, if any changed."""
        with self.changed:
            if not self.dirty:
                return
            self.dirty = False
            messages = {
                name: [{field: getattr(message, field) for field in KEPT} for message in queue._messages]  # noqa: SLF001  moto hides those in flight
                for name, queue in self.queues.items()
            }
        unfinished = path.with_suffix(".unfinished")
        # Binary attributes are text here: nothing of ours sends any.
        unfinished.write_text(json.dumps(self.saved | messages, default=repr))
        unfinished.replace(path)

    def restore(self, path: Path) -> None:
        """Remember what `path` holds until the queues are created; an unreadable file is set aside."""
        try:
            self.saved = json.loads(path.read_text())
        except FileNotFoundError:
            return
        except ValueError:
            path.replace(path.with_suffix(".unreadable"))


def serving(sqs: Any, s3: Any) -> Any:
    """Return the WSGI application that gives each request to the service that its signature names.

    moto's own server does the same; here what is not signed is for SQS, so that a plain curl works.
    """

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        signed = environ.get("HTTP_AUTHORIZATION", "") + environ.get("QUERY_STRING", "").replace("%2F", "/")
        return (s3 if "/s3/aws4_request" in signed else sqs)(environ, start_response)

    return application


def main(port: int, path: Path, account_id: str, region: str) -> None:
    """Serve until standard input ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    sqs_backends.backend = FifoBackend
    # moto asks for the time twice for each message that it passes over, by a clock that tests may stop.
    models.unix_time_millis = CLOCK
    backend = sqs_backends[account_id][region]
    backend.restore(path)
    # A client signs for the region of its own configuration; here there is one queue whatever that says.
    SQSResponse.sqs_backend = property(lambda _: backend)
    app = create_backend_app("sqs")
    app.config["MAX_FORM_MEMORY_SIZE"] = None
    server = make_server(
        HOST, port, serving(app, create_backend_app("s3")), threaded=True, request_handler=MotoRequestHandler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)

    ended = threading.Event()

    def wait_for_the_end() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    while not ended.wait(SAVE_EVERY_SECONDS):
        backend.save(path)
    backend.save(path)
    os._exit(0)  # requests in a long poll would otherwise be waited for


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
