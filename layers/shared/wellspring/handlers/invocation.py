"""What invocations have: a deadline, by Lambda's own clock; imports left alone; and on a schedule, nobody who waits."""

import gc
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from wellspring.database.deadline import Deadline
from wellspring.errors import WellspringError
from wellspring.observability import logger

type LambdaHandler = Callable[[Mapping[str, Any], object], dict[str, object]]

# What is kept for the answer and the log: of a batch, and of a request, whose largest page is written in a tenth of it.
RESERVED_SECONDS = 2.0
RESERVED_OF_A_REQUEST_SECONDS = 1.0
# Of an invocation that says nothing of its time.
USUAL_SECONDS = 30.0


def deadline_of(context: object, reserved: float = RESERVED_SECONDS) -> Deadline:
    """Return when an invocation must have done its work: so many seconds of Lambda's time are kept for the rest."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return Deadline((USUAL_SECONDS if remaining is None else remaining() / 1000) - reserved)


@cache
def keep_imports() -> None:
    """Freeze what is there now (`gc.freeze`), once for each process: whoever makes a handler calls this, last of all.

    Imports make 69,000 objects that live as long as the process. A full collection looked at all of them, for 0.1 s in
    the midst of a request. The garbage that they leave is five objects: to collect it first would only make a cold
    start longer.
    """
    gc.freeze()


def scheduled(work: Callable[[Deadline], dict[str, object]], doing: str, done: str) -> LambdaHandler:
    """Return the Lambda handler that does `work` until its deadline, and logs and returns what it came to.

    What it has no time for is left to the next run. A failure is raised, so that it counts as the function's. The log's
    line is `done`, or that `doing` failed.
    """

    def handler(_event: Mapping[str, Any], context: object) -> dict[str, object]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        return logged(lambda: work(deadline_of(context)), f"{doing} failed", done)

    return handler


def logged(work: Callable[[], dict[str, object]], failed: str, done: str, **about: object) -> dict[str, object]:
    """Do `work`; log what it came to, or that it failed, with what it was `about`; return it, or raise."""
    try:
        fields = work()
    except WellspringError as error:
        logger.error(failed, extra={**about, "code": error.code} | error.evidence)
        # Its cause holds SQL, which Lambda would log.
        raise error from None
    logger.info(done, extra=about | fields)
    return fields
