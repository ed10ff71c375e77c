"""The SQS, S3 and EventBridge process of the local stack: moto's server, with a store of its own for the messages.

Run as `python -m local.sqs_server PORT STATE_FILE ACCOUNT REGION`; it prints its port when it listens, and leaves when
its standard input ends. moto keeps messages in lists that it looks through for each request, and forgets them when it
stops; here they are in STATE_FILE, and only the queues' settings are moto's. The bucket's files, and buses with their
rules, are gone when it stops.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from moto.events.utils import EventTemplateParser
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, SQSBackend, _filter_message_attributes, sqs_backends
from moto.sqs.responses import SQSResponse
from werkzeug.serving import make_server

from local.errors import Fault
from local.message_store import MessageStore, receipt
from local.settings import HOST

# In the order of `MessageStore.counts`.
COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)
LONGEST_SLEEP_SECONDS = 0.1


# moto keeps all objects that it has ever made, for its dashboard, and makes out anew what each attribute of a queue is
# called, dozens of times for a message.
Message.instances_tracked = deque(maxlen=0)
models.camelcase_to_underscores = cache(models.camelcase_to_underscores)


def _whole(*, input_template: str | None, event: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return what a target gets of an event: all of it. To transform it moto needs a package more."""
    if input_template:
        raise Fault("this stack's bus gives a target the whole event, and knows no input template")
    return {name: value for name, value in event.items() if name != "ingestion-time"}


EventTemplateParser.parse = staticmethod(_whole)


