"""The sync queue: bodies become what they ask for, and what became of each is reported: ids and counts, no body."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from wellspring import messages, metrics
from wellspring.database.retry import Deadline
from wellspring.handlers import after_batch, queue
from wellspring.handlers.queue import Delivery, LambdaHandler
from wellspring.messages import PROBLEMS_TOLD, Outcome, Problem, ReceivedMessage
from wellspring.observability import logger
from wellspring.services.sync import applying
from wellspring.services.sync.applying import UNEXPECTED

MILLISECONDS = 1000


def sync_consumer() -> LambdaHandler:
    """Return the Lambda handler of the sync queue; what `applying.apply` returns goes back (contract, section 5)."""
    return queue.consumer(_consume)


def _consume(deliveries: Sequence[Delivery], deadline: Deadline) -> list[bool]:
    began = time.monotonic()
    received = [
        messages.receive(delivery.body, group=delivery.group, sent=delivery.sent, receives=delivery.tries)
        for delivery in deliveries
    ]
    outcomes = applying.apply(received, deadline)
    _report(deliveries, received, outcomes, time.monotonic() - began)
    after_batch.release_for(applying.made_by(received, outcomes), deadline)
    return [outcome.is_done for outcome in outcomes]


def _report(
    deliveries: Sequence[Delivery], received: Sequence[ReceivedMessage], outcomes: Sequence[Outcome], seconds: float
) -> None:
    """Write one line for each message, by what it asks for and what became of it; one for the batch; the metrics."""
    totals: Counter[str] = Counter(messages=len(deliveries), records=0, inserted=0, tombstoned=0, matched=0)
    applied = 0
    for delivery, message, outcome in zip(deliveries, received, outcomes, strict=True):
        counts = _counts(message, outcome)
        totals.update(counts)
        totals[outcome.status] += 1
        applied += counts.get("records", 0) if outcome.status == "applied" else 0
        _log(delivery, message, outcome, counts)
    logger.info("batch done", extra=dict(totals) | {"milliseconds": round(seconds * MILLISECONDS)})
    sent = [delivery.sent for delivery in deliveries if delivery.sent]
    values: dict[str, float] = {
        "Messages": len(deliveries),
        "Records": applied,
        "Tombstones": totals["tombstoned"],
        "DuplicatesSkipped": totals["duplicate"],
        "Parked": totals["parked"],
        "TransientFailures": totals["returned"],
    }
    if sent:
        values["OldestMessageAge"] = max(0.0, time.time() - min(sent) / MILLISECONDS)
    if applied and seconds > 0:
        values["RecordsPerSecond"] = applied / seconds
    metrics.emit(values)


def _log(delivery: Delivery, message: ReceivedMessage, outcome: Outcome, counts: Mapping[str, int]) -> None:
    fields: dict[str, object] = {
        "sqs_message_id": delivery.sqs_id,
        "message_group": delivery.group,
        "receives": delivery.receives,
        "outcome": outcome.status,
        "message_id": message.message_id,
        **counts,
    }
    if outcome.reason:
        fields |= {"reason": outcome.reason, **outcome.evidence}
    if outcome.problems:
        fields |= {
            "problems": [_told(problem) for problem in outcome.problems[:PROBLEMS_TOLD]],
            "problem_count": len(outcome.problems),
        }
    if outcome.status == "parked":
        logger.error("message parked, it cannot succeed by itself", extra=fields)
    elif outcome.reason == UNEXPECTED:
        logger.error("message returned, it met an unexpected exception", extra=fields)
    elif outcome.status == "returned":
        logger.warning("message returned, to be tried again", extra=fields)
    else:
        logger.info("message %s", outcome.status, extra=fields)


def _told(problem: Problem) -> str:
    # What is wrong with a body is said in words; all else has an id.
    return problem.id if problem.code == "malformed" else f"{problem.code}: {problem.type} {problem.id}"


def _counts(message: ReceivedMessage, outcome: Outcome) -> dict[str, int]:
    if message.work is None:
        return {}
    return {
        "records": message.work.record_count,
        "inserted": outcome.linked,
        "tombstoned": outcome.ended,
        "matched": outcome.matched,
    }
