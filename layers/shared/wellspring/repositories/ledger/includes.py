"""The rows that other rows point to, for `include`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, func, select

from wellspring.access.predicates import IDS, Visible, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import table_of
from wellspring.repositories.ledger.columns import own_columns, target_table
from wellspring.repositories.ledger.shapes import Row
from wellspring.resources import Resource


def related(transaction: Transaction, principal: Principal, resource: Resource, ids: Sequence[UUID]) -> list[Row]:
    """Read the live rows of a type that visible rows point to, in the order of their making.

    Whoever sees a row sees its parents, and `ids` come from visible rows: but a person who made something may belong
    to a workspace that the caller does not see, and is left out then.
    """
    statement = _related_statement(resource, person=isinstance(principal, Person))
    return list(transaction.execute(statement, {"ids": list(ids), **parameters(principal)}).mappings())


@lru_cache(maxsize=64)
def _related_statement(resource: Resource, *, person: bool) -> Select[Any]:
    table: Table = table_of(resource.table)
    row = table.alias("row")
    statement = select(*own_columns(resource, row)).where(
        row.c.id == func.any(bindparam("ids", type_=IDS)), row.c.deleted_at.is_(None)
    )
    for relationship in resource.to_one:
        parent = target_table(relationship).alias(relationship.name)
        statement = statement.outerjoin(parent, parent.c.pk == row.c[relationship.column]).add_columns(
            parent.c.id.label(f"{relationship.name}_id")
        )
    workspace = workspace_of(row, table.name)
    visible = Visible(person=person)
    if workspace is not None:
        statement = statement.where(visible.workspace(workspace))
    if table.name == "workspace_groups":
        # Who sees an enrolment by its workspace is shown the group, which they cannot ask for.
        statement = statement.add_columns(visible.group(row.c.pk).label("is_reachable"))
    return statement.order_by(row.c.pk)
