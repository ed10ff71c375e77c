"""Declarations of the events that the ledger sends out: CloudEvents 1.0 on an EventBridge bus (contract, section 10).

The outbox, docs/events.md, docs/events.schema.json, docs/asyncapi.yaml and the examples read it. Pure data: the write
path imports it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from wellspring.resources import (
    HEALTH,
    MESSAGE_REASONS,
    MESSAGE_TYPES,
    WORKSPACE_CONNECTOR,
    Attribute,
    count,
    counts,
    objects,
    text,
    uuid,
)

# Of CloudEvents; EventBridge's own `Source` is the same without the slash.
SOURCE = "/wellspring"
BUS_SOURCE = "wellspring"
SPECVERSION = "1.0"
CONTENT_TYPE = "application/json"
# "used such that across the entire set of values used a receiver can determine the order of the events via a simple
# string-compare": leading zeros, for as many digits as a bigint has (CloudEvents, extensions/sequence.md).
SEQUENCE_DIGITS = 19

type Partition = Literal["workspace_connector", "workspace", "workspace_group"]


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One type of event.

    Attributes:
        type: its name.
        meaning: what has happened, in a sentence.
        comes: when it comes, and when not.
        partition: what it is put in order by: the type of the resource whose id is `partitionkey`.
        subject: the type of the resource whose id is `subject`.
        members: what `data` has beside `workspace_id`: all of them, always; one that is not required may be null.
    """

    type: str
    meaning: str
    comes: str
    partition: Partition
    subject: str
    members: tuple[Attribute, ...]


def _id(of: str, description: str, *, required: bool = True) -> Attribute:
    return uuid(f"{of}_id", description, required=required)


def _link(description: str, *, required: bool = True) -> Attribute:
    return text("link", description, required=required)


WORKSPACE = _id("workspace", "The workspace that it concerns.")
# A message of a connector or workspace that is not here belongs to no workspace.
WORKSPACE_OR_NONE = _id(
    "workspace", "The workspace that it concerns; null where it names none that is here.", required=False
)
_CONNECTOR = _id("workspace_connector", "The connector.")
_MESSAGE = _id("sync_message", "The message, by the id that the API has for it.")
_RUN = _id("sync_run", "The run.")
_REASON = text(
    "reason",
    "Why; one of another tenant's record reads `unknown_record`.",
    "unknown_record",
    required=True,
    # To whom an event goes nobody knows here: that a record is another tenant's is nobody else's to know.
    choices=tuple(code for code in MESSAGE_REASONS if code != "tenant_mismatch"),
)
_COUNTS = counts(
    "counts",
    "How many rows of each record type were `linked` (made or brought back) and `ended`; of a message also "
    "how many records it `named` and `made`.",
)
_HEALTH_REASONS = WORKSPACE_CONNECTOR.attribute("health_reasons")


RUN_COMPLETED = LedgerEvent(
    "wellspring.sync_run.completed",
    "A run came whole: all its messages are applied, and its snapshot, where it has one, is carried out.",
    "Once for each run, when its state becomes `complete`; of a snapshot, after its last chunk.",
    "workspace_connector",
    "sync_run",
    (
        _CONNECTOR,
        _RUN,
        count("messages_applied", "How many messages it had, beside its end."),
        _COUNTS,
        _link("The run."),
    ),
)
RUN_PARKED = LedgerEvent(
    "wellspring.sync_run.parked",
    "A run is said to be over and is not: it misses messages, or its snapshot would end too much.",
    "When its `run.completed` is parked, or parked for another reason than before (not `expired`), in place of "
    "`wellspring.sync_message.parked`.",
    "workspace_connector",
    "sync_run",
    (_CONNECTOR, _RUN, _MESSAGE, _REASON, _link("The run.")),
)
MESSAGE_PARKED = LedgerEvent(
    "wellspring.sync_message.parked",
    "A sync message could not be applied, and waits for what it misses or for somebody.",
    "When a message is parked, or parked for another reason than before (not `expired`). One without a connector or "
    "workspace that is here has its own id as `partitionkey`.",
    "workspace_connector",
    "sync_message",
    (
        _id("workspace_connector", "Its connector; null where it has none, or none that is here.", required=False),
        _MESSAGE,
        text(
            "message_type",
            "What it asks for; null where that could not be read.",
            "records.synced",
            choices=MESSAGE_TYPES,
        ),
        _REASON,
        _link("The message, with all its problems."),
    ),
)
HEALTH_CHANGED = LedgerEvent(
    "wellspring.workspace_connector.health_changed",
    "A connector became well or unwell, or is unwell for other reasons.",
    "When `health` or the set of codes in `reasons` changes, by an effect or because a time has come; also when a "
    "connector that is disconnected already goes, or comes back so, which `link` says. Not while only a "
    "reason's time changes, nor for a connector that is made and has not synced: that is `new`.",
    "workspace_connector",
    "workspace_connector",
    (
        _CONNECTOR,
        text("from", "Its health before.", "ok", required=True, choices=HEALTH),
        text(
            "to", "Its health now: the code of the first of `reasons`, or `ok`.", "late", required=True, choices=HEALTH
        ),
        objects(
            "reasons",
            "All that holds now, the worst first; empty where it is `ok`.",
            *(_HEALTH_REASONS.members if _HEALTH_REASONS else ()),
        ),
        _link("The connector; null where it is gone, and no list has it.", required=False),
    ),
)
PROVENANCE_CHANGED = LedgerEvent(
    "wellspring.provenance.changed",
    "Rows of a connector were linked, brought back or ended.",
    "Once for each message or HTTP write that linked or ended anything; of what goes in chunks (a disconnect, a "
    "snapshot, a revert, the sweep of an ended record or connector) once for each connector, when it is done.",
    "workspace_connector",
    "workspace_connector",
    (
        _CONNECTOR,
        _id("sync_message", "The message that did it; null for a write over HTTP and a sweep.", required=False),
        uuid("row_id", "The row that was written over HTTP; null for a message and a sweep."),
        _COUNTS,
        _link("The message, or the row while it is live; null for a sweep.", required=False),
    ),
)


