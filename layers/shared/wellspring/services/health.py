"""Health of the service."""

from wellspring.database import Transaction
from wellspring.repositories import infrastructure


def check(transaction: Transaction) -> None:
    """Return when the database answers. Raises `ServiceUnavailable` through the scope when it does not."""
    infrastructure.ping(transaction)
