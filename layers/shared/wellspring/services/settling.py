"""Settling, each minute: steps that know nothing of each other (contract, section 5).

A new step is one function and one line of `STEPS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, in_rounds, with_retries
from wellspring.errors import DatabaseBusy, WellspringError
from wellspring.observability import describe, logger
from wellspring.repositories import fleet
from wellspring.services.feed import endings
from wellspring.services.sync import releasing
from wellspring.services.sync.releasing import Read

# Connectors that one transaction judges: a tenth of a second of work, under their locks.
JUDGED = 1000


@dataclass(frozen=True, slots=True)
class Done:
    """What the log and the answer say that a step did, whether that is all that it could do now, and its metrics."""

    said: Mapping[str, int]
    is_all: bool
    metrics: Mapping[str, float] = field(default_factory=dict)


# Does a part, until the deadline, each bounded part in its own transaction; `Read` is for what was kept of messages.
type Step = Callable[[Deadline, Read], Done]


@dataclass(frozen=True, slots=True)
class Settled:
    """What each step of a run did, by its name, without those that failed, and the names of these."""

    done: Mapping[str, Done]
    failed: Sequence[str]


def _release(deadline: Deadline, read: Read) -> Done:
    outcomes, is_all = releasing.release(deadline, read)
    said = {"applied": outcomes["applied"], "parked": outcomes["parked"]}
    return Done(said, is_all, {"Released": outcomes["applied"]})


def _resume(deadline: Deadline, read: Read) -> Done:
    outcomes, is_all = releasing.resume(deadline, read)
    return Done({"applied": outcomes["applied"]}, is_all)


def _expired(number: int) -> Done:
    return Done({"expired": number}, number < releasing.PAGE)


def _sweep(deadline: Deadline, _read: Read) -> Done:
    swept = endings.sweep(deadline)
    return Done({"rows": swept.rows, "done": swept.done}, swept.is_all)


def judge(deadline: Deadline) -> Done:
    """Judge the connectors whose health changes by now, unless most of all that were due have not come."""
    if with_retries(fleet.note_silence, PIPELINE_SCOPE, deadline):
        return Done({"connectors": 0, "is_silent": 1}, is_all=True)
    judged, is_all = in_rounds(partial(fleet.judge_due, most=JUDGED), JUDGED, PIPELINE_SCOPE, deadline)
    return Done({"connectors": judged, "is_silent": 0}, is_all)


def _count(deadline: Deadline, _read: Read) -> Done:
    parked = releasing.parked_too_long(deadline)
    return Done({"parked_too_long": parked}, is_all=True, metrics={"ParkedTooLong": parked})


def _tally(deadline: Deadline, _read: Read) -> Done:
    return Done({"connectors": with_retries(fleet.count, PIPELINE_SCOPE, deadline)}, is_all=True)


# By the name that the log calls each by, in their order.
STEPS: Mapping[str, Step] = {
    "release": _release,
    "resume": _resume,
    "sweep": _sweep,
    "expire": lambda deadline, _: _expired(releasing.expire(deadline)),
    "expire_runs": lambda deadline, _: _expired(releasing.expire_runs(deadline)),
    # Behind what releases and sweeps, which may be what a connector lacked.
    "judge": lambda deadline, _: judge(deadline),
    # Behind what releases, so that nobody is told of what was released a moment later.
    "count": _count,
    # What all the others did is part of it.
    "fleet": _tally,
}


def settle(deadline: Deadline, read: Read) -> Settled:
    """Run each step, in their order; one that fails, or takes long, holds up nobody.

    Each has an equal share of the time that is left, so that what a quick one spares is the next one's. A failure is
    logged and told in the answer; it raises nothing.
    """
    done: dict[str, Done] = {}
    failed: list[str] = []
    for number, (name, step) in enumerate(STEPS.items()):
        share = Deadline(deadline.seconds / (len(STEPS) - number))
        try:
            done[name] = step(share, read)
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
