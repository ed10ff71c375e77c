"""The rows that other rows point to, for `include`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, func, select

from wellspring.access.predicates import IDS, Visible, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import listed_from, table_of
from wellspring.repositories.ledger.columns import is_shown, own_columns, target_table
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
    # Of messages each caller is shown as much as they may know, also where they are included.
    table: Table = listed_from(resource) if resource.tenancy == "message" else table_of(resource.table)
    row = table.alias("row")
    statement = select(*own_columns(resource, row)).where(
        row.c.id == func.any(bindparam("ids", type_=IDS)), *is_shown(row, "exclude")
    )
    for relationship in resource.to_one:
        parent = target_table(relationship).alias(relationship.name)
        statement = statement.outerjoin(parent, parent.c.pk == row.c[relationship.column]).add_columns(
            parent.c.id.label(f"{relationship.name}_id")
        )
    visible = Visible(person=person)
    workspace = workspace_of(row, table.name)
    if workspace is not None:
        statement = statement.where(visible.workspace(workspace))
    if resource.tenancy == "membership":
        # A group is shown to who sees an enrolment in it, and can be retrieved by its members.
        statement = statement.add_columns(visible.through(row, table.name).label("is_retrievable"))
    return statement.order_by(row.c.pk)
