"""An event of the feed as work, and its outcome: the words between the feed and the SQL."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

type Action = Literal["upsert", "delete", "erase"]
# `applied`: it had its effect. `stale`: its resource is at that version, or further. `waiting`: for what it names.
# `returned`: the database refused it for the moment, or there was no time; it must come again.
type Status = Literal["applied", "stale", "waiting", "parked", "returned"]

OTHER_SOURCE = "other_source"
UNKNOWN_REFERENCE = "unknown_reference"
MALFORMED = "malformed"
UNEXPECTED = "unexpected"


# Not frozen: that would take three times as long to make, and a file has a million of them.
@dataclass(slots=True, kw_only=True)
class FeedEvent:
    """One event that can be applied.

    Attributes:
        source: who tells it.
        event_id: the source's name for it.
        event_type: as it was sent, such as `wellspring.company.upserted`.
        type: the JSON:API type of the resource.
        subject: the resource's id, in lower case.
        version: the resource's at the source.
        values: the whole state, of an upsert: attributes, and references as `<relationship>_id`.
        time: when it happened, for people.
    """

    source: str
    event_id: str
    event_type: str
    type: str
    subject: str
    version: int
    action: Action
    values: Mapping[str, Any] = field(default_factory=dict)
    time: datetime | None = None

    @property
    def text(self) -> str:
        """The event as it is kept: ASCII, with its members in one order, and `read` makes it of that again."""
        members = {name: getattr(self, name) for name in self.__slots__}
        members |= {"values": dict(self.values), "time": None if self.time is None else self.time.isoformat()}
        return json.dumps(members, sort_keys=True)


def read(text: str) -> FeedEvent:
    """Return the event whose `text` this is."""
    members = json.loads(text)
    return FeedEvent(**members | {"time": None if members["time"] is None else datetime.fromisoformat(members["time"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """What was sent and is no event.

    Attributes:
        text: what was sent, as JSON in ASCII.
        problems: what is wrong and where, as `{"code", "pointer"}`; no value of the event is in it.
        source: who says to have sent it, where that can be read; so are the others.
    """

    text: str
    problems: tuple[Mapping[str, str], ...]
    source: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    subject: str | None = None


type Told = FeedEvent | Malformed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event, and why it is parked or returned.

    Attributes:
        missing: the type and the key of what it waits for.
        problems: of a parked one, as they are shown.
        evidence: what the log may say beside the reason.
    """

    status: Status
    reason: str | None = None
    missing: tuple[str, str] | None = None
    problems: tuple[Mapping[str, str], ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do about the event."""
        return self.status in {"applied", "stale"}


APPLIED = Verdict("applied")
STALE = Verdict("stale")


def parked(reason: str, *problems: Mapping[str, str]) -> Verdict:
    """Return the verdict on an event that can never succeed by itself."""
    return Verdict("parked", reason=reason, problems=problems)


def of_another(event: FeedEvent, reason: str = OTHER_SOURCE) -> Verdict:
    """Return the verdict on an event about a resource that is another source's, or in another workspace."""
    return parked(reason, {"code": reason, "type": event.type, "id": event.subject})
