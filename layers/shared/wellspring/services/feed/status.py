"""Status of the platform's feed, for its sources to compare and for operators (contract, section 6)."""

from collections.abc import Mapping
from typing import Any

from wellspring.database import Transaction
from wellspring.repositories.feed import status as repository


def status(transaction: Transaction) -> Mapping[str, Any]:
    """Return the attributes of `feed_status`."""
    return repository.status(transaction)
