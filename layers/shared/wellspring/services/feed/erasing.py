"""Erasing workspaces, each minute: chunks of a bounded number of rows, each its own transaction (docs/adr/0057)."""

from functools import partial

from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import DatabaseBusy
from wellspring.observability import logger
from wellspring.repositories.feed import erasures
from wellspring.services.feed.endings import QUIET_SECONDS


def erase(deadline: Deadline) -> int:
    """Go on with the workspaces that are being erased; what there is no time for is left to the next run.

    A workspace is done with when a round found all that whoever was writing when it was erased has left behind; that
    takes a minute at least, so several runs.

    Returns:
        How many rows it changed.

    Raises:
        WellspringError: the database did not let it; what was done before stays done.
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
