"""Columns that a row shows, and the conditions of a list on a row and on its parents.

In these texts a row is called `row`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.types import TypeEngine

from wellspring.models import table_of
from wellspring.models.list_indexes import ListIndex
from wellspring.queries import MAX_NAME_FOLDED, Deleted, Operator
from wellspring.resources import FOLDED, Relationship, Resource, resource_of

# Of a row's columns, by their names.
type Types = Mapping[str, TypeEngine[Any]]
LAST_CHARACTER = f"chr({0x10FFFF})"
# A row that was never updated was last updated when it was made. As the indexes have it (`models.list_indexes`).
UPDATED = "CASE WHEN {row}updated_at IS NULL THEN {row}created_at ELSE {row}updated_at END"
IS_LIVE = "{parent}.deleted_at IS NULL"
OUTLIVED = "({parent}.deleted_at IS NULL OR row.deleted_at IS NOT NULL)"
COMPARED: Mapping[Operator, str] = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
# What is said of a value's type, by its column's; a time has that of what it is compared with.
_TYPES = {Text: "::VARCHAR", Boolean: "::BOOLEAN", PG_UUID: "::UUID", ARRAY: "::TEXT[]", TIMESTAMP: ""}
# A folded name may be only the beginning of a long one: then the whole is searched.
_IN_NAME = f"""
CASE WHEN char_length(row.{{folded}}) < {MAX_NAME_FOLDED} THEN strpos(row.{{folded}}, wellspring.fold({{value}}))
     ELSE strpos(normalize(casefold(row.{{name}} COLLATE "pg_unicode_fast")),
                 normalize(casefold({{value}} COLLATE "pg_unicode_fast"))) END > 0
"""
# The conditions of a filter on a row's name: those of an index on folded names first. No character comes after the last
# one; nothing is named by it.
_BY_NAME: Mapping[str, Sequence[str]] = {
    "named": ("row.{folded} = wellspring.fold({value})", "row.{name} = {value}"),
    "starts": (
        "row.{folded} >= wellspring.fold({value})",
        f"row.{{folded}} < wellspring.fold({{value}}) || {LAST_CHARACTER}",
    ),
    "contains": (_IN_NAME,),
}


# ---- what a row shows -------------------------------------------------------------------------------------
def shown_in_lists(resource: Resource) -> dict[str, str]:
    """Return what a row shows of itself among others: `id` and each attribute that it has, with the column behind."""
    shown = (each for each in resource.attributes if not (each.service_only or each.computed))
    return {"id": "id", **{each.name: each.column or each.name for each in shown}}


def shown_alone(resource: Resource, *, person: bool) -> dict[str, str]:
    """Return what a row shows of itself where it is asked for by its id."""
    shown = (each for each in resource.attributes if not each.computed and not (each.service_only and person))
    return {"id": "id", **{each.name: each.whole or each.column or each.name for each in shown}}


def attribute_of(name: str, row: str = "row.") -> str:
    """Return an attribute as the API shows it."""
    return UPDATED.format(row=row) if name == "updated_at" else f"{row}{name}"


def selected(shown: Mapping[str, str]) -> list[str]:
    """Return the columns of a row that shows this."""
    return [f"{attribute_of(column)} AS {name}" for name, column in shown.items()]


def as_text(resource: Resource, shown: Mapping[str, str], columns: Types) -> dict[str, str]:
    """Return what a document is made of, by the names, with ids and times in Postgres's words, which nobody parses."""
    words = {name for name, column in shown.items() if isinstance(columns[column], PG_UUID | DateTime)}
    ids = [f"{relationship.name}_id" for relationship in resource.to_one]
    return {name: f"{name}::text AS {name}" if name in {*words, *ids} else name for name in (*shown, *ids)}


# ---- conditions on a row ----------------------------------------------------------------------------------
def is_shown(columns: Types, deleted: Deleted) -> list[str]:
    """Return the conditions of `filter[deleted]`; none of what has no tombstones."""
    halves = {"exclude": ["row.deleted_at IS NULL"], "only": ["row.deleted_at IS NOT NULL"], "include": []}
    return halves[deleted] if "deleted_at" in columns else []


def is_in(columns: Types, index: ListIndex, *, by_index: bool) -> list[str]:
    """Return the conditions under which a row is in an index.

    Where there is none its half proves no index's predicate: the planner would combine a parent's rows with all dead
    rows.
    """
    half = [] if index.live is None else is_shown(columns, "exclude" if index.live else "only")
    if not by_index:
        half = [f"CASE WHEN {each} THEN true ELSE false END" for each in half]
    if index.timed:
        half.append(f"row.{index.time} IS NOT NULL")
    # One of two words of ours (`resources.DIRECTIONS`), never a client's.
    return [*half, f"row.direction = '{index.direction}'"] if index.direction else half


def parameter_name(name: str, operator: Operator) -> str:
    """Return the name of the bound parameter of a condition."""
    return f"{name}_{operator}"


def row_filters(resource: Resource, columns: Types, conditions: Iterable[tuple[str, Operator]]) -> Iterator[str]:
    """Yield the conditions on a row's attributes."""
    for name, operator in conditions:
        if resource.attribute(name) is None:
            continue
        value = f":{parameter_name(name, operator)}{_TYPES[type(columns[name])]}"
        if operator == "among":
            # As the GIN index has it.
            yield f"row.{name} && {value}"
        elif operator in _BY_NAME:
            yield from (each.format(folded=FOLDED, name=name, value=value) for each in _BY_NAME[operator])
        else:
            yield f"{attribute_of(name)} {COMPARED.get(operator, '=')} {value}"


# ---- conditions on a parent -------------------------------------------------------------------------------
def parent_filters(relationship: Relationship, parent: str, conditions: Iterable[tuple[str, Operator]]) -> list[str]:
    """Return the conditions on the parent at the other end of a relationship."""
    named = (parameter_name(*condition) for condition in conditions if condition[0] == relationship.name)
    return [f"{parent}.id = ANY (:{name}::UUID[])" for name in named]


def target_table(relationship: Relationship) -> Table:
    """Return the table at the other end of a relationship."""
    return table_of(resource_of(relationship.target).table)


def is_there(parent: str, table: Table, *, outlived: bool) -> str:
    """Return the condition that a required parent leaves its row there: of a live row it is live.

    A dead row outlives its parents where it is `outlived`, but not its workspaces (contract, section 3).
    """
    return (OUTLIVED if outlived and table.name != "workspaces" else IS_LIVE).format(parent=parent)
