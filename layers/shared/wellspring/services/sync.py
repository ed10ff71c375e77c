"""Applying sync messages: in which order, which of them together, and what becomes of the others when one fails.

All that can be done in one statement is done in one transaction. What a statement cannot do, ending a connector of
many rows, is done in chunks between such transactions, without a message overtaking another of its group. A batch that
the database refuses as a whole is tried message by message (docs/adr/0012, 0013).
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import DatabaseAway, OutcomeUnknown, ServiceUnavailable, WellspringError
from wellspring.observability import describe
from wellspring.repositories import disconnecting, sync
from wellspring.repositories.disconnecting import Progress
from wellspring.repositories.sync_work import (
    HELD,
    Change,
    Direction,
    Disconnected,
    Invalidated,
    Matched,
    Problem,
    RecordType,
    Synced,
    Verdict,
    Work,
)

__all__ = [
    "HELD",
    "UNEXPECTED",
    "Change",
    "Direction",
    "Disconnected",
    "Invalidated",
    "Matched",
    "Problem",
    "RecordType",
    "Synced",
    "Verdict",
    "Work",
    "apply",
]

# Rows of each type of records that one transaction ends: a tenth of a second of work (docs/adr/0012).
CHUNK = 5000
# Of a disconnect that has not begun.
NO_PROGRESS = Progress()
# Why a message was returned that nothing was wrong with.
OUT_OF_TIME = "OUT_OF_TIME"
# Why one was returned whose failure nobody foresaw.
UNEXPECTED = "UNEXPECTED"


def apply(batch: Sequence[Work], deadline: Deadline) -> list[Verdict]:
    """Apply the messages of `batch`, each group's in their order, and return a verdict for each.

    A message that can never succeed leaves no trace and no row; the later ones of its group are held, all others are
    applied. What the database refuses, and what there is no time for, is returned. Raises nothing: what was committed
    must not come back because of what was not.
    """
    return _Batch(batch, deadline).applied()


class _Batch:
    """One batch on its way: a line of messages for each group, of which the first is next."""

    def __init__(self, batch: Sequence[Work], deadline: Deadline) -> None:
        self._batch = batch
        self._deadline = deadline
        self._verdicts: dict[int, Verdict] = {}
        self._progress: dict[int, Progress] = {}
        self._lines: dict[str, deque[int]] = {}
        for number, item in enumerate(batch):
            self._lines.setdefault(item.group, deque()).append(number)

    def applied(self) -> list[Verdict]:
        """Do what can be done; return a verdict for each message."""
        while self._lines:
            if self._deadline.has_passed:
                self._return_all(Verdict(status="returned", reason=OUT_OF_TIME))
                break
            self._change(sorted(number for line in self._lines.values() for number in self._changes(line)))
            self._end_chunk(self._disconnects())
        return [self._verdicts.get(number, HELD) for number in range(len(self._batch))]

    def _changes(self, line: deque[int]) -> Iterator[int]:
        for number in line:
            if isinstance(self._batch[number], Disconnected):
                return
            yield number

    def _change(self, numbers: Sequence[int]) -> None:
        """Apply these messages, none of which ends a connector, together, or one by one where that is refused."""
        if not numbers:
            return
        try:
            self._settle(numbers, self._apply_together(numbers))
        except (DatabaseAway, OutcomeUnknown) as error:
            self._return_all(_returned(error))
        except Exception as error:  # noqa: BLE001  (whatever it is, it may concern one message only)
            if len(numbers) == 1:
                self._settle(numbers, [_returned(error)])
            else:
                self._one_by_one(numbers)

    def _one_by_one(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if self._deadline.has_passed:
                return
            if number in self._lines.get(self._batch[number].group, ()):
                self._change([number])

    def _apply_together(self, numbers: Sequence[int]) -> list[Verdict]:
        items = (self._batch[number] for number in numbers)
        changes: list[Change] = [item for item in items if not isinstance(item, Disconnected)]
        return with_retries(
            lambda transaction: sync.apply_changes(transaction, changes), PIPELINE_SCOPE, self._deadline
        )

    def _disconnects(self) -> dict[int, Disconnected]:
        """Return the messages that are next in their groups and end a connector, each another one."""
        chosen: dict[int, Disconnected] = {}
        for line in self._lines.values():
            item = self._batch[line[0]]
            # What another of this chunk is doing is left to it; the next round finds it done.
            if isinstance(item, Disconnected) and not any(_is_same(item, other) for other in chosen.values()):
                chosen[line[0]] = item
        return chosen

    def _end_chunk(self, items: Mapping[int, Disconnected]) -> None:
        """End the next rows of these connectors, together, or one by one where that is refused."""
        if not items or self._deadline.has_passed:
            return
        chosen = {number: (item, self._progress.get(number, NO_PROGRESS)) for number, item in items.items()}
        try:
            outcomes = self._end_together(list(chosen.values()))
        except (DatabaseAway, OutcomeUnknown) as error:
            self._return_all(_returned(error))
        except Exception as error:  # noqa: BLE001  (whatever it is, it may concern one connector only)
            for number, (item, progress) in chosen.items():
                if len(chosen) > 1:
                    self._end_chunk({number: item})
                else:
                    self._settle([number], [_returned(error, progress)])
        else:
            for number, outcome in zip(chosen, outcomes, strict=True):
                if isinstance(outcome, Verdict):
                    self._settle([number], [outcome])
                else:
                    self._progress[number] = outcome

    def _end_together(self, chosen: Sequence[tuple[Disconnected, Progress]]) -> list[Verdict | Progress]:
        def end(transaction: Transaction) -> list[Verdict | Progress]:
            return disconnecting.end_chunk(transaction, chosen, CHUNK)

        return with_retries(end, PIPELINE_SCOPE, self._deadline)

    def _settle(self, numbers: Sequence[int], verdicts: Sequence[Verdict]) -> None:
        """Take messages out of their lines; behind one that is not done its whole line is held."""
        for number, verdict in zip(numbers, verdicts, strict=True):
            self._verdicts[number] = verdict
            group = self._batch[number].group
            line = self._lines.get(group)
            if line is None:
                continue
            line.remove(number)
            if not verdict.is_done or not line:
                del self._lines[group]

    def _return_all(self, verdict: Verdict) -> None:
        """Return what is next in each group, and hold what is behind it."""
        for line in self._lines.values():
            progress = self._progress.get(line[0], NO_PROGRESS)
            self._verdicts[line[0]] = replace(verdict, tombstoned=progress.tombstoned)
        self._lines.clear()


def _is_same(one: Disconnected, other: Disconnected) -> bool:
    return one.id == other.id or one.workspace_connector_id == other.workspace_connector_id


def _returned(error: Exception, progress: Progress = NO_PROGRESS) -> Verdict:
    """Return the verdict on a message that met `error`, of which the log may say so much."""
    if isinstance(error, ServiceUnavailable):
        reason, evidence = error.code, dict[str, object](error.evidence)
    else:
        reason, evidence = UNEXPECTED, describe(error.__cause__ or error)
        if isinstance(error, WellspringError):
            evidence |= error.evidence
    return Verdict(status="returned", reason=reason, evidence=evidence, tombstoned=progress.tombstoned)
