"""The sync queue: bodies become what they ask for, and what became of each is reported."""

import time
from collections.abc import Sequence

from wellspring import messages
from wellspring.database.retry import Deadline
from wellspring.handlers import queue
from wellspring.handlers.queue import Delivery, LambdaHandler
from wellspring.handlers.sync_report import report
from wellspring.messages import MalformedMessage
from wellspring.services import sync
from wellspring.work import HELD, Outcome, Work

MALFORMED = Outcome(status="failed")


def sync_consumer() -> LambdaHandler:
    """Return the Lambda handler of the sync queue.

    What can never succeed (a malformed body, an unknown record or connector, a tenant mismatch) goes back with one
    error line and does not hinder other groups; within a group all that follows a failure goes back too, so that order
    holds. So does what the database refuses for the moment, and what there is no time for. Source: contract, section 5.
    """
    return queue.consumer(_consume)


def _consume(deliveries: Sequence[Delivery], deadline: Deadline) -> list[bool]:
    began = time.monotonic()
    contents = [_content(delivery) for delivery in deliveries]
    outcomes = _outcomes(deliveries, contents, deadline)
    report(deliveries, contents, outcomes, time.monotonic() - began)
    return [outcome.is_done for outcome in outcomes]


def _content(delivery: Delivery) -> Work | MalformedMessage:
    try:
        return messages.parse(delivery.body).work(delivery.group)
    except MalformedMessage as error:
        return error


def _outcomes(
    deliveries: Sequence[Delivery], contents: Sequence[Work | MalformedMessage], deadline: Deadline
) -> list[Outcome]:
    """Apply what may be applied, and say what became of each delivery."""
    tried: dict[int, Work] = {}
    malformed_groups: set[str] = set()
    for number, (delivery, content) in enumerate(zip(deliveries, contents, strict=True)):
        if isinstance(content, MalformedMessage):
            malformed_groups.add(delivery.group)
        elif delivery.group not in malformed_groups:
            tried[number] = content
    outcomes = dict(zip(tried, sync.apply(list(tried.values()), deadline), strict=True))
    return [
        outcomes.get(number) or (MALFORMED if isinstance(content, MalformedMessage) else HELD)
        for number, content in enumerate(contents)
    ]
