"""What every invocation has: a deadline, by Lambda's own clock, and imports that the collector leaves alone."""

import gc
from functools import cache

from wellspring.database.deadline import Deadline

# What is kept for the answer and the log: of a batch, and of a request, whose largest page is written in a tenth of it.
RESERVED_SECONDS = 2.0
RESERVED_OF_A_REQUEST_SECONDS = 1.0
# Of an invocation that says nothing of its time.
USUAL_SECONDS = 30.0


def deadline_of(context: object, reserved: float = RESERVED_SECONDS) -> Deadline:
    """Return when an invocation must have done its work: so many seconds of Lambda's time are kept for the rest."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return Deadline((USUAL_SECONDS if remaining is None else remaining() / 1000) - reserved)


@cache
def keep_imports() -> None:
    """Freeze what is there now (`gc.freeze`), once for each process: whoever makes a handler calls this, last of all.

    Imports make 69,000 objects that live as long as the process. A full collection looked at all of them, for 0.1 s in
    the midst of a request. The garbage that they leave is five objects: to collect it first would only make a cold
    start longer.
    """
    gc.freeze()
