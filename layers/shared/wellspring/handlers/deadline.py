"""How long a function may work, by Lambda's own clock."""

from wellspring.database.patience import Budget

# What is kept for the answer and the log.
RESERVED_SECONDS = 2.0
# Of an invocation that says nothing of its time.
USUAL_SECONDS = 30.0


def budget_of(context: object) -> Budget:
    """Return the time that an invocation may spend on work. `context` is Lambda's."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return Budget(USUAL_SECONDS if remaining is None else remaining() / 1000 - RESERVED_SECONDS)
