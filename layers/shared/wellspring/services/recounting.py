"""Recounting: whether the sums are what the rows are (contract, section 7). It finds nothing, or there is a fault."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import NotFound
from wellspring.repositories import recounting
from wellspring.repositories.recounting import Difference

__all__ = ["Difference", "Recounted", "place_of", "recount"]

# Connectors that one transaction compares: of a hundred thousand rows each, some seconds.
TOGETHER = 10
# Differences that are told one by one: who has more has the same fault in many places.
TOLD = 100


@dataclass(frozen=True, slots=True)
class Recounted:
    """What a recount found: of so many connectors the first `TOLD` of what differs, and in how many places.

    It came to the `last` one; `is_all` says whether that is the last there is.
    """

    connectors: int
    differences: Sequence[Difference]
    number: int
    last: UUID | None
    is_all: bool


def place_of(after: UUID | None, deadline: Deadline) -> int:
    """Return the place of a connector that is gone on from; of None the beginning.

    Raises:
        NotFound: there is no such connector.
        WellspringError: the database did not let it.
    """
    if after is None:
        return 0
    found = with_retries(partial(recounting.place, connector_id=after), PIPELINE_SCOPE, deadline)
    if found is None:
        raise NotFound("There is no such workspace connector.")
    return found


def recount(deadline: Deadline, after: UUID | None = None) -> Recounted:
    """Compare the sums of each connector with its rows, until the last one or the time is over; change nothing.

    It begins behind the connector `after`, that another recount came to.

    Raises:
        NotFound: there is no connector `after`.
        WellspringError: the database did not let it.
    """
    place, last = place_of(after, deadline), after
    connectors, number = 0, 0
    told: list[Difference] = []
    while not deadline.has_passed:
        recounted = partial(recounting.recount, after=place, most=TOGETHER)
        these, differences = with_retries(recounted, PIPELINE_SCOPE, deadline)
        connectors += len(these)
        number += len(differences)
        told += differences[: TOLD - len(told)]
        if these:
            place, last = these[-1]
        if len(these) < TOGETHER:
            return Recounted(connectors, told, number, last, is_all=True)
    return Recounted(connectors, told, number, last, is_all=False)
