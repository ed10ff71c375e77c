"""Models of the sync queue's messages: one for each type, told apart by `type` (contract, section 5).

A new type is one model here, one name in the union, and what it does in `services`. docs/messages.md tells producers
the same, docs/messages.schema.json their programs. Members that a model does not know are ignored, so that a producer
may be ahead of us.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import reduce
from hashlib import sha256
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Self, TypedDict

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from wellspring import strict_json
from wellspring.errors import SchemaValidationError
from wellspring.resources import Resource, records
from wellspring.times import in_utc, is_ahead
from wellspring.work import (
    LAST_RECEIVE,
    PROBLEMS_TOLD,
    WORK,
    Claim,
    Direction,
    ReceivedMessage,
    RecordType,
    Snapshot,
    Work,
)

MOST_RECORDS = 3000
MOST_REVERTED = 1000
MOST_OF_RUN = 5000

# Kept as text, which is how Postgres gets it: thirty thousand UUID objects would cost as much as their validation.
type Id = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True),
    Field(json_schema_extra={"format": "uuid"}),
]


def _written_as_a_date(value: object) -> object:
    """Refuse numbers, and numbers in quotes, which pydantic would take for seconds since 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise PydanticCustomError("datetime_not_iso_8601", "must be ISO 8601 with an offset")


def _in_range(instant: datetime) -> datetime:
    """Return a time in UTC. One that would lie outside of what can be shown is none."""
    moved = in_utc(instant)
    if moved is None:
        raise PydanticCustomError("datetime_out_of_range", "must be in the years 1 to 9999 in UTC")
    return moved


def _not_ahead(instant: datetime) -> datetime:
    """Refuse what has not happened yet: a connector would seem to be synced until then."""
    if is_ahead(instant):
        raise PydanticCustomError("datetime_in_the_future", "must not be more than a day ahead")
    return instant


type Instant = Annotated[AwareDatetime, BeforeValidator(_written_as_a_date), AfterValidator(_in_range)]
type PastInstant = Annotated[Instant, AfterValidator(_not_ahead)]


class MalformedMessage(SchemaValidationError):
    """A body is not a message; it never will be one, so trying again is of no use.

    Attributes:
        members: of the body, where it is a JSON object.
    """

    def __init__(self, detail: str, members: Mapping[str, Any]) -> None:
        super().__init__(detail)
        self.members = members


# Neither control characters, NUL among them, nor anything that Postgres cannot hold.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"

type Name = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)]
type Words = Annotated[str, StringConstraints(max_length=2000, pattern=PRINTABLE)]


def _reference_of(record: Resource) -> Any:
    """Return the form of a reference to a record of one type: with what it is made of where it was never there."""
    title = record.type.title().replace("_", "")
    texts = {
        said.name: Name if said.required else NotRequired[Words | None] for said in record.told if said.kind == "text"
    }
    attributes = TypedDict(f"{title}Attributes", texts)  # type: ignore[misc]  # made from the declaration
    attributes.__doc__ = f"What a {record.name} is made of where it was never there."
    reference = {"type": Literal[record.type], "id": Id, "attributes": NotRequired[attributes]}
    made = TypedDict(f"{title}Reference", reference)  # type: ignore[misc]  # made from the declaration
    made.__doc__ = f"One of the {record.names}."
    return made


if TYPE_CHECKING:

    class RecordReference(TypedDict):
        """One record."""

        type: RecordType
        id: Id
        attributes: NotRequired[Mapping[str, str | None]]

    type TypeOfRecord = RecordType

else:
    TypeOfRecord = Literal[*(record.type for record in records())]
    # Dictionaries and not models: a batch has thirty thousand of them. Not `type`: what is declared is asked for now.
    RecordReference = Annotated[reduce(or_, map(_reference_of, records())), Field(discriminator="type")]


type Records = Annotated[list[RecordReference], Field(min_length=1, max_length=MOST_RECORDS)]


def _distinct(records: list[RecordReference]) -> dict[RecordType, tuple[str, ...]]:
    """Return each record once, by type."""
    distinct: dict[RecordType, dict[str, None]] = {}
    for record in records:
        distinct.setdefault(record["type"], {})[record["id"]] = None
    return {type_: tuple(ids) for type_, ids in distinct.items()}


