"""Applying sync messages: in which order, which of them together, and what becomes of the others when one fails.

What can be applied at once is a unit, and one transaction. A batch is cut where a message ends what an earlier one
links, and where a message ends a connector of many rows, which is done in chunks: no message overtakes another of its
group. A unit that the database refuses as a whole is tried message by message (docs/adr/0012, 0020).
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, takewhile

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import DatabaseAway, OutcomeUnknown, ServiceUnavailable, WellspringError
from wellspring.messages import (
    LAST_RECEIVE,
    ConnectorDisconnected,
    InChunks,
    Outcome,
    ReceivedMessage,
    RecordsSynced,
    RunCompleted,
    SyncReverted,
)
from wellspring.observability import describe
from wellspring.repositories.sync import applying, completing, disconnecting, reverting
from wellspring.repositories.sync.applying import Unit
from wellspring.settings import snapshot_end_limit

# Rows of each type of records that one transaction ends: a tenth of a second of work (docs/adr/0012).
CHUNK = 5000
# Why a message was returned that nothing was wrong with.
OUT_OF_TIME = "OUT_OF_TIME"
# Why one was returned whose failure nobody foresaw.
UNEXPECTED = "UNEXPECTED"


def apply(batch: Sequence[ReceivedMessage], deadline: Deadline) -> list[Outcome]:
    """Apply the messages of `batch`, each group's in their order, and return an outcome for each.

    A message that can never succeed by itself is parked, and holds up nobody. What the database refuses, and what
    there is no time for, is returned, with all that is behind it in its group. Raises nothing: what was committed must
    not come back because of what was not.
    """
    return _Batch(batch, deadline).applied()


def made_by(batch: Sequence[ReceivedMessage], outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Return what others may have waited for, by type and id.

    What messages bring that made records of it, and messages that are applied now, where a `run.completed` waits.
    """
    things: list[tuple[str, str]] = []
    for message, outcome in zip(batch, outcomes, strict=True):
        if outcome.made and isinstance(message.work, RecordsSynced):
            things += [(type_, id_) for type_, named in message.work.attributes.items() for id_ in named]
        if outcome.is_awaited and message.work is not None:
            things.append(("message", message.work.id))
    return things


