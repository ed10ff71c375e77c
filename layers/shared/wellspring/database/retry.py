"""Retry of a transaction with backoff and jitter, until the deadline.

For whoever answers to nobody who waits: the queue's consumer and scheduled functions. HTTP answers 503 instead.
"""

import secrets
import time
from collections.abc import Callable

from wellspring.database.scope import Transaction, in_transaction
from wellspring.errors import DatabaseBusy, OutcomeUnknown, ServiceUnavailable

TRIES = 6
# The pause before the second try is at most this long; each further one twice that.
FIRST_PAUSE_SECONDS = 0.2
# Less than this is not enough for a transaction.
LEAST_SECONDS = 1.0
# What the role allows a statement (revision 0003).
LONGEST_STATEMENT_SECONDS = 25.0

# Of the system: functions that start from one snapshot would share a seed, and meet again.
_chance = secrets.SystemRandom()
# For tests, which do not wait.
sleep = time.sleep


class Deadline:
    """The moment by which some work must end.

    Args:
        seconds: how far it is away now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        """How much is left; below zero when it is over."""
        return self._end - time.monotonic()

    @property
    def has_passed(self) -> bool:
        """Whether it is too late to begin another transaction."""
        return self.seconds < LEAST_SECONDS


def with_retries[Result](work: Callable[[Transaction], Result], scope: str | None, deadline: Deadline) -> Result:
    """Run `work` in a transaction, as `in_transaction` does, and again when the database refused it.

    Between tries there is a pause of random length, so that those who met do not meet again (full jitter). What
    waited for too long is not tried again: it took its time. Nor is what may have been committed.

    Args:
        work: what to do; it must have no effect but on the database.
        scope: for whom, as `in_transaction` takes it.
        deadline: no statement runs beyond it.

    Raises what `in_transaction` raises, after the last try.
    """
    number = 0
    while True:
        number += 1
        try:
            return in_transaction(work, scope, seconds=min(deadline.seconds, LONGEST_STATEMENT_SECONDS))
        except (DatabaseBusy, OutcomeUnknown):
            raise
        except ServiceUnavailable:
            pause = _chance.uniform(0, FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            if number == TRIES or deadline.seconds - pause < LEAST_SECONDS:
                raise
            sleep(pause)
