"""The rows of a type that a caller sees, in no order."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import FromClause, Select, or_, select

from wellspring.access.predicates import Visible
from wellspring.queries import Deleted, Operator
from wellspring.repositories.ledger.columns import is_shown, own_columns, parent_filters, row_filters, target_table
from wellspring.resources import Resource


def visible_rows(
    resource: Resource,
    row: FromClause,
    visible: Visible,
    conditions: Sequence[tuple[str, Operator]] = (),
    deleted: Deleted = "exclude",
) -> Select[Any]:
    """Return the visible rows of a type: own columns and the parents' ids."""
    statement = select(*own_columns(resource, row)).where(
        *is_shown(row, deleted), *row_filters(resource, row, conditions)
    )
    source: FromClause = row
    ways = []
    for relationship in resource.to_one:
        table = target_table(relationship)
        parent = table.alias(relationship.name)
        filters = parent_filters(relationship, parent, conditions)
        source = source.join(
            parent, parent.c.pk == row.c[relationship.column], isouter=not relationship.required and not filters
        )
        statement = statement.add_columns(parent.c.id.label(f"{relationship.name}_id")).where(*filters)
        if relationship.required:
            statement = statement.where(parent.c.deleted_at.is_(None))
            ways.append(visible.through(parent, table.name))
    if resource.tenancy == "membership":
        ways.append(visible.through(row, resource.table))
    seen = [or_(*ways)] if resource.tenancy == "any" else ways
    return statement.select_from(source).where(*seen)
