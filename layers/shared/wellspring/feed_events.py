"""Models of the feed's events: CloudEvents 1.0, one for each type (contract, section 6).

docs/feed.md tells producers the same, docs/feed.schema.json their programs. Members that a model does not know are
ignored, so that a producer may be ahead of us.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from wellspring import strict_json
from wellspring.messages import ID, PRINTABLE, PROBLEMS_TOLD, Id, Instant, Name, Words, readable
from wellspring.resources import (
    CONNECTOR,
    DIRECTIONS,
    OWN_WORKSPACE,
    PROVIDER,
    WORKSPACE_CONNECTOR,
    WORKSPACE_MEMBERSHIP,
    Attribute,
    Resource,
    ledgers,
    records,
)
from wellspring.services.feed import Action, FeedEvent, Malformed, Told

MOST_EVENTS = 1000
HIGHEST_SEQUENCE = 9223372036854775807

# An index has it, and an entry of an index has at most 2,704 bytes (Postgres's documentation, "B-Tree", limits).
type Category = Annotated[str, StringConstraints(max_length=500, pattern=PRINTABLE)]
# Of twenty providers with as many as there may be, a page is still smaller than an answer may be.
type Country = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=PRINTABLE)]
type Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]


def _in_range(sequence: str) -> str:
    if 1 <= int(sequence) <= HIGHEST_SEQUENCE:
        return sequence
    raise PydanticCustomError("sequence_out_of_range", "must be from 1 to 9223372036854775807")


type Sequence_ = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,40}$"), AfterValidator(_in_range), Field(examples=["1042"])
]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


def _form_of(attribute: Attribute) -> Any:
    """Return what an event may say of an attribute, and what it says where it leaves it out."""
    match attribute.kind:
        case "texts":
            return Annotated[list[Country], Field(max_length=300)], []
        case "direction":
            return Literal[DIRECTIONS] | None, None
        case _ if attribute.required:
            return Name, ...
        case _:
            return (Category if attribute.found else Words) | None, None


def _data_of(resource: Resource, meaning: str = "") -> type[_Data]:
    """Return what is said of a resource: its attributes, as they are declared, and its workspace."""
    meaning = meaning or f"One of the {resource.names} of a workspace."
    told: dict[str, Any] = {"workspace_id": (Id, ...)} if resource.to_one else {}
    told |= {attribute.name: _form_of(attribute) for attribute in resource.told}
    made: type[_Data] = create_model(f"{_title(resource)}Data", __base__=_Data, __doc__=meaning, **told)
    return made


def _title(resource: Resource) -> str:
    return resource.type.title().replace("_", "")


class WorkspaceConnectorData(_Data):
    """A workspace's connection to a connector."""

    workspace_id: Id
    connector_id: Id
    status: Word = "active"
    consent_expires_at: Instant | None = None


class WorkspaceMembershipData(_Data):
    """Somebody's place in a workspace; it gives access. An active one opens all that the workspace has."""

    people_id: Id
    workspace_id: Id
    role: Literal["owner", "admin", "member", "guest"]
    status: Literal["pending", "active"]


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
    id: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)]
    subject: Id
    sequence: Sequence_
    time: Instant | None = None


def _model(name: str, description: str, *types: str, **members: Any) -> type[_Event]:
    literal: Any = Literal[*(f"wellspring.{type_}" for type_ in types)]
    made: type[_Event] = create_model(name, __base__=_Event, __doc__=description, type=(literal, ...), **members)
    return made


def _upserted(resource: Resource, whose: str = "A record", data: type[_Data] | None = None) -> type[_Event]:
    """Return the event that tells of a resource; its `data` is made of attributes where nothing else is given."""
    members = (data or _data_of(resource), ...)
    name = f"{_title(resource)}Upserted"
    return _model(name, f"{whose} is as `data` says.", f"{resource.type}.upserted", data=members)


