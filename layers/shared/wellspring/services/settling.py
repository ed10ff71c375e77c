"""Settling: what is tried again, swept and expired each minute (contract, section 5).

A step knows nothing of another. A new one is one function and one line of `STEPS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, in_rounds, with_retries
from wellspring.errors import DatabaseBusy, WellspringError
from wellspring.observability import describe, logger
from wellspring.queries import MAX_TOTAL
from wellspring.repositories import fleet, parked
from wellspring.repositories.sync import releasing as messages
from wellspring.services.feed import endings
from wellspring.services.sync import releasing

# Connectors that one transaction judges: a tenth of a second of work, under their locks.
JUDGED = 1000
# Messages, and runs, that one transaction expires.
EXPIRED = 500
# Longer than this nobody should be parked without being told of (contract, section 5).
TOO_LONG_SECONDS = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """What the log and the answer say that a step did, whether that is all that it could do now, and its metrics."""

    numbers: Mapping[str, int]
    is_all: bool
    metrics: Mapping[str, float] = field(default_factory=dict)


# Does a part, until the deadline, each bounded part in its own transaction.
type Step = Callable[[Deadline], Done]


@dataclass(frozen=True, slots=True)
class Settled:
    """What each step of a run did, by its name, without those that failed, and the names of these."""

    done: Mapping[str, Done]
    failed: Sequence[str]


def _release(deadline: Deadline) -> Done:
    outcomes, is_all = releasing.release(deadline)
    numbers = {"applied": outcomes["applied"], "parked": outcomes["parked"]}
    return Done(numbers, is_all, {"Released": outcomes["applied"]})


def _resume(deadline: Deadline) -> Done:
    outcomes, is_all = releasing.resume(deadline)
    return Done({"applied": outcomes["applied"]}, is_all)


def _expire(expire: Callable[..., int], deadline: Deadline) -> Done:
    """Drop bodies of messages, which cannot be released any more then, and close runs that nothing completes."""
    number = with_retries(partial(expire, most=EXPIRED), PIPELINE_SCOPE, deadline)
    return Done({"expired": number}, number < EXPIRED)


def _sweep(deadline: Deadline) -> Done:
    swept = endings.sweep(deadline)
    return Done({"rows": swept.rows, "done": swept.done}, swept.is_all)


def judge(deadline: Deadline) -> Done:
    """Judge the connectors whose health changes by now, unless most of all that were due have not come."""
    if with_retries(fleet.note_silence, PIPELINE_SCOPE, deadline):
        return Done({"connectors": 0, "is_silent": 1}, is_all=True)
    judged, is_all = in_rounds(partial(fleet.judge_due, most=JUDGED), JUDGED, PIPELINE_SCOPE, deadline)
    return Done({"connectors": judged, "is_silent": 0}, is_all)


def _count(deadline: Deadline) -> Done:
    work = partial(messages.parked_for_long, seconds=TOO_LONG_SECONDS, most=MAX_TOTAL)
    number = with_retries(work, PIPELINE_SCOPE, deadline)
    return Done({"parked_too_long": number}, is_all=True, metrics={"ParkedTooLong": number})


def _tally(deadline: Deadline) -> Done:
    return Done({"connectors": with_retries(fleet.count, PIPELINE_SCOPE, deadline)}, is_all=True)


# By the name that the log calls each by, in their order.
STEPS: Mapping[str, Step] = {
    "release": _release,
    "resume": _resume,
    "sweep": _sweep,
    "expire": partial(_expire, partial(parked.expire, parked=parked.MESSAGES)),
    "expire_runs": partial(_expire, messages.expire_runs),
    # Behind what releases and sweeps, which may be what a connector lacked.
    "judge": judge,
    # Behind what releases, so that nobody is told of what was released a moment later.
    "count": _count,
    # What all the others did is part of it.
    "fleet": _tally,
}


def settle(deadline: Deadline) -> Settled:
    """Run each step, in their order; one that fails, or takes long, holds up nobody.

    Each has an equal share of the time that is left, so that what a quick one spares is the next one's. A failure is
    logged and told in the answer; it raises nothing.
    """
    done: dict[str, Done] = {}
    failed: list[str] = []
    for number, (name, step) in enumerate(STEPS.items()):
        share = Deadline(deadline.seconds / (len(STEPS) - number))
        try:
            done[name] = step(share)
        except DatabaseBusy as error:
            # Somebody writes for longer than was waited for: as usual as it is over soon.
            logger.warning("a step of settling is left to the next run", extra={"step": name} | error.evidence)
            done[name] = Done({}, is_all=False)
        except WellspringError as error:
            logger.error("a step of settling failed", extra={"step": name, "code": error.code} | error.evidence)
            failed.append(name)
        except Exception as error:  # noqa: BLE001  (whatever it is, the other steps are not concerned)
            logger.error("unexpected exception in a step of settling", extra={"step": name} | describe(error))
            failed.append(name)
    return Settled(done, failed)
