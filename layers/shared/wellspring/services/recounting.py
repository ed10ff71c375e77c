"""Recounting the sums, some connectors at a time (contract, section 7): it finds nothing, or there is a fault."""

from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import NotFound
from wellspring.repositories import recounting
from wellspring.repositories.recounting import Difference

__all__ = ["Difference", "Recounted", "recount"]

# Connectors that one transaction compares: of a hundred thousand rows each, some seconds.
TOGETHER = 10
# Differences that are told one by one: who has more has the same fault in many places.
TOLD = 100


@dataclass(slots=True)
class Recounted:
    """What a recount found: of so many connectors the first `TOLD` of what differs, and in how many places.

    It came to the `last` one; `is_all` says whether that is the last there is.
    """

    last: UUID | None
    is_all: bool = False
    connectors: int = 0
    differences: list[Difference] = field(default_factory=list)
    number: int = 0


def recount(deadline: Deadline, after: UUID | None = None) -> Recounted:
    """Compare the sums of each connector behind `after` with its rows, until the time is over; change nothing.

    Raises:
        NotFound: there is no connector `after`.
        WellspringError: the database did not let it.
    """
    done = Recounted(after)
    place = 0
    if after is not None:
        found = with_retries(partial(recounting.place, connector_id=after), PIPELINE_SCOPE, deadline)
        if found is None:
            raise NotFound("There is no such workspace connector.")
        place = found

    while not done.is_all and not deadline.has_passed:
        compare = partial(recounting.compare, after=place, most=TOGETHER)
        these, differences = with_retries(compare, PIPELINE_SCOPE, deadline)
        if these:
            place, done.last = these[-1]
        done.connectors += len(these)
        done.number += len(differences)
        done.differences += differences[: TOLD - len(done.differences)]
        done.is_all = len(these) < TOGETHER
    return done