class _Batch:
    """One batch on its way: a line of messages for each group, of which the first is next."""

    def __init__(self, batch: Sequence[ReceivedMessage], deadline: Deadline) -> None:
        self._batch = batch
        self._deadline = deadline
        self._outcomes: dict[int, Outcome] = {}
        # How many rows a message in chunks has ended so far.
        self._ended: dict[int, int] = {}
        self._lines: dict[str, deque[int]] = {}
        for number, message in enumerate(batch):
            self._lines.setdefault(message.group, deque()).append(number)

    def applied(self) -> list[Outcome]:
        """Do what can be done; return an outcome for each message."""
        while self._lines:
            if self._deadline.has_passed:
                self._return_all(Outcome(status="returned", reason=OUT_OF_TIME))
                break
            self._apply(self._unit())
            self._end_chunks()
        return [self._outcomes.get(number, Outcome(status="held")) for number in range(len(self._batch))]

    def _unit(self) -> dict[int, ReceivedMessage]:
        """Return the next messages of all groups that can be applied at once, in their order."""
        unit = Unit()
        waiting: set[str] = set()
        taken: dict[int, ReceivedMessage] = {}
        # Of each line what stands before the first message in chunks.
        lines = self._lines.values()
        changes = (takewhile(lambda number: not _is_in_chunks(self._batch[number]), line) for line in lines)
        for number in sorted(chain.from_iterable(changes)):
            message = self._batch[number]
            if message.group not in waiting and unit.takes(message):
                taken[number] = message
            else:
                waiting.add(message.group)
        return taken

    def _apply(self, unit: Mapping[int, ReceivedMessage]) -> None:
        """Apply these messages together, or one by one where that is refused; of one in chunks the next chunk."""
        if not unit:
            return
        try:
            work = partial(_applied, unit=list(unit.values()))
            outcomes = dict(zip(unit, with_retries(work, PIPELINE_SCOPE, self._deadline), strict=True))
        except (DatabaseAway, OutcomeUnknown) as error:
            self._return_all(_returned(error))
            return
        except Exception as error:  # noqa: BLE001  (whatever it is, it may concern one message only)
            if len(unit) > 1:
                for number, message in unit.items():
                    if not self._deadline.has_passed and number in self._lines.get(message.group, ()):
                        self._apply({number: message})
                return
            ((number, message),) = unit.items()
            outcomes = {number: self._given_up(message, _returned(error))}
        self._settle(outcomes)

    def _given_up(self, message: ReceivedMessage, outcome: Outcome) -> Outcome:
        """Park a message that fails for a reason of its own, again and again; else return what became of it."""
        if outcome.reason != UNEXPECTED or message.receives < LAST_RECEIVE or self._deadline.has_passed:
            return outcome
        try:
            work = partial(applying.park, message=message, reason="unexpected")
            given_up = with_retries(work, PIPELINE_SCOPE, self._deadline)
        except Exception:  # noqa: BLE001  (then it goes back, as what it met first)
            return outcome
        return replace(given_up, evidence=outcome.evidence)

    def _end_chunks(self) -> None:
        """End the next rows of each connector whose disconnect is next in its group, each in its own transaction."""
        for line in list(self._lines.values()):
            number = line[0]
            if _is_in_chunks(self._batch[number]) and not self._deadline.has_passed:
                self._apply({number: self._batch[number]})
            if not self._lines:
                return

    def _settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Take messages out of their lines, but for one with more to do; behind one that is not done all are held."""
        for number, outcome in outcomes.items():
            self._ended[number] = self._ended.get(number, 0) + outcome.ended
            if outcome.status == "in_progress":
                continue
            self._outcomes[number] = replace(outcome, ended=self._ended[number])
            group = self._batch[number].group
            line = self._lines.get(group)
            if line is None:
                continue
            line.remove(number)
            if not outcome.is_done or not line:
                del self._lines[group]

    def _return_all(self, outcome: Outcome) -> None:
        """Return what is next in each group, and hold what is behind it."""
        for line in self._lines.values():
            self._outcomes[line[0]] = replace(outcome, ended=self._ended.get(line[0], 0))
        self._lines.clear()


def apply_one(transaction: Transaction, message: ReceivedMessage) -> Outcome:
    """Apply a message in a transaction that somebody else ends; of one in chunks, the first chunk."""
    return _applied(transaction, [message])[0]


def _applied(transaction: Transaction, unit: Sequence[ReceivedMessage]) -> list[Outcome]:
    """Apply a unit, or the next chunk of the one message that is in chunks."""
    return [_chunk(transaction, unit[0])] if _is_in_chunks(unit[0]) else applying.apply_unit(transaction, unit)


def _is_in_chunks(message: ReceivedMessage) -> bool:
    return isinstance(message.work, InChunks)


def _chunk(transaction: Transaction, message: ReceivedMessage) -> Outcome:
    """Do the next part of a message that is applied in chunks."""
    match message.work:
        case RunCompleted() as item:
            return completing.complete_chunk(transaction, message, item, CHUNK, snapshot_end_limit())
        case SyncReverted() as item:
            return reverting.revert_chunk(transaction, message, item, CHUNK)
        case ConnectorDisconnected() as item:
            return disconnecting.end_chunk(transaction, message, item, CHUNK)
    raise TypeError(message.type)


def _returned(error: Exception) -> Outcome:
    """Return the outcome of a message that met `error`, of which the log may say so much."""
    if isinstance(error, ServiceUnavailable):
        reason, evidence = error.code, dict[str, object](error.evidence)
    else:
        reason, evidence = UNEXPECTED, describe(error.__cause__ or error)
        if isinstance(error, WellspringError):
            evidence |= error.evidence
    return Outcome(status="returned", reason=reason, evidence=evidence)