def _attributes(records: list[RecordReference]) -> dict[RecordType, dict[str, Mapping[str, str | None]]]:
    """Return what records are made of, as far as it is said, by type and id; of one named twice what is said first."""
    said: dict[RecordType, dict[str, Mapping[str, str | None]]] = {}
    for record in records:
        if "attributes" in record:
            said.setdefault(record["type"], {}).setdefault(record["id"], record["attributes"])
    return said


# Printable: no control characters, and no line or paragraph separators.
type Run = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")
]


def _once(named: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(named))


# By the name of a member: what is made of it, where it is not left as it was said.
_BECOMES: Mapping[str, Callable[[Any], object]] = {
    "records": _distinct,
    "message_ids": _once,
    "provider_ids": _once,
    "types": _once,
    "occurred_at": datetime.isoformat,
    "read_since": datetime.isoformat,
    "snapshot": lambda snapshot: Snapshot(**snapshot.members()),
}


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)

    def members(self) -> dict[str, Any]:
        """Return what is said, by the names of `wellspring.work`; each thing is named once."""
        said = {name: value for name, value in self if value is not None and name != "type"}
        return said | {name: _BECOMES[name](value) for name, value in said.items() if name in _BECOMES}


class _Message(_Said):
    id: Id
    type: str

    def work(self, group: str) -> Work:
        """Return what is to be done. `group` is the message's FIFO group."""
        return WORK[self.type](group=group, **self.members())


class RecordsSynced(_Message):
    """A connector brought records in, or carried them out: one row for each distinct record.

    Attributes:
        id: the message's own; a second message with the same id has no effect.
        mode: `append` only adds; `relink` first tombstones the live rows of the same record, connector, direction.
        run: the producer's name for one sync of many messages.
        occurred_at: when it happened at the producer's; a row's `created_at` is when it was written here.
    """

    type: Literal["records.synced"]
    workspace_connector_id: Id
    direction: Direction
    records: Records
    mode: Literal["append", "relink"] = "append"
    occurred_at: PastInstant
    run: Run | None = None

    def members(self) -> dict[str, Any]:
        """Return what is said, and beside the records what they are made of."""
        return super().members() | {"attributes": _attributes(self.records)}


class RecordsInvalidated(_Message):
    """Records are not what a connector said any more: its live rows of them end.

    Attributes:
        id: the message's own; a second message with the same id has no effect.
        direction: of which rows; null for both. It must be said: a forgotten member ends nothing.
    """

    type: Literal["records.invalidated"]
    workspace_connector_id: Id
    direction: Direction | None
    records: Records
    run: Run | None = None


class ConnectorDisconnected(_Message):
    """A connector was disconnected: all its live rows end, however many there are.

    Attributes:
        id: the message's own; a second message with the same id has no effect.
    """

    type: Literal["connector.disconnected"]
    workspace_connector_id: Id


def _said(member: str) -> dict[str, Any]:
    """Return the schema of an object that says a member, and not only null."""
    return {"required": [member], "properties": {member: {"not": {"type": "null"}}}}


