"""Events out while everything breaks: what the bus took is held to the outbox, and that to what became of the ledger.

Nothing is lost, what comes twice is the same, and each message that changed rows or is parked is told of.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from tests.abuse.ledger import owner_of
from wellspring.ledger_events import envelope

type Event = Mapping[str, Any]

_OUTBOX = """
SELECT id, sequence, type, partition_key, workspace_id, subject, occurred_at, data FROM wellspring.outbox
 ORDER BY sequence
"""
# Who died left what they had taken until the time for that is over, which nobody waits for here.
_NOW = "UPDATE wellspring.outbox SET next_attempt_at = now() WHERE published_at IS NULL RETURNING id"
_MESSAGES = """
SELECT CAST(id AS text), outcome,
       outcome = 'applied' AND workspace_connector_pk IS NOT NULL
         AND (jsonb_path_exists(counts, '$.*.linked ? (@ > 0)') OR jsonb_path_exists(counts, '$.*.ended ? (@ > 0)'))
  FROM wellspring.sync_messages
"""


def unpublished(url: str) -> int:
    """Return how many events are not published, and let them be due at once."""
    with owner_of(url) as owner:
        return owner.exec_driver_sql(_NOW).rowcount


def judge(url: str, lines: Sequence[str]) -> tuple[list[str], Counter[str]]:
    """Return what is wrong with what the bus took, and how much that was."""
    took = [json.loads(line) for line in lines]
    with owner_of(url) as owner:
        outbox = [envelope(dict(row)) for row in owner.exec_driver_sql(_OUTBOX).mappings()]
        did = Counter({"events": len(outbox), "events that came twice": len(took) - len(outbox)})
        return [*differences(outbox, took), *_against_the_ledger(owner, took)], did


def differences(outbox: Sequence[Event], took: Sequence[Event]) -> list[str]:
    """Return what the bus lacks, has too much, or has in two forms."""
    sent = {event["id"]: event for event in outbox}
    known = {event["id"] for event in took}
    found = [f"is lost: {event}" for id_, event in sent.items() if id_ not in known]
    found += [f"is not what is in the outbox: {event}" for event in took if sent.get(event["id"]) != event]
    sequences = [event["sequence"] for event in outbox]
    if len(set(sequences)) < len(sequences):
        found.append("two events have one sequence")
    return found


def _against_the_ledger(owner: Connection, took: Sequence[Event]) -> Iterator[str]:
    """Yield where what a consumer of events knows is not what the ledger says."""
    events = {event["id"]: event for event in took}.values()

    def of(*types: str) -> list[Event]:
        return [event for event in events if event["type"].removeprefix("wellspring.") in types]

    changed = Counter(filter(None, (event["data"]["sync_message_id"] for event in of("provenance.changed"))))
    parked = {event["data"]["sync_message_id"] for event in of("sync_message.parked", "sync_run.parked")}
    for id_, outcome, changes in owner.exec_driver_sql(_MESSAGES):
        if changed.pop(id_, 0) != int(changes):
            yield f"was told not as often as it changed rows: {id_} ({outcome})"
        if outcome == "parked" and id_ not in parked:
            yield f"is parked, and nobody was told: {id_}"
    if changed:
        yield f"changed rows, and are no messages: {changed}"
