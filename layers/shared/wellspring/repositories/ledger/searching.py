"""How many names a search for a part of one would look at."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, literal_column, select

from wellspring.access.predicates import IDS
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import listed_from, parents
from wellspring.queries import MAX_SEARCHED, ListQuery
from wellspring.resources import Resource


def searched(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the live rows that a query names the workspace of, or all there are of what belongs to none.

    Returns:
        Their number; where there are more than `MAX_SEARCHED`, any number above it.
    """
    resource = query.resource
    # A person's workspaces are as few as their memberships.
    if resource.tenancy == "itself" and isinstance(principal, Person):
        return 0
    statement = _statement(resource, within=resource.relationship("workspace") is not None)
    return int(transaction.execute(statement, {"workspaces": list(query.workspaces)}).scalar_one())


@lru_cache(maxsize=16)
def _statement(resource: Resource, *, within: bool) -> Select[Any]:
    row = listed_from(resource).alias("row")
    rows = select(row.c.pk).where(row.c.deleted_at.is_(None))
    if within:
        workspace = parents.workspaces
        pk = select(workspace.c.pk).where(workspace.c.id == func.any(bindparam("workspaces", type_=IDS)))
        rows = rows.where(row.c.workspace_pk == pk.scalar_subquery())
    most = literal_column(str(MAX_SEARCHED + 1), Integer)
    return select(func.count()).select_from(rows.limit(most).subquery("searched"))
