"""What a sync message asks for, and what became of it: what the edge, the services and the SQL all know.

Every id is text in lower case, as it is sent to Postgres.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

type Direction = Literal["input", "output"]
# The JSON:API type of a record that a connector can bring in or carry out: a key of `resources.ledgers`.
type RecordType = str
type Records = Mapping[RecordType, Sequence[str]]

# How many problems of one message are told: enough to find the cause, too few to fill a log.
PROBLEMS_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What all messages have.

    Attributes:
        id: the message's own id.
        group: what keeps its order; after a failure the rest of its group is not tried.
    """

    id: str
    group: str

    @property
    def record_count(self) -> int:
        """How many things it names, each once."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfRecords(_Work):
    workspace_connector_id: str
    records: Records

    @property
    def record_count(self) -> int:
        """How many records it names, each once."""
        return sum(map(len, self.records.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced(_OfRecords):
    """What one `records.synced` message asks for.

    Attributes:
        workspace_connector_id: the connector that brought the records in or carried them out.
        direction: which of the two.
        relink: whether live rows of the same (record, connector, direction) are tombstoned first.
        records: distinct ids by type; no type without an id.
    """

    direction: Direction
    relink: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidated(_OfRecords):
    """What one `records.invalidated` message asks for.

    Attributes:
        workspace_connector_id: the connector whose rows of the records end.
        direction: of which rows; None for both.
        records: distinct ids by type; no type without an id.
    """

    direction: Direction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched(_Work):
    """What one `providers.matched` message asks for.

    Attributes:
        workspace_id: the workspace that the providers suit.
        provider_ids: distinct ids.
    """

    workspace_id: str
    provider_ids: Sequence[str]

    @property
    def record_count(self) -> int:
        """How many providers it names, each once."""
        return len(self.provider_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(_Work):
    """What one `connector.disconnected` message asks for.

    Attributes:
        workspace_connector_id: the connector all of whose rows end.
    """

    workspace_connector_id: str


# What a statement does at once; the rows of a disconnected connector may be too many for that.
type Change = Synced | Invalidated | Matched
type Work = Change | Disconnected


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message can never succeed.

    Attributes:
        code: what is wrong: `unknown_connector`, `unknown_record`, `tenant_mismatch`, `unknown_workspace` or
            `unknown_provider`.
        type: the JSON:API type of the thing at fault.
        id: its public id.
    """

    code: str
    type: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one message.

    Attributes:
        status: `applied` now; `duplicate` of one applied before; `failed`, for ever; `held` back behind another of its
            group; or `returned`, to be tried again.
        linked: how many rows it made.
        ended: how many rows it ended.
        matched: how many choices of providers it made or changed.
        problems: the first few of a failed message's.
        problem_count: how many there are.
        reason: why it was returned.
        evidence: what the log may say beside the reason.
    """

    status: Literal["applied", "duplicate", "failed", "held", "returned"]
    linked: int = 0
    ended: int = 0
    matched: int = 0
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    reason: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether the message need not come again."""
        return self.status in {"applied", "duplicate"}


HELD = Outcome(status="held")
