"""Settling behind a batch: messages that waited for what it brought, and rows of what it ended.

It comes behind the batch's own transactions, has a deadline of its own, and raises nothing: no message returns to its
queue because of it, and what is left over is the schedule's (contract, section 5; docs/adr/0047).
"""

from collections.abc import Callable, Sequence

from wellspring.database.retry import Deadline
from wellspring.database.scope import signed_in_as
from wellspring.errors import WellspringError
from wellspring.observability import describe, logger
from wellspring.services.feed import endings
from wellspring.services.sync import releasing

# How long the answer to the queue waits for it: a batch brings little, as a rule.
SECONDS = 5.0
# Who writes provenance and messages; the feed's consumer signs in so for nothing else.
CONSUMER = "wellspring_consumer"


def release_for(brought: Sequence[tuple[str, str]], deadline: Deadline) -> None:
    """Release what waited for records that a batch of syncs has made; asks nothing where it made none."""
    if brought:
        _settle(lambda ours: _release(brought, ours), deadline)


def settle_for_feed(brought: Sequence[tuple[str, str]], deadline: Deadline, *, has_ended: bool) -> None:
    """Release what waited for what the feed brought, and end the rows of what it ended."""

    def settle(ours: Deadline) -> None:
        # Asked as the feeder: where nobody waits, there is no second sign-in.
        waits = bool(brought) and releasing.any_waits(brought, ours)
        if not (waits or has_ended):
            return
        with signed_in_as(CONSUMER):
            if waits:
                _release(brought, ours)
            if has_ended:
                swept = endings.sweep(ours, only_new=True)
                logger.info("swept behind the batch", extra={"rows": swept.rows, "is_all": swept.is_all})

    _settle(settle, deadline)


def _release(brought: Sequence[tuple[str, str]], deadline: Deadline) -> None:
    outcomes = releasing.release_for(brought, deadline)
    if outcomes:
        logger.info("released behind the batch", extra=dict(outcomes))


def _settle(work: Callable[[Deadline], None], deadline: Deadline) -> None:
    ours = Deadline(min(SECONDS, deadline.seconds))
    if ours.has_passed:
        return
    try:
        work(ours)
    except WellspringError as error:
        logger.warning("settling is left to the schedule", extra={"code": error.code} | error.evidence)
    except Exception as error:  # noqa: BLE001  (the batch is done, whatever it is)
        logger.error("unexpected exception behind a batch, left to the schedule", extra=describe(error))
