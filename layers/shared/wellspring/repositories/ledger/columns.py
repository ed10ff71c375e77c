"""What a row shows, and the conditions of a list on a row and on its parents."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, bindparam, func

from wellspring.access.predicates import IDS
from wellspring.models import table_of
from wellspring.queries import Deleted, Operator
from wellspring.repositories.ledger.shapes import parameter_name
from wellspring.resources import Relationship, Resource, resource_of


def attribute_column(row: FromClause, name: str) -> ColumnElement[Any]:
    """Return an attribute as the API shows it: a row that was never updated was last updated when it was made."""
    if name == "updated_at":
        return func.coalesce(row.c.updated_at, row.c.created_at)
    return row.c[name]


def own_columns(resource: Resource, row: FromClause) -> list[ColumnElement[Any]]:
    """Return what a row shows of itself: `id` and each attribute."""
    attributes = [attribute_column(row, attribute.name).label(attribute.name) for attribute in resource.attributes]
    return [row.c.id, *attributes]


def is_shown(row: FromClause, deleted: Deleted) -> list[ColumnElement[bool]]:
    """Return the conditions of `filter[deleted]`."""
    match deleted:
        case "exclude":
            return [row.c.deleted_at.is_(None)]
        case "only":
            return [row.c.deleted_at.is_not(None)]
        case "include":
            return []


def row_filters(
    resource: Resource, row: FromClause, conditions: Sequence[tuple[str, Operator]]
) -> list[ColumnElement[bool]]:
    """Return the conditions on a row's attributes."""
    found = []
    for name, operator in conditions:
        if resource.attribute(name) is None:
            continue
        column = attribute_column(row, name)
        value = bindparam(parameter_name(name, operator), type_=row.c[name].type)
        match operator:
            case "gte":
                found.append(column >= value)
            case "gt":
                found.append(column > value)
            case "lte":
                found.append(column <= value)
            case "lt":
                found.append(column < value)
            case _:
                found.append(column == value)
    return found


def parent_filters(
    relationship: Relationship, parent: FromClause, conditions: Sequence[tuple[str, Operator]]
) -> list[ColumnElement[bool]]:
    """Return the conditions on the parent at the other end of a relationship."""
    return [
        parent.c.id == func.any(bindparam(parameter_name(name, operator), type_=IDS))
        for name, operator in conditions
        if name == relationship.name
    ]


def target_table(relationship: Relationship) -> Table:
    """Return the table at the other end of a relationship."""
    return table_of(resource_of(relationship.target).table)
