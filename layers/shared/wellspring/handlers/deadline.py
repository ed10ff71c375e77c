"""The deadline of an invocation, by Lambda's own clock."""

from wellspring.database.retry import Deadline

# What is kept for the answer and the log.
RESERVED_SECONDS = 2.0
# Of an invocation that says nothing of its time.
USUAL_SECONDS = 30.0


def deadline_of(context: object) -> Deadline:
    """Return the moment by which an invocation must have done its work. `context` is Lambda's."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return Deadline(USUAL_SECONDS if remaining is None else remaining() / 1000 - RESERVED_SECONDS)
