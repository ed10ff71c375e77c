"""Sweeping what the feed has ended, and erasing workspaces: chunks of rows, each its own transaction.

Source: contract, sections 3 and 6; docs/adr/0033 and 0057.
"""

from dataclasses import dataclass
from functools import partial

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import DatabaseBusy
from wellspring.observability import logger
from wellspring.repositories.feed import endings, erasures
from wellspring.repositories.feed.endings import Places

# Rows that one transaction ends.
CHUNK = 5000
# Endings that one transaction looks at.
PAGE = 500
# Longer than any role's statement may take, lock and all (revision 0003): whatever ran when a sweep first saw
# an ending has an id by then, or is over.
QUIET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows a sweep ended, how many endings are done, and whether it came to the end of them in its time."""

    rows: int
    done: int
    is_all: bool


def sweep(deadline: Deadline, *, only_new: bool = False) -> Swept:
    """End the rows of what the feed has ended, until there are none or the time is over.

    An ending is done with when a chunk finds nothing that began after every transaction was gone which could have seen
    the thing live; that takes a minute at least, so several sweeps. `only_new` looks at what a batch has just ended.

    Raises `WellspringError`; what was ended before stays ended.
    """
    after = rows = done = 0
    places: Places = {}
    page, is_left = PAGE, False
    while not deadline.has_passed:
        looked_at: list[int] = []
        work = partial(_chunk, after=after, places=places, page=page, looked_at=looked_at, only_new=only_new)
        try:
            ended, finished, last = with_retries(work, PIPELINE_SCOPE, deadline)
        except DatabaseBusy:
            # Somebody writes rows of a connector for longer than was waited for: what has to do with it is left to the
            # next sweep, and nothing else is.
            if page > 1:
                page = 1
            elif looked_at:
                after, places, is_left = looked_at[-1], {}, True
            else:
                raise
            continue
        rows += ended
        done += finished
        if ended < CHUNK:
            # All that these have were ended, or there are none.
            if last is None:
                return Swept(rows, done, is_all=not is_left)
            after, places = last, {}
    return Swept(rows, done, is_all=False)


def _chunk(
    transaction: Transaction, *, after: int, places: Places, page: int, looked_at: list[int], only_new: bool
) -> tuple[int, int, int | None]:
    """Return how many rows it ended, how many endings are done, and the last that it looked at."""
    taken = endings.open_endings(transaction, after, page, QUIET_SECONDS, only_new=only_new)
    looked_at[:] = [ending.pk for ending in taken]
    reached = dict(places)
    found, ended = endings.end_rows(transaction, taken, reached, CHUNK)
    rows = found.total()
    # A walk that began in its middle, or did not come to its end, proves nothing.
    is_whole = not places and rows < CHUNK
    done = [ending.pk for ending in taken if is_whole and ending.is_quiet and ending.pk not in found]
    # Those that are not through are found again as new.
    new = [ending.pk for ending in taken if ending.is_new and (rows < CHUNK or not only_new)]
    old = [ending.pk for ending in taken if ending.is_old]
    endings.mark(transaction, new=new, old=old, done=done, ended=ended)
    places.update(reached)
    return rows, len(done), taken[-1].pk if taken else None


def erase(deadline: Deadline) -> int:
    """Go on with the workspaces that are being erased; what there is no time for is left to the next run.

    A workspace is done with when a round found all that whoever was writing when it was erased has left behind; that
    takes a minute at least, so several runs. Returns how many rows it changed. Raises as `sweep` does.
    """
    changed = 0
    for pk in with_retries(erasures.open_erasures, None, deadline):
        while not deadline.has_passed:
            try:
                chunk = with_retries(partial(erasures.go_on, pk=pk, quiet=QUIET_SECONDS), None, deadline)
            except DatabaseBusy as error:
                # Somebody writes rows of a connector for longer than was waited for: nobody else is held up by it.
                logger.warning("an erasure is left to the next run", extra=error.evidence)
                break
            if chunk is None:
                break
            changed += chunk.changed
            if chunk.gone is not None:
                logger.info("workspace erased", extra={"workspace": chunk.workspace_id, "gone": dict(chunk.gone)})
    return changed