def _of_row(
    type_: str, partition: Partition, members: tuple[Attribute, ...], meaning: str, comes: str, *, is_over: bool = False
) -> LedgerEvent:
    """Declare what happens to a choice or an enrolment; the first of its members is its id."""
    row = members[0].description.removesuffix(".")
    link = _link(f"{row}; null, for it is over.", required=False) if is_over else _link(f"{row}.")
    return LedgerEvent(type_, meaning, comes, partition, type_.split(".")[1], (*members, link))


_CHOICE = (_id("workspace_provider", "The choice."), _id("provider", "The provider."))
PROVIDER_SELECTED = _of_row(
    "wellspring.workspace_provider.selected",
    "workspace",
    _CHOICE,
    "A provider was selected for a workspace.",
    "When `is_selected` becomes true, over HTTP. When it becomes false again nothing comes.",
)
PROVIDER_MATCHED = _of_row(
    "wellspring.workspace_provider.matched",
    "workspace",
    _CHOICE,
    "A provider was matched to a workspace, and not selected.",
    "When `is_matched` becomes true by a `providers.matched` or by the matching service; one for each provider.",
)
PROVIDER_REMOVED = _of_row(
    "wellspring.workspace_provider.removed",
    "workspace",
    _CHOICE,
    "A workspace's choice of a provider ended.",
    "When it is removed over HTTP, or ends with its provider.",
    is_over=True,
)
_ENROLMENT = (_id("workspace_group_workspace", "The enrolment."), _id("workspace_group", "The group."))
ENROLLED = _of_row(
    "wellspring.workspace_group_workspace.enrolled",
    "workspace_group",
    _ENROLMENT,
    "A workspace was enrolled in a group: the group's members see it.",
    "For each workspace that is.",
)
WITHDRAWN = _of_row(
    "wellspring.workspace_group_workspace.withdrawn",
    "workspace_group",
    _ENROLMENT,
    "A workspace was withdrawn from a group.",
    "For each workspace that is, also where its group is deleted.",
    is_over=True,
)

LEDGER_EVENTS = (
    RUN_COMPLETED,
    RUN_PARKED,
    MESSAGE_PARKED,
    HEALTH_CHANGED,
    PROVENANCE_CHANGED,
    PROVIDER_SELECTED,
    PROVIDER_MATCHED,
    PROVIDER_REMOVED,
    ENROLLED,
    WITHDRAWN,
)


def members_of(event: LedgerEvent) -> tuple[Attribute, ...]:
    """Return all members of an event's `data`."""
    return (WORKSPACE_OR_NONE if event is MESSAGE_PARKED else WORKSPACE, *event.members)


# What jsonb has in an order of its own.
_MEMBERS: Mapping[str, dict[str, Any]] = {
    event.type: dict.fromkeys(member.name for member in members_of(event)) for event in LEDGER_EVENTS
}


def envelope(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the CloudEvent of a row of the outbox, in JSON's types.

    The row has `id`, `sequence`, `type`, `partition_key`, `workspace_id` (may be None), `subject`, `occurred_at` (a
    datetime) and `data`: the type's members but `workspace_id`.
    """
    workspace_id = row["workspace_id"]
    data = {**_MEMBERS.get(row["type"], {}), "workspace_id": workspace_id and str(workspace_id), **row["data"]}
    occurred_at: datetime = row["occurred_at"]
    return {
        "specversion": SPECVERSION,
        "id": str(row["id"]),
        "source": SOURCE,
        "type": row["type"],
        "subject": str(row["subject"]),
        "time": occurred_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "partitionkey": str(row["partition_key"]),
        "sequence": f"{row['sequence']:0{SEQUENCE_DIGITS}d}",
        "datacontenttype": CONTENT_TYPE,
        "data": data,
    }
