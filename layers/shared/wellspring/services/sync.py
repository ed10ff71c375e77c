"""Applying sync messages: in which order, which of them together, and what becomes of the others when one fails.

What can be applied at once is a unit, and one transaction. A batch is cut where a message ends what an earlier one
links, and where a message ends a connector of many rows, which is done in chunks: no message overtakes another of its
group. A unit that the database refuses as a whole is tried message by message (docs/adr/0012, 0020).
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import DatabaseAway, OutcomeUnknown, ServiceUnavailable, WellspringError
from wellspring.observability import describe
from wellspring.repositories.sync import applying, disconnecting
from wellspring.repositories.sync.applying import Unit
from wellspring.repositories.sync.disconnecting import Progress
from wellspring.work import HELD, Change, Disconnected, Outcome, Work

# Rows of each type of records that one transaction ends: a tenth of a second of work (docs/adr/0012).
CHUNK = 5000
# Of a disconnect that has not begun.
NO_PROGRESS = Progress()
# Why a message was returned that nothing was wrong with.
OUT_OF_TIME = "OUT_OF_TIME"
# Why one was returned whose failure nobody foresaw.
UNEXPECTED = "UNEXPECTED"


def apply(batch: Sequence[Work], deadline: Deadline) -> list[Outcome]:
    """Apply the messages of `batch`, each group's in their order, and return an outcome for each.

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
        self._outcomes: dict[int, Outcome] = {}
        self._progress: dict[int, Progress] = {}
        self._lines: dict[str, deque[int]] = {}
        for number, item in enumerate(batch):
            self._lines.setdefault(item.group, deque()).append(number)

    def applied(self) -> list[Outcome]:
        """Do what can be done; return an outcome for each message."""
        while self._lines:
            if self._deadline.has_passed:
                self._return_all(Outcome(status="returned", reason=OUT_OF_TIME))
                break
            self._change(self._unit())
            self._end_chunk(self._disconnects())
        return [self._outcomes.get(number, HELD) for number in range(len(self._batch))]

    def _unit(self) -> dict[int, Change]:
        """Return the next messages of all groups that can be applied at once, in their order."""
        unit = Unit()
        waiting: set[str] = set()
        taken: dict[int, Change] = {}
        changes = (change for line in self._lines.values() for change in self._changes(line))
        for number, item in sorted(changes, key=itemgetter(0)):
            if item.group not in waiting and unit.takes(item):
                taken[number] = item
            else:
                waiting.add(item.group)
        return taken

    def _changes(self, line: deque[int]) -> Iterator[tuple[int, Change]]:
        """Return what stands before the first disconnect of a line."""
        for number in line:
            item = self._batch[number]
            if isinstance(item, Disconnected):
                return
            yield number, item

    def _change(self, unit: Mapping[int, Change]) -> None:
        """Apply these messages together, or one by one where that is refused."""
        if not unit:
            return
        try:
            self._settle(list(unit), self._apply_together(list(unit.values())))
        except (DatabaseAway, OutcomeUnknown) as error:
            self._return_all(_returned(error))
        except Exception as error:  # noqa: BLE001  (whatever it is, it may concern one message only)
            if len(unit) == 1:
                self._settle(list(unit), [_returned(error)])
            else:
                self._one_by_one(unit)

    def _one_by_one(self, unit: Mapping[int, Change]) -> None:
        for number, item in unit.items():
            if self._deadline.has_passed:
                return
            if number in self._lines.get(item.group, ()):
                self._change({number: item})

    def _apply_together(self, unit: Sequence[Change]) -> list[Outcome]:
        return with_retries(lambda transaction: applying.apply_unit(transaction, unit), PIPELINE_SCOPE, self._deadline)

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
                if isinstance(outcome, Outcome):
                    self._settle([number], [outcome])
                else:
                    self._progress[number] = outcome

    def _end_together(self, chosen: Sequence[tuple[Disconnected, Progress]]) -> list[Outcome | Progress]:
        def end(transaction: Transaction) -> list[Outcome | Progress]:
            return disconnecting.end_chunk(transaction, chosen, CHUNK)

        return with_retries(end, PIPELINE_SCOPE, self._deadline)

    def _settle(self, numbers: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Take messages out of their lines; behind one that is not done its whole line is held."""
        for number, outcome in zip(numbers, outcomes, strict=True):
            self._outcomes[number] = outcome
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
            progress = self._progress.get(line[0], NO_PROGRESS)
            self._outcomes[line[0]] = replace(outcome, ended=progress.ended)
        self._lines.clear()


def _is_same(one: Disconnected, other: Disconnected) -> bool:
    return one.id == other.id or one.workspace_connector_id == other.workspace_connector_id


def _returned(error: Exception, progress: Progress = NO_PROGRESS) -> Outcome:
    """Return the outcome of a message that met `error`, of which the log may say so much."""
    if isinstance(error, ServiceUnavailable):
        reason, evidence = error.code, dict[str, object](error.evidence)
    else:
        reason, evidence = UNEXPECTED, describe(error.__cause__ or error)
        if isinstance(error, WellspringError):
            evidence |= error.evidence
    return Outcome(status="returned", reason=reason, evidence=evidence, ended=progress.ended)
