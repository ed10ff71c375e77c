"""The rows of a type that a caller sees, in no order."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, or_, select

from wellspring.access.predicates import Visible, workspace_of
from wellspring.queries import Deleted, Operator
from wellspring.repositories.ledger.columns import (
    has_direction,
    is_shown,
    outlives,
    own_columns,
    parent_filters,
    row_filters,
    target_table,
)
from wellspring.resources import Resource


def visible_rows(
    resource: Resource,
    row: FromClause,
    visible: Visible,
    conditions: Sequence[tuple[str, Operator]] = (),
    deleted: Deleted = "exclude",
    *,
    direction: str | None = None,
    live_parents: bool = False,
    columns: Sequence[ColumnElement[Any]] | None = None,
    leads: bool = False,
) -> Select[Any]:
    """Return the visible rows of a type: own columns and the parents' ids.

    Args:
        resource: the type.
        row: its table.
        visible: for whom.
        conditions: what they must fulfil.
        deleted: which of the halves.
        direction: of which direction only.
        live_parents: whether dead rows, too, need live parents.
        columns: what to show of a row itself; None for what a list shows.
        leads: whether the rows are found by what the caller sees (`Visible.workspace`).
    """
    statement = select(*(own_columns(resource, row) if columns is None else columns)).where(
        *is_shown(row, deleted), *has_direction(row, direction), *row_filters(resource, row, conditions)
    )
    source: FromClause = row
    ways = []
    # The workspace of the row's first parent that has one: no tenant moves, so the others are of the same.
    known: ColumnElement[int] | None = None
    for relationship in resource.to_one:
        table = target_table(relationship)
        parent = table.alias(relationship.name)
        filters = parent_filters(relationship, parent, conditions)
        source = source.join(
            parent, parent.c.pk == row.c[relationship.column], isouter=not relationship.required and not filters
        )
        statement = statement.add_columns(parent.c.id.label(f"{relationship.name}_id")).where(*filters)
        if relationship.required and relationship.guards:
            if deleted == "exclude" or live_parents:
                statement = statement.where(parent.c.deleted_at.is_(None))
            else:
                statement = statement.where(outlives(parent, table, row.c.deleted_at))
            workspace = workspace_of(parent, table.name)
            if resource.tenancy == "every" and known is not None and workspace is not None:
                ways.append(workspace == known)
            else:
                ways.append(visible.through(parent, table.name))
                known = workspace
    if resource.tenancy in {"membership", "itself", "message"}:
        ways.append(visible.through(row, resource.table, leads=leads))
    seen = [or_(*ways)] if resource.tenancy == "any" else ways
    return statement.select_from(source).where(*seen)
