"""From an SQS event to the platform's feed, and from what became of each body to those that go back to the queue."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from wellspring import feed_events, metrics
from wellspring.database.retry import Deadline
from wellspring.errors import WellspringError
from wellspring.handlers import after_batch, queue
from wellspring.handlers.invocation import LambdaHandler, scheduled
from wellspring.handlers.queue import Delivery
from wellspring.observability import logger
from wellspring.services import feed
from wellspring.services.feed import FeedEvent, Told, Verdict

# At this receive an event that nobody foresaw the failure of is parked, and its neighbours are done.
LAST_TRY = 4
MILLISECONDS = 1000


def feed_consumer() -> queue.LambdaHandler:
    """Return the Lambda handler of the feed's queue.

    A body goes back when one of its events does: what the database refuses for the moment, or what there is no time
    for. The others have had their effect by then, and a second delivery has none. Source: contract, section 6.
    """
    return queue.consumer(_consume)


def _consume(deliveries: Sequence[Delivery], deadline: Deadline) -> list[bool]:
    began = time.monotonic()
    parsed = [feed_events.parse(delivery.body) for delivery in deliveries]
    told = [event for events in parsed for event in events]
    # The number of the body that each came in.
    bodies = [number for number, events in enumerate(parsed) for _ in events]
    is_last_try = min((delivery.tries for delivery in deliveries), default=0) >= LAST_TRY
    verdicts = feed.apply(told, deadline, is_last_try=is_last_try)
    _report(deliveries, told, verdicts, time.monotonic() - began)
    returned = {body for body, verdict in zip(bodies, verdicts, strict=True) if verdict.status == "returned"}
    _settle_for(told, verdicts, deadline)
    return [body not in returned for body in range(len(deliveries))]


def feed_settler() -> LambdaHandler:
    """Return the Lambda handler that applies, on a schedule, what waited for something that has come, and erases."""
    return scheduled(_settle, "settling", "settled")


def _settle(deadline: Deadline) -> dict[str, object]:
    # At most half of the time: neither waits for the other.
    erased = feed.erase(Deadline(deadline.seconds / 2))
    settled = feed.settle(deadline)
    return asdict(settled) | {"erased": erased}


def _settle_for(told: Sequence[Told], verdicts: Sequence[Verdict], deadline: Deadline) -> None:
    """Apply what waited for what this batch has brought, and end what it ended; what fails is left to the schedule."""
    pairs = zip(told, verdicts, strict=True)
    applied = [event for event, verdict in pairs if isinstance(event, FeedEvent) and verdict.status == "applied"]
    there = list(dict.fromkeys((event.type, event.subject) for event in applied if event.action == "upsert"))
    try:
        there = feed.settle_for(there, deadline)
    except WellspringError as error:
        logger.warning("settling is left to the schedule", extra={"code": error.code} | error.evidence)
    after_batch.settle_for_feed(there, deadline, has_ended=any(event.action != "upsert" for event in applied))


def _report(deliveries: Sequence[Delivery], told: Sequence[Told], verdicts: Sequence[Verdict], seconds: float) -> None:
    """Write one line for each event that is parked or returned, one for the batch, and the metrics; never a body."""
    totals = Counter(verdict.status for verdict in verdicts)
    for event, verdict in zip(told, verdicts, strict=True):
        if verdict.status in {"parked", "returned"}:
            _log(event, verdict)
    fields = {"bodies": len(deliveries), "events": len(told)} | dict(totals)
    logger.info("batch done", extra=fields | {"milliseconds": round(seconds * MILLISECONDS)})
    values: dict[str, float] = {
        "FeedEvents": len(told),
        "FeedApplied": totals["applied"],
        "FeedWaiting": totals["waiting"],
        "FeedParked": totals["parked"],
        "FeedWorkspaceChanged": sum(verdict.reason == "workspace_changed" for verdict in verdicts),
        "FeedReturned": totals["returned"],
    }
    sent = [delivery.sent for delivery in deliveries if delivery.sent]
    if sent:
        values["FeedOldestEventAge"] = max(0.0, time.time() - min(sent) / MILLISECONDS)
    metrics.emit(values)


def _log(event: Told, verdict: Verdict) -> None:
    fields: dict[str, object] = {name: getattr(event, name) for name in ("source", "event_id", "event_type", "subject")}
    fields |= {"outcome": verdict.status, "reason": verdict.reason, **verdict.evidence}
    if verdict.status == "parked":
        fields["problems"] = [dict(problem) for problem in verdict.problems]
        logger.error("event parked, it cannot succeed by itself", extra=fields)
    else:
        logger.warning("event returned, to be tried again", extra=fields)
