"""The rows that other rows point to, for `include`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, Table, func, or_, select

from wellspring.access.predicates import IDS, Visible, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled
from wellspring.database.flush import Query, Statement, TextRow, text_rows
from wellspring.models import listed_from, table_of
from wellspring.repositories.ledger.columns import as_text, is_shown, own_columns, target_table
from wellspring.repositories.ledger.stored_ids import ENDED, PLACES, store_ids, stored_ids, stores
from wellspring.resources import Resource


def related(principal: Principal, resource: Resource, places: Sequence[str]) -> Query[list[TextRow]]:
    """Ask for the live rows of a type that visible rows point to, in the order of their making.

    Whoever sees a row sees its parents, and what was left was left by visible rows: but a person who made something may
    belong to a workspace that the caller does not see, and is left out then.

    Args:
        principal: the caller.
        resource: the type.
        places: where ids of it were left (`left`) by statements that come before.
    """
    statement = _related_compiled(resource, person=isinstance(principal, Person))
    return Query(Statement(statement, {PLACES: list(places), **parameters(principal)}), text_rows)


@lru_cache(maxsize=64)
def _related_compiled(resource: Resource, *, person: bool) -> Compiled:
    return Compiled(related_statement(resource, person=person))


def related_statement(resource: Resource, *, person: bool = False) -> Select[Any]:
    """Return the statement of included rows of a type."""
    # Of messages each caller is shown as much as they may know, also where they are included.
    table: Table = listed_from(resource) if resource.tenancy == "message" else table_of(resource.table)
    row = table.alias("row")
    visible, found = Visible(person=person), stored_ids()
    if resource.tenancy == "membership":
        found = func.array_cat(found, stored_ids(ENDED), type_=IDS)
    statement = select(*own_columns(resource, row)).where(row.c.id == func.any(found), *is_shown(row, "exclude"))
    for relationship in resource.to_one:
        parent = target_table(relationship).alias(relationship.name)
        statement = statement.outerjoin(parent, parent.c.pk == row.c[relationship.column]).add_columns(
            parent.c.id.label(f"{relationship.name}_id")
        )
    workspace = workspace_of(row, table.name)
    if workspace is not None:
        statement = statement.where(visible.workspace(workspace))
    if resource.tenancy == "membership":
        # A group is shown to who sees a live enrolment in it, and can be retrieved by its members: what a withdrawn
        # workspace's people see of its past tells them nothing of the group's present (docs/adr/0008).
        seen = visible.through(row, table.name)
        statement = statement.add_columns(seen.label("is_retrievable")).where(
            or_(row.c.id == func.any(stored_ids()), seen)
        )
    shown = statement.add_columns(row.c.pk).cte("shown")
    columns = [column for column in shown.c if column.name != "pk"]
    left_behind = [store_ids(resource, shown)] if stores(resource) else []
    return select(*as_text(columns)).where(*left_behind).order_by(shown.c.pk)
