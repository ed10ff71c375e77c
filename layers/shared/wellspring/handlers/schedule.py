"""The edge of a schedule: an invocation for whose answer nobody waits."""

from collections.abc import Callable, Mapping
from typing import Any

from wellspring.database.retry import Deadline
from wellspring.errors import WellspringError
from wellspring.handlers.invocation import deadline_of
from wellspring.observability import logger

type LambdaHandler = Callable[[Mapping[str, Any], object], dict[str, object]]


def scheduled(work: Callable[[Deadline], dict[str, object]], doing: str, done: str) -> LambdaHandler:
    """Return the Lambda handler that does `work` until its deadline, and logs and returns what it came to.

    What it has no time for is left to the next run. A failure is raised, so that it counts as the function's.

    Args:
        work: takes the deadline, and says what it did.
        doing: what that is, for the line that tells of a failure.
        done: the other line.
    """

    def handler(_event: Mapping[str, Any], context: object) -> dict[str, object]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        try:
            said = work(deadline_of(context))
        except WellspringError as error:
            logger.error(f"{doing} failed", extra={"code": error.code} | error.evidence)
            # Its cause holds SQL, which Lambda would log.
            raise error from None
        logger.info(done, extra=said)
        return said

    return handler
