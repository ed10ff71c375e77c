"""Retry of a transaction with backoff and jitter, for whom nobody waits; HTTP answers 503 instead."""

import secrets
import time
from collections.abc import Callable

from wellspring.database.deadline import LEAST_SECONDS, Deadline
from wellspring.database.scope import Transaction, in_transaction
from wellspring.errors import DatabaseBusy, OutcomeUnknown, ServiceUnavailable

__all__ = ["Deadline", "in_rounds", "with_retries"]

TRIES = 6
# The pause before the second try is at most this long; each further one twice that.
FIRST_PAUSE_SECONDS = 0.2

# Of the system: functions that start from one snapshot would share a seed, and meet again.
_chance = secrets.SystemRandom()
# For tests, which do not wait.
sleep = time.sleep


def with_retries[Result](work: Callable[[Transaction], Result], scope: str | None, deadline: Deadline) -> Result:
    """Run `work` as `in_transaction` does, and again when the database refused it, until the deadline.

    Pauses are of random length, so that those who met do not meet again (full jitter). What waited for too long is not
    tried again: it took its time. Nor is what may have been committed.
    """
    number = 0
    while True:
        number += 1
        try:
            return in_transaction(work, scope, deadline=deadline)
        except (DatabaseBusy, OutcomeUnknown):
            raise
        except ServiceUnavailable:
            pause = _chance.uniform(0, FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            if number == TRIES or deadline.seconds - pause < LEAST_SECONDS:
                raise
            sleep(pause)


def in_rounds(work: Callable[[Transaction], int], most: int, scope: str | None, deadline: Deadline) -> tuple[int, bool]:
    """Do bounded work, each time in a transaction, until it comes to fewer than `most`, or the time is over.

    Returns what it came to together, and whether that is all there is. Raises what `with_retries` raises.
    """
    number = 0
    while not deadline.has_passed:
        found = with_retries(work, scope, deadline)
        number += found
        if found < most:
            return number, True
    return number, False
