"""How many rows a list has."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Select

from wellspring.access.principal import Principal
from wellspring.database import Transaction
from wellspring.queries import ListQuery
from wellspring.repositories.ledger.pages import builder_of
from wellspring.repositories.ledger.shapes import Shape, shape_of, values_of


def count(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the rows of the whole list; where there are more than `MAX_TOTAL`, return any number above it."""
    shape = shape_of(principal, query, cursor=False, backward=False)
    return int(transaction.execute(_count_statement(shape), values_of(principal, query)).scalar_one())


@lru_cache(maxsize=64)
def _count_statement(shape: Shape) -> Select[Any]:
    return builder_of(shape).count()
