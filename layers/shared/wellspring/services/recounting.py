"""Recounting the sums and mending stored times, some connectors at a time (contract, section 7; docs/operations.md).

A recount finds nothing, or there is a fault. Mended is what older releases have stored and this one would park.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import NotFound
from wellspring.repositories import recounting
from wellspring.repositories.recounting import Difference

__all__ = ["Difference", "Mended", "Recounted", "mend_times", "recount"]

# Connectors that one transaction compares: of a hundred thousand rows each, some seconds.
TOGETHER = 10
# Connectors whose messages one transaction looks through, by an index.
MENDED_TOGETHER = 100
# Differences that are told one by one: who has more has the same fault in many places.
TOLD = 100


@dataclass(slots=True)
class _Walk:
    """How far a walk through connectors came: to the `last` one; `is_all` says whether that is the last there is."""

    last: UUID | None
    is_all: bool = False


@dataclass(slots=True)
class Recounted(_Walk):
    """What a recount found: of so many connectors the first `TOLD` of what differs, and in how many places."""

    connectors: int = 0
    differences: list[Difference] = field(default_factory=list)
    number: int = 0


@dataclass(slots=True)
class Mended(_Walk):
    """How many messages, and how many connectors' last syncs, had a time nobody can show, or one in the future."""

    messages: int = 0
    connectors: int = 0


def recount(deadline: Deadline, after: UUID | None = None) -> Recounted:
    """Compare the sums of each connector with its rows, until the last one or the time is over; change nothing.

    It begins behind the connector `after`, that another recount came to.

    Raises:
        NotFound: there is no connector `after`.
        WellspringError: the database did not let it.
    """
    done = Recounted(after)
    for connectors, differences in _walk(done, recounting.compare, TOGETHER, deadline):
        done.connectors += connectors
        done.number += len(differences)
        done.differences += differences[: TOLD - len(done.differences)]
    return done


def mend_times(deadline: Deadline, after: UUID | None = None) -> Mended:
    """Mend the times of messages and of what connectors are told by them, as far and from where a recount goes.

    Raises as `recount` does.
    """
    done = Mended(after)
    if after is None and not deadline.has_passed:
        of_none = partial(recounting.mend_times, first=None, last=None)
        done.messages, _ = with_retries(of_none, PIPELINE_SCOPE, deadline)
    for _, (messages, connectors) in _walk(done, recounting.mend_times, MENDED_TOGETHER, deadline):
        done.messages += messages
        done.connectors += connectors
    return done


def _walk[Found](
    walk: _Walk, work: Callable[[Transaction, int, int], Found], together: int, deadline: Deadline
) -> Iterator[tuple[int, Found]]:
    """Do `work` on the next connectors behind `walk.last`, each span in a transaction: its first pk, and its last one.

    Yields of how many connectors it was, and what it found.
    """
    place = 0
    if walk.last is not None:
        found = with_retries(partial(recounting.place, connector_id=walk.last), PIPELINE_SCOPE, deadline)
        if found is None:
            raise NotFound("There is no such workspace connector.")
        place = found

    def span(transaction: Transaction, after: int) -> tuple[list[tuple[int, UUID]], list[Found]]:
        connectors = recounting.following(transaction, after, together)
        return connectors, [work(transaction, connectors[0][0], connectors[-1][0])] if connectors else []

    while not deadline.has_passed:
        these, of_these = with_retries(partial(span, after=place), PIPELINE_SCOPE, deadline)
        if these:
            place, walk.last = these[-1]
        yield from ((len(these), each) for each in of_these)
        if len(these) < together:
            walk.is_all = True
            return
