"""A run: one sync of any number of records, sent in messages and completed at its end, or not at all."""

import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.dataclasses import dataclass

from wellspring_producer.errors import InvalidRecord, NotCompleted, ProducerError, TooManyMessages
from wellspring_producer.messages import (
    MOST_BYTES,
    MOST_COMPLETED,
    MOST_RECORDS,
    CompletedSnapshot,
    Direction,
    Entry,
    Mode,
    RecordType,
    RunCompleted,
    derived_id,
    in_iso,
    kind_of,
    reference,
    write,
)
from wellspring_producer.sending import Sender, Sqs

# Times further ahead than this are no messages to Wellspring.
MOST_AHEAD = timedelta(days=1)
# A name's first words, where they say when: `2026-11-23`, `2026-11-23T02:00`, `2026-11-23T02:00:00+01:00`.
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|[+-]\d\d:\d\d)?)?")
# What `"id":"…",` takes of a body, which is made without it.
_ID_BYTES = len('"id":"",') + 36

_log = logging.getLogger("wellspring_producer")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Snapshot:
    """What a run reads whole: what it does not name of these types is gone, and its rows end.

    Args:
        direction: of which rows.
        types: of which records; never one that the run does not read to its end.
        read_since: when reading began; None where that is after `run` was called.
    """

    direction: Direction
    types: Annotated[Sequence[RecordType], Field(min_length=1)]
    read_since: AwareDatetime | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        run: its name.
        records: how many of it SQS has taken.
        messages: in how many messages.
        state: `open` while it goes on, then `complete`, or `failed`: it stays open, and its records are not lost.
    """

    run: str
    records: int
    messages: int
    state: Literal["open", "complete", "failed"]


def show(progress: Progress) -> None:
    """Show a line in a terminal; where standard error is none, nothing."""
    if sys.stderr.isatty():
        end = "" if progress.state == "open" else f", {progress.state}\n"
        line = f"\r{progress.run}: {progress.records:,} records in {progress.messages:,} messages"
        print(line, end=end, file=sys.stderr, flush=True)  # noqa: T201  what it is for


class Run:
    """One sync, in a `with` block. Records are sent while they come; the end of the block completes the run.

    An exception in the block leaves the run open: nothing more is sent, and nothing ends. So does what is caught within
    the block where it kept a record from being sent: then its end raises NotCompleted.

    Not made by hand: `Connector.run`.
    """

    def __init__(
        self,
        queue_url: str,
        sqs: Sqs,
        connector: str,
        name: str,
        *,
        direction: Direction | None,
        mode: Mode,
        snapshot: Snapshot | None,
        occurred_at: datetime | None,
        progress: Callable[[Progress], None],
    ) -> None:
        # Whoever reads after this has read since.
        self._read_since = datetime.now(UTC)
        self.name = name
        self._connector = connector
        self._occurred_at = _occurred_at(name, occurred_at)
        if snapshot and direction not in {None, snapshot.direction}:
            raise ValueError(f"the run is of {direction} and its snapshot of {snapshot.direction}")
        self._direction: Direction = snapshot.direction if snapshot else direction or "input"
        self._mode = mode
        self._snapshot = snapshot
        self._sender = Sender(queue_url, sqs, on_sent=self._count)
        self._progress = progress
        self._pack: _Pack | None = None
        # In the order of their sending; a dictionary, because each must be new.
        self._ids: dict[str, None] = {}
        self._records = self._messages = 0
        self._state: Literal["new", "open", "complete", "failed"] = "new"
        self._failure: BaseException | None = None
        self._refused = 0

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The ids of its messages so far, without that of its `run.completed`."""
        return tuple(self._ids)

    @property
    def held(self) -> int:
        """How many records are packed and not sent: never more than eleven messages hold."""
        return sum(entry.records for entry in self._sender.held) + (len(self._pack.texts) if self._pack else 0)

    # ---- records ----------------------------------------------------------------------------------------
    def account(self, id_: UUID | str, *, account_name: str | None = None, currency: str | None = None) -> None:
        """Send an account; with a name it is made where it was never there. Raises InvalidRecord, NotSent."""
        self.record("account", id_, account_name=account_name, currency=currency)

    def company(self, id_: UUID | str, *, name: str | None = None) -> None:
        """Send a company; with a name it is made where it was never there. Raises InvalidRecord, NotSent."""
        self.record("company", id_, name=name)

    def people(self, id_: UUID | str, *, full_name: str | None = None) -> None:
        """Send a person; with a name they are made where they were never there. Raises InvalidRecord, NotSent."""
        self.record("people", id_, full_name=full_name)

    def record(self, type_: str, id_: UUID | str, /, **attributes: str | None) -> None:
        """Send a record of any type. Raises InvalidRecord, NotSent."""
        of = {"type": "records.synced", "direction": self._direction, "mode": self._mode}
        self._add(of, type_, id_, attributes)

    def invalidate(self, type_: str, id_: UUID | str, /, *, both_directions: bool = False) -> None:
        """Say that a record is not what the connector said any more: its rows end. Raises InvalidRecord, NotSent.

        Name what is there first and what is gone afterwards: each change from one to the other begins a message.
        """
        direction = None if both_directions else self._direction
        self._add({"type": "records.invalidated", "direction": direction}, type_, id_, {})

    def _add(self, of: Mapping[str, Any], type_: str, id_: UUID | str, attributes: Mapping[str, str | None]) -> None:
        self._must_be_open()
        try:
            self._put(of, type_, id_, attributes)
        except InvalidRecord:
            self._refused += 1
            raise
        except BaseException as error:
            self._failure = error
            raise

    def _put(self, of: Mapping[str, Any], type_: str, id_: UUID | str, attributes: Mapping[str, str | None]) -> None:
        text = write(reference(type_, id_, attributes))
        if self._pack is None or not self._pack.takes(of, text):
            self._close_pack()
            if len(self._ids) == MOST_COMPLETED:
                raise TooManyMessages(
                    f"the run {self.name!r} has {MOST_COMPLETED:,} messages, the most that can be completed, and"
                    f" {type_} {id_} would begin another; divide what it reads into several runs"
                )
            members = {"workspace_connector_id": self._connector, "run": self.name}
            if of["type"] == "records.synced":
                members["occurred_at"] = in_iso(self._occurred_at)
            self._pack = _Pack(of, members)
            if not self._pack.takes(of, text):
                raise InvalidRecord(type_, id_, f"it is larger than a message may be, {MOST_BYTES:,} bytes")
        self._pack.add(text)

    def _close_pack(self) -> None:
        """Send what is packed, by the next call."""
        if self._pack is None or not self._pack.texts:
            return
        pack, self._pack = self._pack, None
        content = pack.content()
        id_ = self._id(content)
        self._ids[id_] = None
        body = f'{{"id":"{id_}",{content[1:]}'
        self._sender.add(Entry(id_, self._connector, body, pack.kind, len(pack.texts)))

    def _id(self, content: str) -> str:
        """Return the id of a message, from its bytes without it; a message that comes twice in the run has two."""
        seed = (self._connector, self.name, content)
        again = 0
        id_ = derived_id(self._occurred_at, *seed)
        while id_ in self._ids:
            again += 1
            id_ = derived_id(self._occurred_at, *seed, str(again))
        return id_

    # ---- the block --------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        if self._state != "new":
            raise ProducerError(f"the run {self.name!r} has begun already; a name is used once")
        self._state = "open"
        _log.info("run %s of %s begins", self.name, self._connector)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_complete = False
        try:
            if error is None:
                self._complete()
                is_complete = True
        finally:
            self._state = "complete" if is_complete else "failed"
            said = "is complete" if is_complete else "was not completed"
            level = logging.INFO if is_complete else logging.WARNING
            number = len(self._ids)
            _log.log(level, "run %s of %s %s: %d messages", self.name, self._connector, said, number)
            self._tell(self._state)

    def _complete(self) -> None:
        if self._failure is not None:
            raise NotCompleted(f"the run {self.name!r} was not completed: {self._failure}") from self._failure
        self._close_pack()
        self._sender.flush()
        if self._refused:
            raise NotCompleted(f"the run {self.name!r} was not completed: {self._refused} records could not be sent")
        self._sender.send(self._completion().entry())

    def _completion(self) -> RunCompleted:
        snapshot = self._snapshot and CompletedSnapshot(
            direction=self._snapshot.direction,
            types=list(dict.fromkeys(self._snapshot.types)),
            read_since=self._snapshot.read_since or self._read_since,
        )
        said = {
            "workspace_connector_id": self._connector,
            "run": self.name,
            "message_ids": list(self._ids),
            "snapshot": snapshot,
            "occurred_at": self._occurred_at,
        }
        content = write(RunCompleted(id=UUID(int=0), **said).members())
        return RunCompleted(id=derived_id(self._occurred_at, self._connector, self.name, content), **said)

    def _must_be_open(self) -> None:
        if self._state != "open":
            raise ProducerError(f"the run {self.name!r} is {self._state}: records are sent within its `with` block")
        if self._failure is not None:
            raise NotCompleted(f"the run {self.name!r} has failed: {self._failure}") from self._failure

    def _count(self, sent: Sequence[Entry]) -> None:
        self._records += sum(entry.records for entry in sent)
        self._messages += len(sent)
        self._tell("open")

    def _tell(self, state: Literal["open", "complete", "failed"]) -> None:
        self._progress(Progress(self.name, self._records, self._messages, state))


