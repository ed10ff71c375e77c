"""The messages of the sync queue, as they are sent. docs/messages.md says what each does.

`members` is a message as a dictionary, `entry` is it as SQS gets it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal, NotRequired, Self, TypedDict
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from wellspring_producer.errors import InvalidRecord

MOST_RECORDS = 3000
# Of a body, in UTF-8. SQS would take more; the queue does not.
MOST_BYTES = 256 * 1024
# Of one `run.completed`, and of one `sync.reverted`.
MOST_COMPLETED = 5000
MOST_REVERTED = 1000

type Direction = Literal["input", "output"]
type Mode = Literal["append", "relink"]


def _written(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


def in_iso(instant: datetime) -> str:
    """Return a time as messages have it: in UTC, with milliseconds, what is finer cut off."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Neither control characters nor what ends a line.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"

type Id = Annotated[
    str,
    BeforeValidator(_written),
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True),
]
type Instant = Annotated[AwareDatetime, PlainSerializer(in_iso, return_type=str, when_used="json")]
type RunName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")
]
type RecordType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$", max_length=63)]
type Name = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)]
type Words = Annotated[str, StringConstraints(max_length=2000, pattern=PRINTABLE)]

_STRICT = ConfigDict(extra="forbid")


# ---- ids: both kinds grow with time, which is kindest to the ledger's index ------------------------------
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def derived_id(at: datetime, *parts: str) -> str:
    """Return the id of a message of a run that happened at `at`: the same for the same parts."""
    return _uuid(at, sha256("\0".join(parts).encode()).digest())


def new_id() -> str:
    """Return an id that nobody had."""
    return _uuid(datetime.now(UTC), os.urandom(16))


def _uuid(at: datetime, digits: bytes) -> str:
    """Return a UUID of version 8 (RFC 9562, 5.8): 48 bits of milliseconds as in version 7, and 74 bits of `digits`."""
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1) & (1 << 48) - 1
    bits = milliseconds << 80 | int.from_bytes(digits[:10])
    bits = bits & ~(0xF << 76) | 0x8 << 76
    return str(UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


# ---- records ---------------------------------------------------------------------------------------------
class Reference(TypedDict):
    """One record, with what it is made of where it was never there."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]  # how pydantic configures a TypedDict

    type: RecordType
    id: Id
    attributes: NotRequired[Mapping[str, Words]]


_reference: TypeAdapter[Reference] = TypeAdapter(Reference)


def _attributes_of(type_: str, members: dict[str, Any]) -> TypeAdapter[Any]:
    made: Any = TypedDict(f"{type_.title()}Attributes", members)  # type: ignore[misc]  # made from a declaration
    made.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]  # how pydantic configures one
    return TypeAdapter(made)


# What a record is made of where it was never there. What types are not here, a newer Wellspring has: their attributes
# are texts.
ATTRIBUTES: Mapping[str, TypeAdapter[Any]] = {
    type_: _attributes_of(type_, members)
    for type_, members in (
        ("account", {"account_name": Name, "currency": NotRequired[Words]}),
        ("company", {"name": Name}),
        ("people", {"full_name": Name}),
    )
}


def reference(type_: str, id_: UUID | str, attributes: Mapping[str, str | None] | None = None) -> Reference:
    """Return a record as messages name it; attributes that are None are left out.

    Raises:
        InvalidRecord: says what is wrong, and not with which value.
    """
    named: dict[str, Any] = {"type": type_, "id": id_}
    said = {name: value for name, value in (attributes or {}).items() if value is not None}
    try:
        if said:
            named["attributes"] = ATTRIBUTES[type_].validate_python(said) if type_ in ATTRIBUTES else said
        return _reference.validate_python(named)
    except ValidationError as error:
        raise InvalidRecord(type_, id_, problems(error)) from None


def problems(error: ValidationError) -> str:
    """Return what pydantic found, without the values that it found it in."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)


# ---- what is sent ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Entry:
    """One message as SQS gets it.

    Attributes:
        id: the message's own, and its `MessageDeduplicationId`.
        group: its `MessageGroupId`.
        body: what is sent; not shown in logs.
        kind: messages of one group that have the same may be applied in any order; None may overtake nothing.
        records: how many it names.
    """

    id: str
    group: str
    body: str = field(repr=False)
    kind: str | None = None
    records: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body.encode())