class StoredBackend(SQSBackend):  # type: ignore[misc]  # moto is untyped here
    """moto's SQS, whose messages are in a store; one request at a time."""

    __module__ = SQSBackend.__module__  # where moto looks for the service's URLs

    def __init__(self, region_name: str, account_id: str, store: MessageStore) -> None:
        super().__init__(region_name, account_id)
        self._store = store
        self._lock = threading.RLock()
        # For each queue, so that nobody who waits at another wakes up.
        self._changed: dict[str, threading.Condition] = {}

    def create_queue(self, name: str, tags: dict[str, str] | None = None, **attributes: Any) -> Any:
        """Create the queue; what it held when the server last stopped is in it, if it is not too old."""
        with self._lock:
            queue = super().create_queue(name, tags, **attributes)
            self._store.expire(name, int(queue.message_retention_period))
            queue.BASE_ATTRIBUTES = [attribute for attribute in queue.BASE_ATTRIBUTES if attribute not in COUNTS]
            self._changed.setdefault(name, threading.Condition(self._lock))
            return queue

    def get_queue_attributes(self, queue_name: str, attribute_names: list[str]) -> dict[str, Any]:
        """Return the attributes; messages are counted for those who ask how many there are."""
        with self._lock:
            others = [name for name in attribute_names if name not in COUNTS]
            attributes: dict[str, Any] = super().get_queue_attributes(queue_name, others)
            wanted = [name for name in COUNTS if name in attribute_names or "All" in attribute_names]
            counts = dict(zip(COUNTS, self._store.counts(queue_name), strict=True)) if wanted else {}
            return attributes | {name: counts[name] for name in wanted}

    def send_message(self, queue_name: str, message_body: str, *rest: Any, **fields: Any) -> Any:
        """Queue the message; a duplicate of the last five minutes is answered like the first, and not queued."""
        with self._lock:
            queue = self.get_queue(queue_name)
            message = super().send_message(queue_name, message_body, *rest, **fields)
            queue._messages.clear()  # noqa: SLF001  moto, which has checked it, keeps none
            line = message.group_id if queue.fifo_queue else message.id
            first = message.deduplication_id and self._store.duplicate(queue_name, line, message.deduplication_id)
            if first:
                message.id, sequence = first
            else:
                delay = fields.get("delay_seconds")
                seconds = int(queue.delay_seconds if delay is None else delay)
                sequence = self._store.add(queue_name, line, _fields(message), seconds)
                self._changed[queue_name].notify_all()
            message.sequence_number = _sequence_number(message, sequence)
            return message

    def send_message_batch(self, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        """Queue the messages, before anybody is given the first."""
        with self._lock:
            return super().send_message_batch(queue_name, entries)

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
        with self._lock:
            queue = self.get_queue(queue_name)
            dead_letters = queue.dead_letter_queue if queue.redrive_policy else None
            while True:
                if dead_letters and self._store.move_dead_letters(
                    queue_name, dead_letters.name, queue.redrive_policy["maxReceiveCount"]
                ):
                    self._changed[dead_letters.name].notify_all()
                received = self._store.receive(queue_name, count, visibility_timeout)
                left = deadline - time.monotonic()
                if received or left <= 0:
                    return [_answer(each, message_attribute_names or []) for each in received]
                # A message that becomes visible again announces nothing, so sleep no longer than a moment.
                self._changed[queue_name].wait(min(left, LONGEST_SLEEP_SECONDS))

    def delete_message(self, queue_name: str, receipt_handle: str) -> None:
        """Delete the message of that receipt."""
        with self._lock:
            self.get_queue(queue_name)
            try:
                self._store.delete(queue_name, receipt_handle)
            except ValueError as error:
                raise ReceiptHandleIsInvalid from error
            self._changed[queue_name].notify_all()

    def delete_message_batch(self, queue_name: str, receipts: list[dict[str, Any]]) -> Any:
        """Delete the messages of those receipts, before anybody is given what they held up."""
        with self._lock:
            return super().delete_message_batch(queue_name, receipts)

    def change_message_visibility(self, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        """Hide the received message for another `visibility_timeout` seconds from now.

        Who had it and comes too late is refused, as SQS refuses them.
        """
        with self._lock:
            self.get_queue(queue_name)
            try:
                is_hidden = self._store.hide(queue_name, receipt_handle, visibility_timeout)
            except ValueError as error:
                raise ReceiptHandleIsInvalid from error
            if not is_hidden:
                raise ReceiptHandleIsInvalid
            self._changed[queue_name].notify_all()

    def purge_queue(self, queue_name: str) -> None:
        """Delete every message of the queue; here as often as one likes, not once a minute."""
        with self._lock:
            self.get_queue(queue_name)
            self._store.purge(queue_name)


def _fields(message: Any) -> dict[str, Any]:
    return {
        "id": message.id,
        "body": message.body,
        "attributes": message.message_attributes,
        "system_attributes": message.system_attributes,
        "group_id": message.group_id,
        "deduplication_id": message.deduplication_id,
    }


def _answer(stored: dict[str, Any], attribute_names: list[str]) -> Any:
    """Return a stored message as moto answers with it, with the attributes that were asked for."""
    message = Message(stored["id"], stored["body"], stored["system_attributes"])
    message.message_attributes = stored["attributes"]
    _filter_message_attributes(message, attribute_names)
    message.receipt_handle = receipt(stored)
    message.group_id = stored["group_id"]
    message.deduplication_id = stored["deduplication_id"]
    message.sequence_number = _sequence_number(message, stored["sequence"])
    message.sent_timestamp = stored["sent_at"]
    message.approximate_first_receive_timestamp = stored["first_received_at"]
    message.approximate_receive_count = stored["receives"]
    return message


def _sequence_number(message: Any, sequence: int) -> str | None:
    """Return what tells the order of a group; a standard queue's message has none."""
    return f"{sequence:020d}" if message.group_id else None


def serving(sqs: Any, **others: Any) -> Any:
    """Return the WSGI application that gives each request to the service that its signature names.

    moto's own server does the same; here what is not signed is for SQS, so that a plain curl works. `others` are the
    applications of other services, by what signatures call them.
    """

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        signed = environ.get("HTTP_AUTHORIZATION", "") + environ.get("QUERY_STRING", "").replace("%2F", "/")
        of_others = (app for name, app in others.items() if f"/{name}/aws4_request" in signed)
        return next(of_others, sqs)(environ, start_response)

    return application


def main(port: int, path: Path, account_id: str, region: str) -> None:
    """Serve until standard input ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = MessageStore(path)
    sqs_backends.backend = partial(StoredBackend, store=store)
    backend = sqs_backends[account_id][region]
    # A client signs for the region of its own configuration; here there is one queue whatever that says.
    SQSResponse.sqs_backend = property(lambda _: backend)
    app = create_backend_app("sqs")
    app.config["MAX_FORM_MEMORY_SIZE"] = None
    others = {name: create_backend_app(name) for name in ("s3", "events")}
    server = make_server(HOST, port, serving(app, **others), threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)

    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os._exit(0)  # requests in a long poll would otherwise be waited for


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
