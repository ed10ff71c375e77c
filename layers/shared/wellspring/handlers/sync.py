"""The sync queue: bodies become what they ask for, and what became of each is reported."""

import time
from collections.abc import Sequence

from wellspring import messages
from wellspring.database.retry import Deadline
from wellspring.handlers import after_batch, queue
from wellspring.handlers.queue import Delivery, LambdaHandler
from wellspring.handlers.sync_report import report
from wellspring.services.sync import applying


def sync_consumer() -> LambdaHandler:
    """Return the Lambda handler of the sync queue.

    What can never succeed by itself (a malformed body, an unknown record or connector, a tenant mismatch) is parked
    with one error line, and is done as far as SQS goes. What the database refuses for the moment, and what there is no
    time for, goes back with all that follows in its group, so that order holds. Source: contract, section 5.
    """
    return queue.consumer(_consume)


def _consume(deliveries: Sequence[Delivery], deadline: Deadline) -> list[bool]:
    began = time.monotonic()
    arrivals = [
        messages.arrival(delivery.body, group=delivery.group, sent=delivery.sent, receives=delivery.tries)
        for delivery in deliveries
    ]
    outcomes = applying.apply(arrivals, deadline)
    report(deliveries, arrivals, outcomes, time.monotonic() - began)
    after_batch.release_for(applying.made_by(arrivals, outcomes), deadline)
    return [outcome.is_done for outcome in outcomes]
