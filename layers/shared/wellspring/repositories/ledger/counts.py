"""How many rows a list has."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Select, func

from wellspring.access.predicates import Visible
from wellspring.access.principal import Principal
from wellspring.database import Transaction
from wellspring.models import table_of
from wellspring.queries import ListQuery
from wellspring.repositories.ledger.shapes import Shape, shape_of, values_of
from wellspring.repositories.ledger.visible import visible_rows


def count(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the rows of the whole list."""
    shape = shape_of(principal, query, cursor=False, backward=False)
    return int(transaction.execute(_count_statement(shape), values_of(principal, query)).scalar_one())


@lru_cache(maxsize=64)
def _count_statement(shape: Shape) -> Select[Any]:
    row = table_of(shape.resource.table).alias("row")
    visible = Visible(person=shape.person, claimed=shape.claimed)
    rows = visible_rows(shape.resource, row, visible, shape.conditions, shape.deleted)
    return rows.with_only_columns(func.count(), maintain_column_froms=True)
