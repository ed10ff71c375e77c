"""Calls the sync consumer as Lambda does: messages become an SQS FIFO event, its answer the positions that failed."""

import json
from collections.abc import Iterable, Mapping
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

from sync.consume import handler
from tests.support.api import Context
from tests.support.world import Direction, Row
from wellspring.messages import MalformedMessage, parse
from wellspring_producer.messages import (
    ConnectorDisconnected,
    ProvidersMatched,
    RecordsInvalidated,
    RecordsSynced,
    RunCompleted,
    SyncReverted,
)

type Body = dict[str, Any]

USUAL = Context()
OCCURRED_AT = "2026-05-10T08:14:22.000Z"


def synced(
    connector: Row | UUID,
    records: Iterable[Row],
    direction: Direction = "input",
    *,
    mode: str | None = None,
    id_: UUID | str | None = None,
) -> Body:
    """Return the body of a `records.synced` message; `mode` None leaves the member out."""
    of = {"direction": direction, "records": _named(records), "occurred_at": OCCURRED_AT}
    of |= {} if mode is None else {"mode": mode}
    return RecordsSynced(id=id_ or uuid4(), workspace_connector_id=_id(connector), **of).members()


def invalidated(
    connector: Row | UUID, records: Iterable[Row], direction: Direction | None = None, *, id_: UUID | str | None = None
) -> Body:
    of = {"direction": direction, "records": _named(records)}
    return RecordsInvalidated(id=id_ or uuid4(), workspace_connector_id=_id(connector), **of).members()


def disconnected(connector: Row | UUID, *, id_: UUID | str | None = None) -> Body:
    return ConnectorDisconnected(id=id_ or uuid4(), workspace_connector_id=_id(connector)).members()


def reverted(connector: Row | UUID, *message_ids: str, run: str | None = None, id_: UUID | str | None = None) -> Body:
    """Return the body of a `sync.reverted` message, of these messages or of a run."""
    which: Body = {"message_ids": message_ids} if run is None else {"run": run}
    return SyncReverted(id=id_ or uuid4(), workspace_connector_id=_id(connector), **which).members()


def completed(
    connector: Row | UUID,
    run: str,
    *message_ids: str,
    types: Iterable[str] = (),
    read_since: str = OCCURRED_AT,
    direction: Direction = "input",
) -> Body:
    """Return the body of a `run.completed` message, of these messages; with `types` it is of a snapshot of these."""
    snapshot = {"direction": direction, "types": list(types), "read_since": read_since}
    of = {"run": run, "message_ids": message_ids, "snapshot": snapshot if snapshot["types"] else None}
    return RunCompleted(id=uuid4(), workspace_connector_id=_id(connector), occurred_at=OCCURRED_AT, **of).members()


def matched(workspace: Row | UUID, providers: Iterable[Row | UUID], *, id_: UUID | str | None = None) -> Body:
    named = [_id(provider) for provider in providers]
    return ProvidersMatched(id=id_ or uuid4(), workspace_id=_id(workspace), provider_ids=named).members()


def _id(of: Row | UUID) -> UUID:
    return of.id if isinstance(of, Row) else of


def _named(records: Iterable[Row]) -> list[Body]:
    return [{"type": record.type, "id": record.id} for record in records]


def delivery(body: Body | str, group: str | None = None, number: int = 0) -> dict[str, Any]:
    """Return what Lambda makes of one message; its group is its connector or workspace unless said otherwise."""
    if group is None:
        of = {} if isinstance(body, str) else body
        group = str(of.get("workspace_connector_id") or of.get("workspace_id") or "one-group")
    text = body if isinstance(body, str) else json.dumps(body)
    return {
        "messageId": str(uuid4()),
        "receiptHandle": "receipt",
        "body": text,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1778400862113",
            "SequenceNumber": f"{18893476182034432000 + number}",
            "MessageGroupId": group,
            "SenderId": "sender",
            "MessageDeduplicationId": str(uuid4()),
            "ApproximateFirstReceiveTimestamp": "1778400862124",
        },
        "messageAttributes": {},
        "md5OfBody": md5(text.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:wellspring-sync.fifo",
        "awsRegion": "eu-west-1",
    }


def is_understood(body: Body | str) -> bool:
    """Say whether the consumer understands a body; what it does not is parked as malformed."""
    try:
        parse(body if isinstance(body, str) else json.dumps(body))
    except MalformedMessage:
        return False
    return True


def consume(*bodies: Body | str, groups: Iterable[str] | None = None, context: Context = USUAL) -> list[int]:
    """Deliver `bodies` as one batch; return the positions of those that go back to the queue, in its order."""
    given = list(groups) if groups is not None else [None] * len(bodies)
    records = [delivery(body, group, number) for number, (body, group) in enumerate(zip(bodies, given, strict=True))]
    return replay({"Records": records}, context)


def replay(event: Mapping[str, Any], context: Context = USUAL) -> list[int]:
    """Call the consumer with `event`; return the positions of the messages that go back."""
    positions = [record["messageId"] for record in event["Records"]]
    return [positions.index(item["itemIdentifier"]) for item in handler(event, context)["batchItemFailures"]]