_CONNECTOR = _data_of(CONNECTOR, "A connector of the catalogue, which workspaces connect to.")
_DELETED = ("workspace", "connector", "provider", "workspace_connector", "workspace_membership", *ledgers())
_MODELS: tuple[type[_Event], ...] = (
    _upserted(OWN_WORKSPACE, "A workspace", _data_of(OWN_WORKSPACE, "A workspace.")),
    *map(_upserted, records()),
    _upserted(CONNECTOR, "A connector", _CONNECTOR),
    _upserted(WORKSPACE_CONNECTOR, "A workspace's connection", WorkspaceConnectorData),
    _upserted(WORKSPACE_MEMBERSHIP, "A membership", WorkspaceMembershipData),
    _upserted(PROVIDER, "A provider", _data_of(PROVIDER, "A provider of the global catalogue.")),
    _model(
        "Deleted",
        "A resource is gone; an upsert with a higher sequence brings it back.",
        *(f"{type_}.deleted" for type_ in _DELETED),
    ),
    _model(
        "PeopleErased",
        "A person is to be forgotten, for good: nothing brings name or membership back.",
        "people.erased",
    ),
    _model(
        "WorkspaceErased",
        "A workspace is to be forgotten with all that is in it, for good: nothing brings any of it back.",
        "workspace.erased",
    ),
)

_any: Any = reduce(or_, _MODELS)
_event: TypeAdapter[Any] = TypeAdapter(Annotated[_any, Field(discriminator="type")])
_text: TypeAdapter[str] = TypeAdapter(Annotated[str, StringConstraints(max_length=500, pattern=PRINTABLE)])

# What an event does, by the last part of its type.
_ACTIONS: Mapping[str, Action] = {"upserted": "upsert", "deleted": "delete", "erased": "erase"}


def parse(body: str) -> list[Told]:
    """Return the events that a body holds: one, or a batch. What is no event stands among them as `Malformed`."""
    try:
        content = strict_json.loads(body)
    except ValueError:
        return [_no_event(body, "json_invalid")]
    if not isinstance(content, list):
        return [parse_event(content)]
    if not 1 <= len(content) <= MOST_EVENTS:
        return [_no_event(body, "too_long" if content else "too_short")]
    return [parse_event(one) for one in content]


def parse_line(line: bytes) -> Told:
    """Return the event that one line of a file holds."""
    try:
        content = strict_json.loads(line)
    except ValueError:
        return _no_event(line.decode(errors="replace"), "json_invalid")
    return parse_event(content)


def parse_event(content: object) -> Told:
    """Return the event that a JSON value is, or why it is none."""
    try:
        return _applicable(_event.validate_python(content))
    except ValidationError as error:
        return _malformed(content, error)


def _applicable(event: Any) -> FeedEvent:
    _, type_, done = event.type.split(".")
    action = _ACTIONS[done]
    return FeedEvent(
        source=event.source,
        event_id=event.id,
        event_type=event.type,
        type=type_,
        subject=event.subject,
        version=int(event.sequence),
        action=action,
        values=event.data.__dict__ if action == "upsert" else {},
        time=event.time,
    )


def _malformed(content: object, error: ValidationError) -> Malformed:
    problems = error.errors(include_url=False, include_context=False, include_input=False)[:PROBLEMS_TOLD]
    members = content if isinstance(content, dict) else {}
    return Malformed(
        text=json.dumps(content),
        problems=tuple({"code": problem["type"], "pointer": _pointer(problem["loc"])} for problem in problems),
        source=readable(_text, members.get("source")),
        event_id=readable(_text, members.get("id")),
        event_type=readable(_text, members.get("type")),
        subject=readable(ID, members.get("subject")),
    )


def _no_event(body: str, code: str) -> Malformed:
    return Malformed(text=json.dumps(body), problems=({"code": code, "pointer": ""},))


def _pointer(location: Sequence[int | str]) -> str:
    """Return a JSON Pointer; the first step is the model's own name for the event's type, unless there is none."""
    steps = [str(step) for step in location if not str(step).startswith("wellspring.")]
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)


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
