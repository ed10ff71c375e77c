"""Health of the database."""

# Asks for no caller: there is no row.

from sqlalchemy import text

from wellspring.database import Transaction


def ping(transaction: Transaction) -> None:
    """Ask the database for nothing. Raises what the scope translates to `ServiceUnavailable`."""
    transaction.execute(text("SELECT 1"))
