"""Messages of the sync queue: a model for each type, told apart by `type`, and what came and became of each.

A new type is one model here, one name in the union, and what it does in `services` (contract, section 5).
docs/messages.md tells producers the same, docs/messages.schema.json their programs. Members that a model does not know
are ignored, so that a producer may be ahead of us. Every id is text in lower case, as it is sent to Postgres.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, reduce
from hashlib import sha256
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Self, TypedDict, get_args

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

type Direction = Literal["input", "output"]
# The JSON:API type of a record that a connector can bring in or carry out: a key of `resources.ledgers`.
type RecordType = str
# What a record is made of, by name.
type Attributes = Mapping[str, str | None]

# At which receive a message whose failure nobody foresaw is parked, so that what is behind it goes on (section 5).
LAST_RECEIVE = 4
# How many problems of one message are told: enough to find the cause, too few to fill a log.
PROBLEMS_TOLD = 5
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
        attribute.name: Name if attribute.required else NotRequired[Words | None]
        for attribute in record.told
        if attribute.kind == "text"
    }
    attributes = TypedDict(f"{title}Attributes", texts)  # type: ignore[misc]  # made from the declaration
    attributes.__doc__ = f"What a {record.name} is made of where it was never there."
    reference = {"type": Literal[record.type], "id": Id, "attributes": NotRequired[attributes]}
    made = TypedDict(f"{title}Reference", reference)  # type: ignore[misc]  # made from the declaration
    made.__doc__ = f"One of the {record.names}."
    return made


def _by_type(records: list[Mapping[str, Any]]) -> dict[RecordType, dict[str, Attributes | None]]:
    """Return each record once, by type and id, with what it is made of as it is said first."""
    found: dict[RecordType, dict[str, Attributes | None]] = {}
    for record in records:
        of_type = found.setdefault(record["type"], {})
        if of_type.get(record["id"]) is None:
            of_type[record["id"]] = record.get("attributes")
    return found


def _once(named: list[str]) -> list[str]:
    return [*dict.fromkeys(named)]


if TYPE_CHECKING:
    type Records = Mapping[RecordType, Mapping[str, Attributes | None]]
    type TypeOfRecord = RecordType
else:
    TypeOfRecord = Literal[*(record.type for record in records())]
    # Dictionaries and not models: a batch has thirty thousand of them. Not `type`: what is declared is asked for now.
    RecordReference = Annotated[reduce(or_, map(_reference_of, records())), Field(discriminator="type")]
    type Records = Annotated[
        list[RecordReference], Field(min_length=1, max_length=MOST_RECORDS), AfterValidator(_by_type)
    ]


# Printable: no control characters, and no line or paragraph separators.
type Run = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")
]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: Id
    type: str

    @property
    def record_count(self) -> int:
        """How many records, or providers, it names, each once."""
        if isinstance(self, ProvidersMatched):
            return len(self.provider_ids)
        return sum(map(len, self.records.values())) if isinstance(self, OfRecords) else 0


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

    @cached_property
    def attributes(self) -> Mapping[RecordType, Mapping[str, Attributes]]:
        """What records are made of that were never there, by type and id."""
        return {
            type_: {id_: values for id_, values in named.items() if values is not None}
            for type_, named in self.records.items()
        }

    def can_make(self, type_: RecordType, id_: str) -> bool:
        """Say whether it brings what a record is made of."""
        return self.records.get(type_, {}).get(id_) is not None


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


def _given(member: str) -> dict[str, Any]:
    """Return the schema of an object that says a member, and not only null."""
    return {"required": [member], "properties": {member: {"not": {"type": "null"}}}}


class SyncReverted(_Message):
    """A sync is undone: what its messages wrote ends, and what they ended comes back, however many rows there are.

    Attributes:
        id: the message's own; a second message with the same id has no effect.
        message_ids: which messages of the connector; or
        run: all of that run. Later ones of it are parked.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [_given("message_ids"), _given("run")]})

    type: Literal["sync.reverted"]
    workspace_connector_id: Id
    message_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_REVERTED), AfterValidator(_once)] | None = None
    run: Run | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.message_ids is None) is (self.run is None):
            raise PydanticCustomError("messages_or_run", "must name message_ids or a run")
        return self


class SnapshotOfRun(BaseModel):
    """The run named every record of these types that the source has; what it did not name is gone there.

    Attributes:
        direction: of which rows.
        types: of which records.
        read_since: when reading the source began, by the producer's clock; what changed here since then stays.
    """

    model_config = ConfigDict(frozen=True, title="Snapshot")

    direction: Direction
    types: Annotated[list[TypeOfRecord], Field(min_length=1, max_length=len(records())), AfterValidator(_once)]
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
    message_ids: Annotated[list[Id], Field(max_length=MOST_OF_RUN), AfterValidator(_once)]
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
    provider_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_RECORDS), AfterValidator(_once)]


