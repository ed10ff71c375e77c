"""The edge of a queue: an SQS event becomes deliveries, and what became of each the answer that SQS understands.

Each queue has a module beside this one, which says what a delivery is and does (`handlers.sync`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellspring.database.retry import Deadline
from wellspring.handlers.invocation import deadline_of, keep_imports
from wellspring.observability import describe, logger

type Event = Mapping[str, Any]
type BatchResponse = dict[str, list[dict[str, str]]]
type LambdaHandler = Callable[[Event, object], BatchResponse]
# Takes a batch, and says of each delivery whether it is done; what is not comes again. It does not raise because of
# one delivery: all of them would come again.
type Consume = Callable[[Sequence["Delivery"], Deadline], Sequence[bool]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as SQS delivered it.

    Attributes:
        sqs_id: SQS's id of the message, by which it goes back.
        group: its FIFO group; in a queue without groups each message is one of its own.
        receives: how many times it has been delivered by now, as SQS says it.
        sent: when it was sent, in milliseconds since 1970; 0 where nobody says.
    """

    sqs_id: str
    group: str
    receives: str
    sent: int
    body: str

    @property
    def tries(self) -> int:
        """How many times, as a number; the first where that is not said."""
        return int(self.receives) if self.receives.isdecimal() else 1


def consumer(consume: Consume) -> LambdaHandler:
    """Return the Lambda handler of a queue whose batches `consume` takes.

    What is not done goes back as `batchItemFailures`, and where `consume` raises the whole batch does.
    """
    keep_imports()

    def handler(event: Event, context: object) -> BatchResponse:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        records: Sequence[Event] = event["Records"]
        try:
            done = consume([_delivery(record) for record in records], deadline_of(context))
        except Exception as error:  # noqa: BLE001  (the edge: whatever it is, no message may be lost)
            # The database knows what was done: the batch may come again either way.
            logger.error("unexpected exception, batch returned", extra={"messages": len(records)} | describe(error))
            return _response(record["messageId"] for record in records)
        return _response(record["messageId"] for record, is_done in zip(records, done, strict=True) if not is_done)

    return handler


def _delivery(record: Event) -> Delivery:
    attributes = record["attributes"]
    return Delivery(
        sqs_id=record["messageId"],
        group=attributes.get("MessageGroupId", record["messageId"]),
        receives=attributes.get("ApproximateReceiveCount", ""),
        sent=int(attributes.get("SentTimestamp", 0)),
        body=record["body"],
    )


def _response(sqs_ids: Iterable[str]) -> BatchResponse:
    return {"batchItemFailures": [{"itemIdentifier": sqs_id} for sqs_id in sqs_ids]}
