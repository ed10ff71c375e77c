"""What the log and the metrics say of a batch of the sync queue: ids and counts, never a body."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from wellspring import metrics
from wellspring.handlers.queue import Delivery
from wellspring.messages import MalformedMessage
from wellspring.observability import logger
from wellspring.services.sync import UNEXPECTED
from wellspring.work import Outcome, Work

MILLISECONDS = 1000


def report(
    deliveries: Sequence[Delivery],
    contents: Sequence[Work | MalformedMessage],
    outcomes: Sequence[Outcome],
    seconds: float,
) -> None:
    """Write one line for each message, one for the batch, and the metrics.

    Args:
        deliveries: the batch.
        contents: what each asks for, or why it is no message.
        outcomes: what became of each.
        seconds: how long it took.
    """
    totals: Counter[str] = Counter(messages=len(deliveries), records=0, inserted=0, tombstoned=0, matched=0)
    applied = 0
    for delivery, content, outcome in zip(deliveries, contents, outcomes, strict=True):
        counts = _counts(content, outcome)
        totals.update(counts)
        totals[outcome.status] += 1
        applied += counts.get("records", 0) if outcome.status == "applied" else 0
        _log(delivery, content, outcome, counts)
    logger.info("batch done", extra=dict(totals) | {"milliseconds": round(seconds * MILLISECONDS)})
    sent = [delivery.sent for delivery in deliveries if delivery.sent]
    values: dict[str, float] = {
        "Messages": len(deliveries),
        "Records": applied,
        "Tombstones": totals["tombstoned"],
        "DuplicatesSkipped": totals["duplicate"],
        "PermanentFailures": totals["failed"],
        "TransientFailures": totals["returned"],
    }
    if sent:
        values["OldestMessageAge"] = max(0.0, time.time() - min(sent) / MILLISECONDS)
    if applied and seconds > 0:
        values["RecordsPerSecond"] = applied / seconds
    metrics.emit(values)


def _log(delivery: Delivery, content: Work | MalformedMessage, outcome: Outcome, counts: Mapping[str, int]) -> None:
    said: dict[str, object] = {
        "sqs_message_id": delivery.sqs_id,
        "message_group": delivery.group,
        "receives": delivery.receives,
        "outcome": outcome.status,
    }
    if isinstance(content, MalformedMessage):
        said |= {"message_id": content.message_id, "reason": "malformed", "problems": [content.detail]}
    else:
        said |= {"message_id": content.id, **counts}
    if outcome.problems:
        said |= {
            "reason": outcome.problems[0].code,
            "problems": [f"{told.code}: {told.type} {told.id}" for told in outcome.problems],
            "problem_count": outcome.problem_count,
        }
    if outcome.reason:
        said |= {"reason": outcome.reason, **outcome.evidence}
    if outcome.status == "failed":
        logger.error("message failed, it can never succeed", extra=said)
    elif outcome.reason == UNEXPECTED:
        logger.error("message returned, it met an unexpected exception", extra=said)
    elif outcome.status == "returned":
        logger.warning("message returned, to be tried again", extra=said)
    else:
        logger.info("message %s", outcome.status, extra=said)


def _counts(content: Work | MalformedMessage, outcome: Outcome) -> dict[str, int]:
    if isinstance(content, MalformedMessage):
        return {}
    return {
        "records": content.record_count,
        "inserted": outcome.linked,
        "tombstoned": outcome.ended,
        "matched": outcome.matched,
    }
