"""Transactions where no deadline is what matters, and what says for whom one works."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from wellspring.database import Deadline, Transaction, scope
from wellspring.database.session import session_of

FAR_SECONDS = 60
ENTER = "SELECT wellspring.enter($1)"


def in_transaction[Result](
    work: Callable[[Transaction], Result], scope_of_work: str | None = None, **options: Any
) -> Result:
    """Run `work` as `scope.in_transaction` does, with a deadline that is far away."""
    return scope.in_transaction(work, scope_of_work, deadline=Deadline(FAR_SECONDS), **options)


def enter(transaction: Connection, scope_of_work: str) -> None:
    """Have the next statement preceded by one that says for whom the transaction works."""
    session_of(transaction).ahead(ENTER, scope_of_work)
