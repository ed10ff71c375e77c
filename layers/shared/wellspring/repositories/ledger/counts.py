"""How many rows a list has."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Select

from wellspring.access.principal import Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.pipeline import STATEMENTS_KEPT
from wellspring.queries import ListQuery
from wellspring.repositories.ledger.pages import builder_of
from wellspring.repositories.ledger.shapes import Shape, shape_of, values_of


def count(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the rows of the whole list; where there are more than `MAX_TOTAL`, return any number above it."""
    shape = shape_of(principal, query, cursor=False, backward=False)
    return int(_count_compiled(shape).execute(transaction, values_of(principal, query)).scalar_one())


def _count_statement(shape: Shape) -> Select[Any]:
    return builder_of(shape).count()


@lru_cache(maxsize=STATEMENTS_KEPT)
def _count_compiled(shape: Shape) -> Compiled:
    return Compiled(_count_statement(shape))