type Message = (
    RecordsSynced | RecordsInvalidated | ConnectorDisconnected | ProvidersMatched | RunCompleted | SyncReverted
)
OfRecords = RecordsSynced | RecordsInvalidated
# What a statement does at once; the rows of a connector, or of a run, may be too many for that.
Change = OfRecords | ProvidersMatched
InChunks = ConnectorDisconnected | SyncReverted | RunCompleted
_TYPES = [get_args(model.model_fields["type"].annotation)[0] for model in get_args(Message.__value__)]

_message: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])
ID: TypeAdapter[str] = TypeAdapter(Id)
_run: TypeAdapter[str] = TypeAdapter(Run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a malformed message says of itself all the same; it names at most one of connector and workspace."""

    type: str | None = None
    run: str | None = None
    workspace_connector_id: str | None = None
    workspace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A message as it came.

    Attributes:
        work: what it asks for; None where it is malformed.
        message_id: the producer's id, where it could be read.
        group: its FIFO group.
        digest: SHA-256 of the body as it was sent first, in hexadecimal.
        sent: when it was sent, in milliseconds since 1970; 0 where nobody says.
        receives: how many times it has been delivered by now.
        validation_error: why it is malformed.
        claim: what can be read of it where it is malformed; nothing that it has an effect by.
        is_confirmed: whether a caller has asked for this one by its id, and was told how much it would end.
    """

    work: Message | None
    message_id: str | None
    group: str
    body: str
    digest: str
    sent: int = 0
    receives: int = 1
    validation_error: str = ""
    claim: Claim = Claim()
    is_confirmed: bool = False

    @property
    def type(self) -> str | None:
        """The message's type."""
        return self.work.type if self.work else self.claim.type

    @property
    def subject_id(self) -> str | None:
        """The connector or workspace whose order it is part of: what is malformed overtakes nothing."""
        if self.work is None:
            return None
        return self.work.workspace_id if isinstance(self.work, ProvidersMatched) else self.work.workspace_connector_id

    @property
    def workspace_connector_id(self) -> str | None:
        """The connector that it is of, and that counts it where it is parked."""
        if self.work is None:
            return self.claim.workspace_connector_id
        return None if isinstance(self.work, ProvidersMatched) else self.work.workspace_connector_id

    @property
    def direction(self) -> Direction | None:
        """Of which rows."""
        if isinstance(self.work, RunCompleted):
            return self.work.snapshot.direction if self.work.snapshot else None
        return self.work.direction if isinstance(self.work, OfRecords) else None

    @property
    def mode(self) -> str | None:
        """Of a `records.synced`; `snapshot` of a `run.completed` that has one."""
        if isinstance(self.work, RunCompleted) and self.work.snapshot:
            return "snapshot"
        return self.work.mode if isinstance(self.work, RecordsSynced) else None

    @property
    def run(self) -> str | None:
        """The producer's name for the sync that it is part of; a revert names one, and is part of none."""
        if self.work is None:
            return self.claim.run
        return self.work.run if isinstance(self.work, OfRecords | RunCompleted) else None

    @property
    def occurred_at(self) -> str | None:
        """When it happened at the producer's."""
        return self.work.occurred_at.isoformat() if isinstance(self.work, RecordsSynced | RunCompleted) else None

    @property
    def only_adds(self) -> bool:
        """Whether it ends nothing, so that others which add may come before it."""
        return isinstance(self.work, ProvidersMatched) or self.mode == "append"

    @property
    def storable_body(self) -> str:
        """The body as Postgres can hold it: without NUL characters and lone surrogates, which no message has."""
        return self.body.encode(errors="backslashreplace").decode().replace("\0", "\\0")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message can never succeed: a reason (`wellspring.reasons`), and type and public id of what is at fault."""

    code: str
    type: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one message.

    Attributes:
        status: `applied` now; `duplicate` of one that is done; `parked`; `in_progress`, with more to do; `held` back
            behind another of its group; or `returned`, to be tried again.
        linked: how many rows it made; `ended`: ended; `matched`: choices of providers it made or changed.
        made: how many records it made.
        problems: all of a parked message's.
        reason: why it is parked, or was returned.
        evidence: what the log may say beside the reason.
        is_awaited: whether a `run.completed` waits for messages of its run.
    """

    status: Literal["applied", "duplicate", "parked", "in_progress", "held", "returned"]
    linked: int = 0
    ended: int = 0
    matched: int = 0
    made: int = 0
    problems: tuple[Problem, ...] = ()
    reason: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)
    is_awaited: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the message need not come again."""
        return self.status in {"applied", "duplicate", "parked"}


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


def receive(body: str, *, group: str, sent: int = 0, receives: int = 1, digest: str | None = None) -> ReceivedMessage:
    """Return what came, with the members of a `ReceivedMessage`: a message, or what is none and why.

    The `digest` is of what was sent, where `body` is what is left of that; None where it is all of it.
    """
    digest = digest or sha256(body.encode(errors="surrogatepass")).hexdigest()
    work, id_, fault, claim = None, None, "", Claim()
    try:
        work = parse(body)
        id_ = work.id
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
    type_ = members.get("type") if members.get("type") in _TYPES else None
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
