"""How many rows a list has."""

from functools import lru_cache

from sqlalchemy import CursorResult, TextualSelect

from wellspring.access.principal import Principal
from wellspring.database import Compiled
from wellspring.database.flush import Query, Statement
from wellspring.plan_cache import STATEMENTS_KEPT
from wellspring.queries import ListQuery
from wellspring.repositories.ledger.pages import builder_of
from wellspring.repositories.ledger.shapes import Shape, shape_of, values_of


def count(principal: Principal, query: ListQuery) -> Query[int]:
    """Ask how many rows the whole list has; where there are more than `MAX_TOTAL`, it is any number above it."""
    shape = shape_of(principal, query, cursor=False, backward=False)
    return Query(Statement(_count_compiled(shape), values_of(principal, query)), CursorResult.scalar_one)


def _count_statement(shape: Shape) -> TextualSelect:
    return builder_of(shape).count()


@lru_cache(maxsize=STATEMENTS_KEPT)
def _count_compiled(shape: Shape) -> Compiled:
    return Compiled(_count_statement(shape))
