"""Handlers of schedules, for which nobody waits."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from wellspring.errors import WellspringError
from wellspring.handlers.deadline import deadline_of
from wellspring.observability import logger
from wellspring.services import pruning
from wellspring.settings import pruning_settings

type LambdaHandler = Callable[[Mapping[str, Any], object], dict[str, object]]


def pruner() -> LambdaHandler:
    """Return the Lambda handler that deletes what the service's own tables need not remember any more.

    What it has no time for is left to the next run. A failure is raised, so that it counts as the function's.
    """

    def handler(_event: Mapping[str, Any], context: object) -> dict[str, object]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        try:
            kept = pruning_settings()
            history, audited = timedelta(days=kept.history_days), timedelta(days=kept.audit_days)
            forgotten = pruning.prune(deadline_of(context), history, audited)
        except WellspringError as error:
            logger.error("pruning failed", extra={"code": error.code} | error.evidence)
            # Its cause holds SQL, which Lambda would log.
            raise error from None
        said = {"deleted": dict(forgotten.rows), "is_all": forgotten.is_all}
        logger.info("pruned", extra=said)
        return said

    return handler
