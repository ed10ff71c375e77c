"""Rounds: the same bounded work again and again, each time in a transaction of its own."""

from collections.abc import Callable

from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries


def in_rounds(work: Callable[[Transaction], int], most: int, scope: str | None, deadline: Deadline) -> tuple[int, bool]:
    """Do `work` until it comes to fewer than the `most` it may, or the time is over.

    Returns what it came to together, and whether that is all there is. Raises what `with_retries` raises.
    """
    number = 0
    while not deadline.has_passed:
        found = with_retries(work, scope, deadline)
        number += found
        if found < most:
            return number, True
    return number, False