# "If a message contains characters outside the allowed set, Amazon SQS rejects the message": of those that may be in a
# text these two are outside (SQS API reference, SendMessage). JSON can say them in others.
_REFUSED_BY_SQS = {"\ufffe": r"\ufffe", "\uffff": r"\uffff"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def write(value: object) -> str:
    """Return `value` as JSON in as few bytes as it takes."""
    text = _encode(value)
    for character, escape in _REFUSED_BY_SQS.items():
        text = text.replace(character, escape)
    return text


# Those of a connector may be applied in any order where they do the same, for each stands for its own records.
_IN_ANY_ORDER = ("records.synced", "records.invalidated")


def kind_of(members: Mapping[str, Any]) -> str | None:
    """Return what a message has in common with those among which its order does not matter; None where it does."""
    kind = f"{members['type']} {members.get('mode', 'append')}"
    return kind if members["type"] in _IN_ANY_ORDER else None


def entry_of(members: Mapping[str, Any]) -> Entry:
    """Return a message as SQS gets it. Nothing of it is checked."""
    group = members.get("workspace_connector_id") or members["workspace_id"]
    return Entry(members["id"], group, write(members), kind_of(members), len(members.get("records", ())))


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    id: Id

    def members(self) -> dict[str, Any]:
        """Return the message as a dictionary for JSON, of what was said of it."""
        return {"type": self.type} | self.model_dump(mode="json", exclude_unset=True)

    def entry(self) -> Entry:
        """Return the message as SQS gets it."""
        return entry_of(self.members())


class _OfConnector(_Message):
    workspace_connector_id: Id


class RecordsSynced(_OfConnector):
    """A connector brought records in, or carried them out."""

    type: Literal["records.synced"] = "records.synced"
    direction: Direction
    records: Annotated[list[Reference], Field(min_length=1, max_length=MOST_RECORDS)]
    mode: Mode = "append"
    occurred_at: Instant
    run: RunName | None = None


class RecordsInvalidated(_OfConnector):
    """Records are not what a connector said any more; `direction` None is both."""

    type: Literal["records.invalidated"] = "records.invalidated"
    direction: Direction | None
    records: Annotated[list[Reference], Field(min_length=1, max_length=MOST_RECORDS)]
    run: RunName | None = None


class ConnectorDisconnected(_OfConnector):
    """A connector is gone, and all that it brought in or carried out."""

    type: Literal["connector.disconnected"] = "connector.disconnected"


class SyncReverted(_OfConnector):
    """Messages of a connector are undone: `message_ids`, or all of a `run`."""

    type: Literal["sync.reverted"] = "sync.reverted"
    message_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_REVERTED)] | None = None
    run: RunName | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.message_ids is None) is (self.run is None):
            raise ValueError("a revert names message_ids or a run")
        return self


class CompletedSnapshot(BaseModel):
    """What a run has read whole: what it did not name of these types is gone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: Direction
    types: Annotated[list[RecordType], Field(min_length=1)]
    read_since: Instant


class RunCompleted(_OfConnector):
    """A run was sent whole: `message_ids` are all others of it."""

    type: Literal["run.completed"] = "run.completed"
    run: RunName
    message_ids: Annotated[list[Id], Field(max_length=MOST_COMPLETED)]
    snapshot: CompletedSnapshot | None
    occurred_at: Instant


class ProvidersMatched(_Message):
    """Providers suit a workspace."""

    type: Literal["providers.matched"] = "providers.matched"
    workspace_id: Id
    provider_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_RECORDS)]