class SyncReverted(_Message):
    """A sync is undone: what its messages wrote ends, and what they ended comes back, however many rows there are.

    Attributes:
        id: the message's own; a second message with the same id has no effect.
        message_ids: which messages of the connector; or
        run: all of that run. Later ones of it are parked.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [_said("message_ids"), _said("run")]})

    type: Literal["sync.reverted"]
    workspace_connector_id: Id
    message_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_REVERTED)] | None = None
    run: Run | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.message_ids is None) is (self.run is None):
            raise PydanticCustomError("messages_or_run", "must name message_ids or a run")
        return self

    def members(self) -> dict[str, Any]:
        """Return what is said; the run is one that it undoes, and none that it belongs to."""
        said = super().members()
        return {"of_run" if name == "run" else name: value for name, value in said.items()}


class SnapshotOfRun(_Said):
    """The run named every record of these types that the source has; what it did not name is gone there.

    Attributes:
        direction: of which rows.
        types: of which records.
        read_since: when reading the source began, by the producer's clock; what changed here since then stays.
    """

    model_config = ConfigDict(title="Snapshot")

    direction: Direction
    types: Annotated[list[TypeOfRecord], Field(min_length=1, max_length=len(records()))]
    read_since: PastInstant


class RunCompleted(_Message):
    """A run is over: these were its messages. Until all of them are applied it is parked, and then released by itself.

    Attributes:
        id: the message's own; a second message with the same id has no effect.
        run: the run's name; a later message of it is parked.
        message_ids: all other messages of the run.
        snapshot: what the run says is all there is: what it did not name is tombstoned; null for a part.
        occurred_at: when the sync was over at the producer's.
    """

    type: Literal["run.completed"]
    workspace_connector_id: Id
    run: Run
    message_ids: Annotated[list[Id], Field(max_length=MOST_OF_RUN)]
    snapshot: SnapshotOfRun | None = None
    occurred_at: PastInstant

    @model_validator(mode="after")
    def _names_others(self) -> Self:
        if self.id in self.message_ids:
            raise PydanticCustomError("names_itself", "must name the run's other messages")
        return self


class ProvidersMatched(_Message):
    """Providers suit a workspace: they are matched to it, and none is selected.

    Attributes:
        id: the message's own; a second message with the same id has no effect.
    """

    type: Literal["providers.matched"]
    workspace_id: Id
    provider_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_RECORDS)]


type Message = (
    RecordsSynced | RecordsInvalidated | ConnectorDisconnected | ProvidersMatched | RunCompleted | SyncReverted
)

_message: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])
ID: TypeAdapter[str] = TypeAdapter(Id)
_run: TypeAdapter[str] = TypeAdapter(Run)


def parse(body: str) -> Message:
    """Return the message that `body` holds.

    Raises:
        MalformedMessage: says where and what is wrong, never with a value of the body in it.
    """
    try:
        content = strict_json.loads(body)
    except ValueError:
        raise MalformedMessage("body: json_invalid", {}) from None
    try:
        return _message.validate_python(content)
    except ValidationError as error:
        raise MalformedMessage(_told(error), content if isinstance(content, dict) else {}) from None


def arrival(body: str, *, group: str, sent: int = 0, receives: int = 1, digest: str | None = None) -> ReceivedMessage:
    """Return what came: a message, or what is none and why.

    Args:
        body: what was sent.
        group: its FIFO group.
        sent: when it was sent, in milliseconds since 1970; 0 where nobody says.
        receives: how many times it has been delivered by now.
        digest: of what was sent, where `body` is what is left of that; None where it is all of it.
    """
    digest = digest or sha256(body.encode(errors="surrogatepass")).hexdigest()
    work, id_, fault, claim = None, None, "", Claim()
    try:
        message = parse(body)
        work, id_ = message.work(group), message.id
    except MalformedMessage as error:
        id_, fault, claim = readable(ID, error.members.get("id")), error.detail, _claim(error.members, group)
    return ReceivedMessage(
        work=work,
        message_id=id_,
        group=group,
        body=body,
        digest=digest,
        sent=sent,
        receives=receives,
        validation_error=fault,
        claim=claim,
    )


def read_kept(body: str, group: str, digest: str | None) -> ReceivedMessage:
    """Return a message that was kept; it comes for the last time, as nobody counts how often it has been tried."""
    return arrival(body, group=group, receives=LAST_RECEIVE, digest=digest)


def _told(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['type']}" for one in problems[:PROBLEMS_TOLD]]
    if len(problems) > PROBLEMS_TOLD:
        told.append(f"and {len(problems) - PROBLEMS_TOLD} more")
    return "; ".join(told)


def _claim(members: Mapping[str, Any], group: str) -> Claim:
    """Return what a malformed body still says of itself, and what its group says of it.

    It is shown to whom its connector or workspace belongs, so it must be the one of the group, as of every message: a
    body that names another one is nobody's. Where it names none that can be read, the group stands for it.
    """
    type_ = members.get("type") if members.get("type") in [*WORK] else None
    connector, workspace = (readable(ID, members.get(name)) for name in ("workspace_connector_id", "workspace_id"))
    is_of_workspace = type_ == "providers.matched" or (type_ is None and connector is None and workspace is not None)
    of_group = readable(ID, group) == group
    named = (workspace if is_of_workspace else connector) or group
    owner = named if of_group and named == group else None
    return Claim(
        type=type_,
        # A revert names a run, and belongs to none.
        run=readable(_run, members.get("run")) if type_ != "sync.reverted" else None,
        workspace_connector_id=None if is_of_workspace else owner,
        workspace_id=owner if is_of_workspace else None,
    )


def readable(form: TypeAdapter[str], value: object) -> str | None:
    """Return a value of what is malformed, where the value itself is of its form."""
    try:
        return form.validate_python(value)
    except ValidationError:
        return None


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a body, as docs/messages.schema.json holds it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Message of the sync queue",
        "description": "One body, told apart by its type. docs/messages.md says what each does.",
        **_message.json_schema(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
