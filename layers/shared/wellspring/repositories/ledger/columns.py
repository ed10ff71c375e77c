"""What a row shows, and the conditions of a list on a row and on its parents."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, DateTime, FromClause, Table, Text, bindparam, case, cast, func, literal_column
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import IDS
from wellspring.models import table_of
from wellspring.models.walks import ListIndex
from wellspring.queries import MAX_NAME_FOLDED, Deleted, Operator
from wellspring.repositories.ledger.shapes import parameter_name
from wellspring.resources import FOLDED, Relationship, Resource, resource_of

LAST_CHARACTER = 0x10FFFF


def attribute_column(row: FromClause, name: str) -> ColumnElement[Any]:
    """Return an attribute as the API shows it: a row that was never updated was last updated when it was made.

    Written as the indexes have it (`models.walks`).
    """
    if name == "updated_at":
        return case((row.c.updated_at.is_(None), row.c.created_at), else_=row.c.updated_at)
    return row.c[name]


def own_columns(resource: Resource, row: FromClause) -> list[ColumnElement[Any]]:
    """Return what a row shows of itself among others: `id` and each attribute that it has a column for."""
    shown = [attribute for attribute in resource.attributes if not (attribute.is_kept_back or attribute.kept)]
    return [row.c.id, *(attribute_column(row, said.column or said.name).label(said.name) for said in shown)]


def whole_columns(resource: Resource, row: FromClause, *, person: bool) -> list[ColumnElement[Any]]:
    """Return what a row shows of itself where it is asked for by its id."""
    shown = (said for said in resource.attributes if not said.kept and not (said.is_kept_back and person))
    columns = (attribute_column(row, said.whole or said.column or said.name).label(said.name) for said in shown)
    return [row.c.id, *columns]


def shown_columns(resource: Resource, row: FromClause, sort: str) -> list[ColumnElement[Any]]:
    """Return what a row of a list shows of itself, and what it is sorted by where that is not shown."""
    sorted_by = [] if resource.attribute(sort) else [row.c[sort].label(sort)]
    return [*own_columns(resource, row), *sorted_by]


def as_text(columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """Return columns as documents are made of them: ids and times in Postgres's words, which nobody has to parse."""
    return [
        cast(column, Text).label(column.name) if isinstance(column.type, PG_UUID | DateTime) else column
        for column in columns
    ]


def is_shown(row: FromClause, deleted: Deleted) -> list[ColumnElement[bool]]:
    """Return the conditions of `filter[deleted]`; none of what has no tombstones."""
    if "deleted_at" not in row.c:
        return []
    match deleted:
        case "exclude":
            return [row.c.deleted_at.is_(None)]
        case "only":
            return [row.c.deleted_at.is_not(None)]
        case "include":
            return []


def is_in(row: FromClause, index: ListIndex, *, by_index: bool) -> list[ColumnElement[bool]]:
    """Return the conditions under which a row is in an index.

    Where there is no such index, its half is said so that it proves no index's predicate: the planner would combine
    a parent's rows with all dead rows that there are, once for each parent.
    """
    if index.live is None or "deleted_at" not in row.c:
        half: list[ColumnElement[bool]] = []
    elif by_index:
        half = is_shown(row, "exclude" if index.live else "only")
    else:
        half = [case((row.c.deleted_at.is_(None), bool(index.live)), else_=not index.live)]
    return [*half, *has_direction(row, index.direction)]


def has_direction(row: FromClause, direction: str | None) -> list[ColumnElement[bool]]:
    """Return the condition that a row is of a direction, if one is asked for: its value stands in the statement."""
    if direction is None:
        return []
    # One of two words of ours (`resources.DIRECTIONS`), never a client's.
    return [row.c.direction == literal_column(f"'{direction}'")]


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
            case "among":
                # As the GIN index has it.
                among = bindparam(parameter_name(name, operator), type_=ARRAY(Text))
                found.append(row.c[name].overlap(cast(among, ARRAY(Text))))
            case "named" | "starts" | "contains":
                found += _by_name(row, name, operator)
            case _:
                found.append(column == value)
    return found


def _by_name(row: FromClause, name: str, operator: Operator) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter on a row's name: those of an index on folded names first."""
    value = bindparam(parameter_name(name, operator), type_=Text)
    known, wanted = row.c[FOLDED], func.wellspring.fold(value)
    match operator:
        case "named":
            return [known == wanted, row.c[name] == value]
        case "starts":
            # No character comes after the last one; nothing is named by it.
            return [known >= wanted, known < wanted.concat(func.chr(LAST_CHARACTER))]
        case _:
            is_whole = func.char_length(known) < MAX_NAME_FOLDED
            return [case((is_whole, func.strpos(known, wanted)), else_=_in_whole_name(row.c[name], value)) > 0]


def _in_whole_name(name: ColumnElement[Any], value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return where in a name a part of it begins, in any case, where the folded name is only its beginning."""
    whole, part = (func.normalize(func.casefold(text_.collate("pg_unicode_fast"))) for text_ in (name, value))
    return func.strpos(whole, part)


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


def outlives(parent: FromClause, table: Table, row_deleted_at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a required parent leaves its row there, whatever the row is.

    A live row asks for live parents; a dead one outlives them, but not its workspaces (contract, section 3).
    """
    is_live = parent.c.deleted_at.is_(None)
    return is_live if table.name == "workspaces" else is_live | row_deleted_at.is_not(None)
