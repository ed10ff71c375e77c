"""Handler that prunes. Apart from the other schedules, which need other services."""

from datetime import timedelta

from wellspring.database.retry import Deadline
from wellspring.handlers.invocation import LambdaHandler, scheduled
from wellspring.services import pruning
from wellspring.settings import audit_days, history_days


def pruner() -> LambdaHandler:
    """Return the Lambda handler that deletes what the service's own tables need not remember any more."""
    return scheduled(_prune, "pruning", "pruned")


def _prune(deadline: Deadline) -> dict[str, object]:
    deleted, is_all = pruning.prune(deadline, timedelta(days=history_days()), timedelta(days=audit_days()))
    return {"deleted": dict(deleted), "is_all": is_all}
