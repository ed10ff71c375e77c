"""From an SQS FIFO event to one transaction, and from its outcome to the messages that go back to the queue."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellspring import messages
from wellspring.access.principal import SERVICE_SCOPE
from wellspring.database import in_transaction
from wellspring.errors import ServiceUnavailable, WellspringError
from wellspring.messages import MalformedMessage
from wellspring.observability import describe, logger
from wellspring.services import sync
from wellspring.services.sync import Synced, Verdict

type Event = Mapping[str, Any]
type Answer = dict[str, list[dict[str, str]]]
type LambdaHandler = Callable[[Event, object], Answer]

SUCCESSES = ("applied", "duplicate")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as SQS delivered it.

    Attributes:
        sqs_id: SQS's id of the message, by which it goes back.
        group: its FIFO group.
        receives: how many times it has been delivered by now.
        content: what it asks for, or why it is no message.
    """

    sqs_id: str
    group: str
    receives: str
    content: Synced | MalformedMessage


def sync_consumer() -> LambdaHandler:
    """Return the Lambda handler of the sync queue.

    A batch is one transaction. What can never succeed (a malformed body, an unknown record or connector, a tenant
    mismatch) goes back with one error line and does not hinder other groups; within a group all that follows a
    failure goes back too, so that order holds. When the transaction fails, the whole batch goes back.
    Source: contract, section 5.
    """

    def handler(event: Event, context: object) -> Answer:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        records: Sequence[Event] = event["Records"]
        try:
            deliveries = [_delivery(record) for record in records]
            verdicts = _verdicts(deliveries)
        except ServiceUnavailable as error:
            # Nothing was changed, or the inbox knows what was: the batch may come again either way.
            said: dict[str, object] = {"messages": len(records), "code": error.code} | error.evidence
            logger.warning("batch returned, to be tried again", extra=said)
            return _answer(record["messageId"] for record in records)
        except Exception as error:  # noqa: BLE001  (the edge: whatever it is, no message may be lost)
            said = {"messages": len(records)} | describe(error.__cause__ or error)
            if isinstance(error, WellspringError):
                said |= error.evidence
            logger.error("unexpected exception, batch returned", extra=said)
            return _answer(record["messageId"] for record in records)
        _log(deliveries, verdicts)
        return _answer(
            delivery.sqs_id
            for delivery, verdict in zip(deliveries, verdicts, strict=True)
            if verdict.status not in SUCCESSES
        )

    return handler


def _delivery(record: Event) -> Delivery:
    attributes = record["attributes"]
    # In a queue without groups each message would be one of its own.
    group = attributes.get("MessageGroupId", record["messageId"])
    content: Synced | MalformedMessage
    try:
        content = messages.parse(record["body"]).work(group)
    except MalformedMessage as error:
        content = error
    return Delivery(record["messageId"], group, attributes.get("ApproximateReceiveCount", ""), content)


def _verdicts(deliveries: Sequence[Delivery]) -> list[Verdict]:
    """Apply in one transaction what may be applied, and say what became of each delivery."""
    tried: dict[int, Synced] = {}
    malformed_groups: set[str] = set()
    for number, delivery in enumerate(deliveries):
        if isinstance(delivery.content, MalformedMessage):
            malformed_groups.add(delivery.group)
        elif delivery.group not in malformed_groups:
            tried[number] = delivery.content
    batch = list(tried.values())
    found = in_transaction(lambda transaction: sync.apply(transaction, batch), SERVICE_SCOPE) if batch else []
    verdicts = dict(zip(tried, found, strict=True))
    return [
        verdicts.get(number) or Verdict(status="failed" if isinstance(delivery.content, MalformedMessage) else "held")
        for number, delivery in enumerate(deliveries)
    ]


def _answer(sqs_ids: Iterable[str]) -> Answer:
    return {"batchItemFailures": [{"itemIdentifier": sqs_id} for sqs_id in sqs_ids]}


def _log(deliveries: Sequence[Delivery], verdicts: Sequence[Verdict]) -> None:
    """Write one line for each message and one for the batch; ids and counts, never a body."""
    totals: Counter[str] = Counter(messages=len(deliveries), records=0, inserted=0, tombstoned=0)
    for delivery, verdict in zip(deliveries, verdicts, strict=True):
        counts = _counts(delivery.content, verdict)
        totals.update(counts)
        totals[verdict.status] += 1
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
                "problems": delivery.content.detail,
            }
        else:
            said |= {"message_id": delivery.content.id, **counts}
        if verdict.problems:
            said |= {
                "reason": verdict.problems[0].code,
                "problems": [f"{told.code}: {told.type} {told.id}" for told in verdict.problems],
                "problem_count": verdict.problem_count,
            }
        if verdict.status == "failed":
            logger.error("message failed, it can never succeed", extra=said)
        else:
            logger.info("message %s", verdict.status, extra=said)
    logger.info("batch done", extra=dict(totals))


def _counts(content: Synced | MalformedMessage, verdict: Verdict) -> dict[str, int]:
    if isinstance(content, MalformedMessage):
        return {}
    records = content.record_count
    return {
        "records": records,
        "inserted": records if verdict.status == "applied" else 0,
        "tombstoned": verdict.tombstoned,
    }
