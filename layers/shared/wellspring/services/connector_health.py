"""Judging connectors by the clock: a step of settling (contract, section 7)."""

from dataclasses import dataclass
from functools import partial

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database.retry import Deadline, with_retries
from wellspring.repositories import connector_health

# Connectors that one transaction judges: a tenth of a second of work, under their locks.
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run did.

    Attributes:
        connectors: how many were looked at.
        is_silent: whether most of all that were due have not come: then nobody's health is changed.
        is_all: whether it came to the end of them.
    """

    connectors: int
    is_silent: bool
    is_all: bool


def judge(deadline: Deadline) -> Judged:
    """Judge the connectors whose health changes by now, unless all are silent.

    Raises what `with_retries` raises.
    """
    if with_retries(connector_health.note_silence, PIPELINE_SCOPE, deadline):
        return Judged(0, is_silent=True, is_all=True)
    judged = 0
    while not deadline.has_passed:
        found = with_retries(partial(connector_health.judge_due, most=CHUNK), PIPELINE_SCOPE, deadline)
        judged += found
        if found < CHUNK:
            return Judged(judged, is_silent=False, is_all=True)
    return Judged(judged, is_silent=False, is_all=False)
