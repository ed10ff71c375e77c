"""Examples of the ledger's events, as a target of EventBridge gets them; `make events` writes events/out/*.json."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from local.example_ids import id_of
from wellspring.ledger_events import (
    BUS_SOURCE,
    ENROLLED,
    HEALTH_CHANGED,
    LEDGER_EVENTS,
    PROVENANCE_CHANGED,
    PROVIDER_MATCHED,
    PROVIDER_SELECTED,
    LedgerEvent,
    envelope,
)
from wellspring.resources import Attribute, resource_of

AT = datetime(2026, 5, 10, 8, 14, 22, 318_000, UTC)
# What is not as its declaration alone would have it.
SPECIAL: Mapping[str, Mapping[str, object]] = {
    HEALTH_CHANGED.type: {"reasons": [{"code": "late", "at": "2026-05-10T08:14:00.000Z"}]},
    PROVENANCE_CHANGED.type: {
        "row_id": None,
        "counts": {"company": {"named": 3, "made": 1, "linked": 3, "ended": 2}},
        "link": f"/v1/sync-messages/{id_of('sync_message')}",
    },
}
LINKED = (HEALTH_CHANGED, PROVIDER_SELECTED, PROVIDER_MATCHED, ENROLLED)


def example(event: LedgerEvent) -> dict[str, Any]:
    """Return an event of a type, as EventBridge gives it to a target."""
    subject = id_of(event.subject)
    special = SPECIAL.get(event.type, {})
    number = LEDGER_EVENTS.index(event)
    row = {
        "id": uuid5(NAMESPACE_URL, event.type),
        "sequence": 7_301 + 16 * number,
        "type": event.type,
        "partition_key": id_of(event.partition),
        "workspace_id": id_of("workspace"),
        "subject": subject,
        "occurred_at": AT,
        "data": {
            each.name: special[each.name] if each.name in special else _value(each, event) for each in event.members
        },
    }
    return {
        "version": "0",
        "id": str(uuid5(NAMESPACE_URL, f"bus {event.type}")),
        "detail-type": event.type,
        "source": BUS_SOURCE,
        "account": "123456789012",
        # EventBridge shows no milliseconds.
        "time": AT.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "eu-west-1",
        "resources": [],
        "detail": envelope(row),
    }


def _value(said: Attribute, event: LedgerEvent) -> object:
    match said.kind:
        case "uuid":
            return id_of(said.name.removesuffix("_id"))
        case "count":
            return 4
        case "counts":
            return {"company": {"named": 1200, "made": 12, "linked": 1200, "ended": 7}}
        case "text" if said.name == "link":
            is_over = not said.required and event not in LINKED
            return None if is_over else f"{resource_of(event.subject).route}/{id_of(event.subject)}"
        case _:
            return said.example
