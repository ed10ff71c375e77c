"""From an SQS FIFO event to the ledger, and from what became of each message to those that go back to the queue."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellspring import messages, metrics
from wellspring.database.retry import Deadline
from wellspring.handlers.deadline import deadline_of
from wellspring.messages import MalformedMessage
from wellspring.observability import describe, logger
from wellspring.services import sync
from wellspring.services.sync import HELD, UNEXPECTED, Verdict, Work

type Event = Mapping[str, Any]
type Answer = dict[str, list[dict[str, str]]]
type LambdaHandler = Callable[[Event, object], Answer]

MALFORMED = Verdict(status="failed")
MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as SQS delivered it.

    Attributes:
        sqs_id: SQS's id of the message, by which it goes back.
        group: its FIFO group.
        receives: how many times it has been delivered by now.
        sent: when it was sent, in milliseconds since 1970; 0 where nobody says.
        content: what it asks for, or why it is no message.
    """

    sqs_id: str
    group: str
    receives: str
    sent: int
    content: Work | MalformedMessage


def sync_consumer() -> LambdaHandler:
    """Return the Lambda handler of the sync queue.

    What can never succeed (a malformed body, an unknown record or connector, a tenant mismatch) goes back with one
    error line and does not hinder other groups; within a group all that follows a failure goes back too, so that order
    holds. So does what the database refuses for the moment, and what there is no time for. Source: contract, section 5.
    """

    def handler(event: Event, context: object) -> Answer:
        began = time.monotonic()
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        records: Sequence[Event] = event["Records"]
        try:
            deliveries = [_delivery(record) for record in records]
            verdicts = _verdicts(deliveries, deadline_of(context))
            _report(deliveries, verdicts, time.monotonic() - began)
        except Exception as error:  # noqa: BLE001  (the edge: whatever it is, no message may be lost)
            # The inbox knows what was done: the batch may come again either way.
            logger.error("unexpected exception, batch returned", extra={"messages": len(records)} | describe(error))
            return _answer(record["messageId"] for record in records)
        return _answer(
            delivery.sqs_id for delivery, verdict in zip(deliveries, verdicts, strict=True) if not verdict.is_done
        )

    return handler


def _delivery(record: Event) -> Delivery:
    attributes = record["attributes"]
    # In a queue without groups each message would be one of its own.
    group = attributes.get("MessageGroupId", record["messageId"])
    content: Work | MalformedMessage
    try:
        content = messages.parse(record["body"]).work(group)
    except MalformedMessage as error:
        content = error
    receives = attributes.get("ApproximateReceiveCount", "")
    return Delivery(record["messageId"], group, receives, int(attributes.get("SentTimestamp", 0)), content)


def _verdicts(deliveries: Sequence[Delivery], deadline: Deadline) -> list[Verdict]:
    """Apply what may be applied, and say what became of each delivery."""
    tried: dict[int, Work] = {}
    malformed_groups: set[str] = set()
    for number, delivery in enumerate(deliveries):
        if isinstance(delivery.content, MalformedMessage):
            malformed_groups.add(delivery.group)
        elif delivery.group not in malformed_groups:
            tried[number] = delivery.content
    verdicts = dict(zip(tried, sync.apply(list(tried.values()), deadline), strict=True))
    return [
        verdicts.get(number) or (MALFORMED if isinstance(delivery.content, MalformedMessage) else HELD)
        for number, delivery in enumerate(deliveries)
    ]


def _answer(sqs_ids: Iterable[str]) -> Answer:
    return {"batchItemFailures": [{"itemIdentifier": sqs_id} for sqs_id in sqs_ids]}


def _report(deliveries: Sequence[Delivery], verdicts: Sequence[Verdict], seconds: float) -> None:
    """Write one line for each message, one for the batch, and the metrics; ids and counts, never a body."""
    totals: Counter[str] = Counter(messages=len(deliveries), records=0, inserted=0, tombstoned=0, matched=0)
    for delivery, verdict in zip(deliveries, verdicts, strict=True):
        counts = _counts(delivery.content, verdict)
        totals.update(counts)
        totals[verdict.status] += 1
        _log(delivery, verdict, counts)
    logger.info("batch done", extra=dict(totals) | {"milliseconds": round(seconds * MILLISECONDS)})
    applied = sum(
        _counts(delivery.content, verdict).get("records", 0)
        for delivery, verdict in zip(deliveries, verdicts, strict=True)
        if verdict.status == "applied"
    )
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


def _log(delivery: Delivery, verdict: Verdict, counts: Mapping[str, int]) -> None:
    said: dict[str, object] = {
        "sqs_message_id": delivery.sqs_id,
        "message_group": delivery.group,
        "receives": delivery.receives,
        "outcome": verdict.status,
    }
    if isinstance(delivery.content, MalformedMessage):
        said |= {
            "message_id": delivery.content.message_id,
            "reason": "malformed",
            "problems": [delivery.content.detail],
        }
    else:
        said |= {"message_id": delivery.content.id, **counts}
    if verdict.problems:
        said |= {
            "reason": verdict.problems[0].code,
            "problems": [f"{told.code}: {told.type} {told.id}" for told in verdict.problems],
            "problem_count": verdict.problem_count,
        }
    if verdict.reason:
        said |= {"reason": verdict.reason, **verdict.evidence}
    if verdict.status == "failed":
        logger.error("message failed, it can never succeed", extra=said)
    elif verdict.reason == UNEXPECTED:
        logger.error("message returned, it met an unexpected exception", extra=said)
    elif verdict.status == "returned":
        logger.warning("message returned, to be tried again", extra=said)
    else:
        logger.info("message %s", verdict.status, extra=said)


def _counts(content: Work | MalformedMessage, verdict: Verdict) -> dict[str, int]:
    if isinstance(content, MalformedMessage):
        return {}
    return {
        "records": content.record_count,
        "inserted": verdict.inserted,
        "tombstoned": verdict.tombstoned,
        "matched": verdict.matched,
    }