class _Pack:
    """A message that records are put into: its text without the id, and what of a body is left."""

    def __init__(self, of: Mapping[str, Any], members: Mapping[str, str]) -> None:
        self._of = of
        self.kind = kind_of(of)
        self._head = f'{write({**of, **members})[:-1]},"records":['
        self._left = MOST_BYTES - _ID_BYTES - len(self._head.encode()) - len("]}")
        self.texts: list[str] = []

    def takes(self, of: Mapping[str, Any], text: str) -> bool:
        return of == self._of and len(self.texts) < MOST_RECORDS and self._size(text) <= self._left

    def add(self, text: str) -> None:
        self._left -= self._size(text)
        self.texts.append(text)

    def content(self) -> str:
        return f"{self._head}{','.join(self.texts)}]}}"

    def _size(self, text: str) -> int:
        return len(text.encode()) + bool(self.texts)


def _occurred_at(name: str, said: datetime | None) -> datetime:
    """Return when a run happened, which must not change where it is sent again."""
    if said is None:
        found = _TIME.match(name)
        try:
            said = datetime.fromisoformat(found[0]) if found else None
        except ValueError:
            said = None
        if said is None:
            raise ValueError(
                f"the run {name!r} does not say when it happened: begin its name with a date or time, such as"
                " 2026-11-23 or 2026-11-23T02:00Z, or pass occurred_at. Whoever sends the run again says the same,"
                " because its messages' ids are made of it"
            )
        said = said if said.tzinfo else said.replace(tzinfo=UTC)
    if said.tzinfo is None:
        raise ValueError("occurred_at has no time zone")
    if said > datetime.now(UTC) + MOST_AHEAD:
        raise ValueError(f"the run {name!r} is more than a day ahead: {said.isoformat()}")
    return said
