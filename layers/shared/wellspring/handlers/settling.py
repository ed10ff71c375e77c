"""Handler that settles, each minute. Apart from the other schedules, which need neither messages nor metrics."""

from collections.abc import Mapping
from typing import Any

from wellspring import metrics
from wellspring.errors import InternalError
from wellspring.handlers import verbs
from wellspring.handlers.invocation import LambdaHandler, deadline_of
from wellspring.messages import read_kept
from wellspring.observability import logger
from wellspring.services import settling


def settler() -> LambdaHandler:
    """Return the Lambda handler that does, each minute, what settles by itself: `settling.STEPS`.

    What it has no time for is left to the next run. A step that fails holds up nobody, and is raised in the end, so
    that it counts as the function's. An event with a `Verb`, an operator's, does that instead.
    """

    def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        if "Verb" in event:
            return verbs.run_command(event, deadline_of(context))
        settled = settling.settle(deadline_of(context), read_kept)
        said: dict[str, object] = {name: {**done.said, "is_all": done.is_all} for name, done in settled.done.items()}
        logger.info("settled", extra=said)
        counted = {name: value for done in settled.done.values() for name, value in done.metrics.items()}
        if counted:
            metrics.emit(counted)
        if settled.failed:
            raise InternalError(f"Steps that failed: {', '.join(settled.failed)}.")
        return said

    return handler
