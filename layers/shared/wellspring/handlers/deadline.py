"""The deadline of an invocation, by Lambda's own clock."""

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
