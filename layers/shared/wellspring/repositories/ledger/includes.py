"""The rows that other rows point to, for `include`."""

from collections.abc import Sequence
from functools import lru_cache

from wellspring.access.predicates import Visibility, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled
from wellspring.database.flush import Query, Statement, TextRow, text_rows
from wellspring.models import listed_from, table_of
from wellspring.repositories.ledger.columns import as_text, is_shown, selected, shown_in_lists, target_table
from wellspring.repositories.ledger.composing import all_of, statement
from wellspring.repositories.ledger.rows import PARENT
from wellspring.repositories.ledger.stored_ids import ENDED, PLACES, store_ids, stored_ids
from wellspring.resources import Resource

SHOWN = "SELECT {columns}, row.pk FROM {rows} AS row {parents} WHERE {conditions}"
# In the order of their making; what is included with them in turn is stored.
INCLUDED = "SELECT {columns} FROM shown {storing} ORDER BY shown.pk"


def related(principal: Principal, resource: Resource, places: Sequence[str]) -> Query[list[TextRow]]:
    """Ask for the live rows of a type that visible rows point to, in the order of their making.

    Whoever sees a row sees its parents, and what is stored was stored by visible rows: but a person who made something
    may belong to a workspace that the caller does not see, and is left out then. `places` are where ids of the type
    were stored (`stored_ids`) by statements that come before.
    """
    related = related_statement(resource, person=isinstance(principal, Person))
    return Query(Statement(related, {PLACES: list(places), **parameters(principal)}), text_rows)


@lru_cache(maxsize=64)
def related_statement(resource: Resource, *, person: bool) -> Compiled:
    """Return the statement of included rows of a type."""
    # Of messages each caller is shown as much as they may know, also where they are included.
    table = listed_from(resource) if resource.tenancy == "message" else table_of(resource.table)
    visible, columns = Visibility(person=person), {column.name: column.type for column in table.c}
    shown, found = shown_in_lists(resource), stored_ids()
    document = as_text(resource, shown, columns)
    names = [*selected(shown), *(f"{parent.name}.id AS {parent.name}_id" for parent in resource.to_one)]
    if resource.tenancy == "membership":
        # A group is shown to who sees a live enrolment in it, and can be retrieved by its members: what a withdrawn
        # workspace's people see of its past tells them nothing of the group's present (docs/adr/0008).
        seen = visible.through("row", table)
        names.append(f"{seen} AS is_retrievable")
        document["is_retrievable"] = "is_retrievable"
        conditions = [
            f"row.id = ANY (array_cat({found}, {stored_ids(ENDED)}))",
            *is_shown(columns, "exclude"),
            f"(row.id = ANY ({found}) OR {seen})",
        ]
    else:
        workspace = workspace_of("row", table)
        conditions = [f"row.id = ANY ({found})", *is_shown(columns, "exclude")]
        conditions += [visible.workspace(workspace)] if workspace else []
    parents = (
        PARENT.format(join="LEFT JOIN", parents=target_table(parent), name=parent.name, column=parent.column)
        for parent in resource.to_one
    )
    part = SHOWN.format(columns=", ".join(names), rows=table, parents=" ".join(parents), conditions=all_of(conditions))
    query = INCLUDED.format(columns=", ".join(document.values()), storing=store_ids(resource, "shown"))
    return statement({**visible.queries, "shown": part}, query, document)
