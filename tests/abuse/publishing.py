"""Events out while everything breaks: what the bus took is held to the outbox, and that to what became of the ledger.

Nothing is lost, what comes twice is the same, and the last word of each connector is right.
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
_HEALTH = "SELECT CAST(id AS text), health FROM core_api.workspace_connectors"
_MESSAGES = """
SELECT CAST(id AS text), outcome,
       outcome = 'applied' AND workspace_connector_pk IS NOT NULL
         AND (jsonb_path_exists(counts, '$.*.linked ? (@ > 0)') OR jsonb_path_exists(counts, '$.*.ended ? (@ > 0)'))
  FROM wellspring.sync_messages
"""
_COMPLETE = "SELECT CAST(id AS text) FROM wellspring.sync_runs WHERE completed_at IS NOT NULL"


def health(url: str) -> dict[str, str]:
    """Return the health of each connector."""
    with owner_of(url) as owner:
        return {id_: str(health) for id_, health in owner.exec_driver_sql(_HEALTH)}


def unpublished(url: str) -> int:
    """Return how many events are not published, and let them be due at once."""
    with owner_of(url) as owner:
        return owner.exec_driver_sql(_NOW).rowcount


def judge(url: str, lines: Sequence[str], before: Mapping[str, str]) -> tuple[list[str], Counter[str]]:
    """Return what is wrong with what the bus took, and how much that was; `before` was the health at first."""
    took = [json.loads(line) for line in lines]
    with owner_of(url) as owner:
        outbox = [envelope(dict(row)) for row in owner.exec_driver_sql(_OUTBOX).mappings()]
        did = Counter({"events": len(outbox), "events that came twice": len(took) - len(outbox)})
        return [*differences(outbox, took), *_against_the_ledger(owner, took, dict(before))], did


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


def _against_the_ledger(owner: Connection, took: Sequence[Event], health: dict[str, str]) -> Iterator[str]:
    """Yield where what a consumer of events knows is not what the ledger says."""
    events = sorted({event["id"]: event for event in took}.values(), key=lambda event: event["sequence"])

    def of(*types: str) -> list[Event]:
        return [event for event in events if event["type"].removeprefix("wellspring.") in types]

    for data in (event["data"] for event in of("workspace_connector.health_changed")):
        if health.get(data["workspace_connector_id"], "new") != data["from"]:
            yield f"came from another health than was told: {data}"
        health[data["workspace_connector_id"]] = data["to"]
    now = {id_: said for id_, said in owner.exec_driver_sql(_HEALTH) if said != health.get(id_, "new")}
    if now:
        yield f"are {now}, and were told to be {health}"
    changed = Counter(filter(None, (event["data"]["sync_message_id"] for event in of("provenance.changed"))))
    parked = {event["data"]["sync_message_id"] for event in of("sync_message.parked", "sync_run.parked")}
    for id_, outcome, changes in owner.exec_driver_sql(_MESSAGES):
        if changed.pop(id_, 0) != int(changes):
            yield f"was told not as often as it changed rows: {id_} ({outcome})"
        if outcome == "parked" and id_ not in parked:
            yield f"is parked, and nobody was told: {id_}"
    if changed:
        yield f"changed rows, and are no messages: {changed}"
    completed = Counter(event["subject"] for event in of("sync_run.completed"))
    if completed != Counter(owner.exec_driver_sql(_COMPLETE).scalars()):
        yield f"runs completed: {completed}"
