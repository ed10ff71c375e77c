"""Mending what older releases have stored and this one would park: times that nobody can show (docs/operations.md)."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, with_retries
from wellspring.repositories import mending, recounting
from wellspring.services.recounting import place_of

__all__ = ["Mended", "mend_times"]

# Connectors whose messages one transaction looks through, by an index.
TOGETHER = 100


@dataclass(frozen=True, slots=True)
class Mended:
    """What was mended.

    Attributes:
        messages: how many had a time that nobody can show, or one in the future.
        connectors: how many were said to be synced then.
        last: the connector that it came to; None where it came to none.
        is_all: whether that was the last one there is.
    """

    messages: int
    connectors: int
    last: UUID | None
    is_all: bool


def mend_times(deadline: Deadline, after: UUID | None = None) -> Mended:
    """Mend the times of messages and of what connectors are told by them, until the last one or the time is over.

    Args:
        deadline: when to stop.
        after: the connector that another turn came to; None to begin.

    Raises:
        NotFound: there is no connector `after`.
        WellspringError: the database did not let it.
    """
    messages = connectors = 0
    place, last = place_of(after, deadline), after
    if after is None and not deadline.has_passed:
        of_none = partial(mending.mend_times, first=None, last=None)
        messages = with_retries(of_none, PIPELINE_SCOPE, deadline).messages
    while not deadline.has_passed:
        span = with_retries(partial(recounting.following, after=place, most=TOGETHER), PIPELINE_SCOPE, deadline)
        if span:
            place, last = span[-1]
            of_these = partial(mending.mend_times, first=span[0][0], last=place)
            mended = with_retries(of_these, PIPELINE_SCOPE, deadline)
            messages += mended.messages
            connectors += mended.connectors
        if len(span) < TOGETHER:
            return Mended(messages, connectors, last, is_all=True)
    return Mended(messages, connectors, last, is_all=False)
