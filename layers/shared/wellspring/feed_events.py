"""What may come through the platform's feed: CloudEvents 1.0, one model for each type (contract, section 6).

docs/feed.md tells producers the same, docs/feed.schema.json their programs. Members that a model does not know are
ignored, so that a producer may be ahead of us.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from wellspring.messages import Id, Instant
from wellspring.services.feed import FeedEvent, Malformed, Told

MOST_EVENTS = 1000
HIGHEST_SEQUENCE = 9223372036854775807
# How many problems of one event are told.
PROBLEMS_TOLD = 5

# Neither control characters, NUL among them, nor anything that Postgres cannot hold.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"

type Name = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_PRINTABLE)]
type Words = Annotated[str, StringConstraints(max_length=2000, pattern=_PRINTABLE)]
type Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]


def _in_range(sequence: str) -> str:
    if 1 <= int(sequence) <= HIGHEST_SEQUENCE:
        return sequence
    raise PydanticCustomError("sequence_out_of_range", "must be from 1 to 9223372036854775807")


type Sequence_ = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,40}$"), AfterValidator(_in_range), Field(examples=["1042"])
]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


class WorkspaceData(_Data):
    """A workspace."""

    name: Name


class PeopleData(_Data):
    """A person, user or contact, of one workspace."""

    full_name: Name
    workspace_id: Id


class CompanyData(_Data):
    """A company of a workspace."""

    name: Name
    workspace_id: Id


class AccountData(_Data):
    """A bank account of a workspace."""

    account_name: Name
    currency: Words | None = None
    workspace_id: Id


class ConnectorData(_Data):
    """A connector of the catalogue, which workspaces connect to."""

    name: Name
    provider: Words | None = None
    direction: Literal["input", "output"] | None = None


class WorkspaceConnectorData(_Data):
    """A workspace's connection to a connector."""

    workspace_id: Id
    connector_id: Id
    status: Word = "active"


class WorkspaceMembershipData(_Data):
    """Somebody's place in a workspace; it gives access. An active one opens all that the workspace has."""

    people_id: Id
    workspace_id: Id
    role: Literal["owner", "admin", "member", "guest"]
    status: Literal["pending", "active"]


class ProviderData(_Data):
    """A provider of the global catalogue."""

    name: Name
    slug: Name
    category: Words | None = None
    url: Words | None = None
    logo_url: Words | None = None
    countries: Annotated[list[Word], Field(max_length=300)] = []
    skill_status: Words | None = None


class _Event(BaseModel):
    """What all events have: the context attributes of CloudEvents.

    Attributes:
        id: the source's name for the event; it is kept, and decides nothing.
        source: who tells; a resource belongs to the source that told of it first.
        subject: the resource's id.
        sequence: its version at the source, a decimal number that grows with each change of it.
        time: when it happened, for people.
    """

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_PRINTABLE)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_PRINTABLE)]
    subject: Id
    sequence: Sequence_
    time: Instant | None = None


class WorkspaceUpserted(_Event):
    """A workspace is as `data` says."""

    type: Literal["wellspring.workspace.upserted"]
    data: WorkspaceData


class PeopleUpserted(_Event):
    """A person is as `data` says."""

    type: Literal["wellspring.people.upserted"]
    data: PeopleData


class CompanyUpserted(_Event):
    """A company is as `data` says."""

    type: Literal["wellspring.company.upserted"]
    data: CompanyData


class AccountUpserted(_Event):
    """An account is as `data` says."""

    type: Literal["wellspring.account.upserted"]
    data: AccountData


class ConnectorUpserted(_Event):
    """A connector is as `data` says."""

    type: Literal["wellspring.connector.upserted"]
    data: ConnectorData


class WorkspaceConnectorUpserted(_Event):
    """A workspace's connection is as `data` says."""

    type: Literal["wellspring.workspace_connector.upserted"]
    data: WorkspaceConnectorData


class WorkspaceMembershipUpserted(_Event):
    """A membership is as `data` says."""

    type: Literal["wellspring.workspace_membership.upserted"]
    data: WorkspaceMembershipData


class ProviderUpserted(_Event):
    """A provider is as `data` says."""

    type: Literal["wellspring.provider.upserted"]
    data: ProviderData


