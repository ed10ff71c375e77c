"""A sync message as work, and its outcome: what the edge, the services and the SQL all know.

Every id is text in lower case, as it is sent to Postgres.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

type Direction = Literal["input", "output"]
# The JSON:API type of a record that a connector can bring in or carry out: a key of `resources.ledgers`.
type RecordType = str
type Records = Mapping[RecordType, Sequence[str]]


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

    work: "Work | None"
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
        return self.work.workspace_id if isinstance(self.work, Matched) else self.work.workspace_connector_id

    @property
    def workspace_connector_id(self) -> str | None:
        """The connector that it is of, and that counts it where it is parked."""
        if self.work is None:
            return self.claim.workspace_connector_id
        return None if isinstance(self.work, Matched) else self.work.workspace_connector_id

    @property
    def direction(self) -> "Direction | None":
        """Of which rows."""
        if isinstance(self.work, Completed):
            return self.work.snapshot.direction if self.work.snapshot else None
        return self.work.direction if isinstance(self.work, Synced | Invalidated) else None

    @property
    def mode(self) -> str | None:
        """Of a `records.synced`; `snapshot` of a `run.completed` that has one."""
        if isinstance(self.work, Completed) and self.work.snapshot:
            return "snapshot"
        return self.work.mode if isinstance(self.work, Synced) else None

    @property
    def run(self) -> str | None:
        """The producer's name for the sync that it is part of."""
        return self.work.run if self.work else self.claim.run

    @property
    def occurred_at(self) -> str | None:
        """When it happened at the producer's."""
        return self.work.occurred_at if self.work else None

    @property
    def only_adds(self) -> bool:
        """Whether it ends nothing, so that others which add may come before it."""
        return isinstance(self.work, Matched) or self.mode == "append"

    @property
    def storable_body(self) -> str:
        """The body as Postgres can hold it: without NUL characters and lone surrogates, which no message has."""
        return self.body.encode(errors="backslashreplace").decode().replace("\0", "\\0")


# At which receive a message whose failure nobody foresaw is parked, so that what is behind it goes on (section 5).
LAST_RECEIVE = 4
# How many problems of one message are told: enough to find the cause, too few to fill a log.
PROBLEMS_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What all messages have.

    Attributes:
        id: the message's own id.
        group: what keeps its order; what is returned to the queue takes the rest of its group along.
        run: the producer's name for the sync that it is part of.
        occurred_at: when it happened at the producer's.
    """

    id: str
    group: str
    run: str | None = None
    occurred_at: str | None = None

    @property
    def record_count(self) -> int:
        """How many records, or providers, it names, each once."""
        if isinstance(self, Matched):
            return len(self.provider_ids)
        return sum(map(len, self.records.values())) if isinstance(self, _OfRecords) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfRecords(_Work):
    workspace_connector_id: str
    # Distinct ids by type; no type without an id.
    records: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced(_OfRecords):
    """What one `records.synced` message asks for.

    Attributes:
        mode: of a relink live rows of the same (record, connector, direction) are tombstoned first.
        attributes: what records are made of that were never there, by type and id.
    """

    type: ClassVar[str] = "records.synced"
    direction: Direction
    mode: Literal["append", "relink"] = "append"
    attributes: Mapping[RecordType, Mapping[str, Mapping[str, str | None]]] = field(default_factory=dict)

    def can_make(self, type_: RecordType, id_: str) -> bool:
        """Say whether it brings what a record is made of."""
        return id_ in self.attributes.get(type_, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidated(_OfRecords):
    """What one `records.invalidated` message asks for: a direction of None is both."""

    type: ClassVar[str] = "records.invalidated"
    direction: Direction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched(_Work):
    """What one `providers.matched` message asks for, by distinct ids."""

    type: ClassVar[str] = "providers.matched"
    workspace_id: str
    provider_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(_Work):
    """What one `connector.disconnected` message asks for."""

    type: ClassVar[str] = "connector.disconnected"
    workspace_connector_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted(_Work):
    """What one `sync.reverted` message asks for; it belongs to no run itself.

    Attributes:
        message_ids: which messages are undone, each once; empty where it is a run.
        of_run: all of this run, now and later; None where it is some messages.
    """

    type: ClassVar[str] = "sync.reverted"
    workspace_connector_id: str
    message_ids: Sequence[str] = ()
    of_run: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """That a run named all records of these distinct types: what it did not name is gone at its source.

    `read_since` is when reading the source began, by the clock of its producer.
    """

    direction: Direction
    types: Sequence[RecordType]
    read_since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(_Work):
    """What one `run.completed` message asks for: it names all other messages of its run, each once."""

    type: ClassVar[str] = "run.completed"
    workspace_connector_id: str
    run: str
    message_ids: Sequence[str]
    snapshot: Snapshot | None = None


# What a statement does at once; the rows of a connector, or of a run, may be too many for that.
type Change = Synced | Invalidated | Matched
type InChunks = Disconnected | Reverted | Completed
type Work = Change | InChunks
# By its type as it is sent.
WORK: Mapping[str, Callable[..., Work]] = {
    each.type: each for each in (Synced, Invalidated, Matched, Disconnected, Reverted, Completed)
}


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
        linked: how many rows it made.
        ended: how many rows it ended.
        matched: how many choices of providers it made or changed.
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


HELD = Outcome(status="held")
