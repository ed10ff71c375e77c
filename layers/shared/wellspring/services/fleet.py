"""All workspaces at a glance: counted each minute, by a step of settling, and told (contract, section 7)."""

from collections.abc import Mapping
from typing import Any

from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.repositories import fleet


def count(deadline: Deadline) -> int:
    """Count how well all connectors are, what is parked and what is incomplete; return how many connectors there are.

    Raises what `with_retries` raises.
    """
    return with_retries(fleet.count, PIPELINE_SCOPE, deadline)


def told(transaction: Transaction) -> Mapping[str, Any]:
    """Return the attributes of `fleet`, as they were counted last."""
    return fleet.counted(transaction)