class Deleted(_Event):
    """A resource is gone; an upsert with a higher sequence brings it back."""

    type: Literal[
        "wellspring.workspace.deleted",
        "wellspring.people.deleted",
        "wellspring.company.deleted",
        "wellspring.account.deleted",
        "wellspring.connector.deleted",
        "wellspring.workspace_connector.deleted",
        "wellspring.workspace_membership.deleted",
        "wellspring.provider.deleted",
    ]


class PeopleErased(_Event):
    """A person is to be forgotten, for good: nothing brings name or membership back."""

    type: Literal["wellspring.people.erased"]


type Event = (
    WorkspaceUpserted
    | PeopleUpserted
    | CompanyUpserted
    | AccountUpserted
    | ConnectorUpserted
    | WorkspaceConnectorUpserted
    | WorkspaceMembershipUpserted
    | ProviderUpserted
    | Deleted
    | PeopleErased
)

_event: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_text: TypeAdapter[str] = TypeAdapter(Annotated[str, StringConstraints(max_length=500, pattern=_PRINTABLE)])
_id: TypeAdapter[str] = TypeAdapter(Id)

_ACTIONS: Mapping[str, Literal["upsert", "delete", "erase"]] = {
    "upserted": "upsert",
    "deleted": "delete",
    "erased": "erase",
}


def parse(body: str) -> list[Told]:
    """Return the events that a body holds: one, or a batch. What is no event stands among them as `Malformed`."""
    # A lone surrogate, which Python's strings can hold, is invalid UTF-8.
    try:
        content = json.loads(body.encode(errors="surrogatepass"))
    except (ValueError, RecursionError):
        return [_no_event(body, "json_invalid", "")]
    if not isinstance(content, list):
        return [parse_event(content)]
    if not 1 <= len(content) <= MOST_EVENTS:
        return [_no_event(body, "too_long" if content else "too_short", "")]
    return [parse_event(one) for one in content]


def parse_line(line: bytes) -> Told:
    """Return the event that one line of a file holds."""
    try:
        return _applicable(_event.validate_json(line))
    except ValidationError as error:
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            return _no_event(line.decode(errors="replace"), "json_invalid", "")
        return _malformed(content, error)


def parse_event(content: object) -> Told:
    """Return the event that a JSON value is, or why it is none."""
    try:
        return _applicable(_event.validate_python(content))
    except ValidationError as error:
        return _malformed(content, error)


def _applicable(event: Event) -> FeedEvent:
    _, type_, what = event.type.split(".")
    return FeedEvent(
        source=event.source,
        event_id=event.id,
        event_type=event.type,
        type=type_,
        subject=event.subject,
        version=int(event.sequence),
        action=_ACTIONS[what],
        values={} if isinstance(event, (Deleted, PeopleErased)) else event.data.__dict__,
        time=None if event.time is None else event.time.astimezone(UTC).isoformat(timespec="milliseconds"),
    )


def _malformed(content: object, error: ValidationError) -> Malformed:
    problems = error.errors(include_url=False, include_context=False, include_input=False)[:PROBLEMS_TOLD]
    members = content if isinstance(content, dict) else {}
    return Malformed(
        text=json.dumps(content),
        problems=tuple({"code": problem["type"], "pointer": _pointer(problem["loc"])} for problem in problems),
        source=_readable(_text, members.get("source")),
        event_id=_readable(_text, members.get("id")),
        event_type=_readable(_text, members.get("type")),
        subject=_readable(_id, members.get("subject")),
    )


def _no_event(body: str, code: str, pointer: str) -> Malformed:
    return Malformed(text=json.dumps(body), problems=({"code": code, "pointer": pointer},))


def _pointer(location: Sequence[int | str]) -> str:
    """Return a JSON Pointer; the first step is the model's own name for the event's type, unless there is none."""
    steps = [str(step) for step in location if not str(step).startswith("wellspring.")]
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)


def _readable(adapter: TypeAdapter[str], value: object) -> str | None:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an event, as docs/feed.schema.json holds it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event of the platform's feed",
        "description": "One event, told apart by its type; a body holds one, or an array of up to 1,000.",
        **_event.json_schema(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
