"""The rows of a type that a caller sees: all of them, one by its id or its parents, and those that rows point to."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from uuid import UUID

from wellspring.access.predicates import Visibility, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled
from wellspring.database.flush import Query, Statement, TextRow, ValueRow, text_rows, value_row
from wellspring.models import listed_from, table_of
from wellspring.queries import Deleted, Operator
from wellspring.repositories.ledger.columns import (
    as_text,
    is_shown,
    is_there,
    parent_filters,
    selected,
    shown_alone,
    shown_in_lists,
    target_table,
)
from wellspring.repositories.ledger.composing import ENDED, PLACES, all_of, statement, store_ids, stored_ids
from wellspring.resources import Resource

VISIBLE_ROWS = "SELECT {columns} FROM {source} AS row {parents} WHERE {conditions}"
PARENT = "{join} {parents} AS {name} ON {name}.pk = row.{column}"
# Of several rows of the same parents the latest is meant.
LATEST = " ORDER BY row.pk DESC LIMIT 1"
OF_PARENT = "row.{column} = (SELECT pk FROM {parents} WHERE id = {id})"
# In the order of their making; what is included with them in turn is stored.
INCLUDED = "SELECT {columns} FROM shown {storing} ORDER BY shown.pk"


def visible_rows(
    resource: Resource,
    visible: Visibility,
    shown: Mapping[str, str],
    *,
    source: str,
    where: Sequence[str],
    parents: Sequence[tuple[str, Operator]] = (),
    outlived: bool = False,
    leads: bool = False,
) -> str:
    """Return the query of the visible rows of a type: what is `shown` of a row, by its columns, and the parents' ids.

    `where` are conditions on `row`, and `parents` filters. `outlived`: dead rows are there without their parents.
    `leads`: the rows are found by what the caller sees (`Visibility.workspace`).
    """
    columns, joins, conditions, ways = selected(shown), [], list(where), []
    # The workspace of the row's first parent that has one: no tenant moves, so the others are of the same.
    known = ""
    for relationship in resource.to_one:
        table, name = target_table(relationship), relationship.name
        filters = parent_filters(relationship, name, parents)
        join = "JOIN" if relationship.required or filters else "LEFT JOIN"
        joins.append(PARENT.format(join=join, parents=table, name=name, column=relationship.column))
        columns.append(f"{name}.id AS {name}_id")
        conditions += filters
        if relationship.required and relationship.guards:
            conditions.append(is_there(name, table, outlived=outlived))
            workspace = workspace_of(name, table)
            if resource.tenancy == "every" and known and workspace:
                # + 0 on either side: as in `building`.
                ways.append(f"{workspace} + 0 = {known} + 0")
            else:
                ways.append(visible.through(name, table))
                known = workspace
    if resource.tenancy in {"membership", "itself", "message"}:
        ways.append(visible.through("row", table_of(resource.table), leads=leads))
    seen = [f"({' OR '.join(ways)})"] if resource.tenancy == "any" else ways
    return VISIBLE_ROWS.format(
        columns=", ".join(columns), source=source, parents=" ".join(joins), conditions=all_of((*conditions, *seen))
    )


def one(
    principal: Principal,
    resource: Resource,
    ids: Mapping[str, UUID],
    deleted: Deleted = "exclude",
    *,
    live_parents: bool = False,
) -> Query[TextRow | None]:
    """Ask for one row; it is None where there is none that `principal` sees. It stores ids (`composing`).

    It is known by `id`, or by relationships with the ids of the parents: of several rows the latest is read. With
    `live_parents` a tombstoned row is found only where its parents are live.
    """
    found = _one(principal, resource, ids, deleted, live_parents=live_parents)
    return Query(found, lambda result: next(iter(text_rows(result)), None))


def locked(
    principal: Principal, resource: Resource, ids: Mapping[str, UUID], deleted: Deleted = "exclude"
) -> Query[ValueRow | None]:
    """Ask for one row as `one` does, as values, and keep others from changing it until the transaction ends."""
    return Query(_one(principal, resource, ids, deleted, lock=True), value_row)


def _one(
    principal: Principal, resource: Resource, ids: Mapping[str, UUID], deleted: Deleted, **options: bool
) -> Statement:
    found = one_statement(resource, tuple(ids), deleted, person=isinstance(principal, Person), **options)
    return Statement(found, {f"{name}_eq": id_ for name, id_ in ids.items()} | parameters(principal))


@lru_cache(maxsize=64)
def one_statement(
    resource: Resource,
    known_by: tuple[str, ...] = ("id",),
    deleted: Deleted = "exclude",
    *,
    person: bool,
    live_parents: bool = False,
    lock: bool = False,
) -> Compiled:
    """Return the statement of one row; the arguments are those of `one`."""
    rows = listed_from(resource)
    columns = {column.name: column.type for column in rows.c}
    visible = Visibility(person=person, direct=resource.tenancy == "direct")
    # Time does not tell a row of somebody else's from one that is not there.
    where = [*is_shown(columns, deleted), *visible.before_all()]
    for name in known_by:
        relationship, id_ = resource.relationship(name), f":{name}_eq::UUID"
        if relationship is None:
            where.append(f"row.id = {id_}")
        else:
            parents = target_table(relationship)
            where.append(OF_PARENT.format(column=relationship.column, parents=parents, id=id_))
    shown = shown_alone(resource, person=person)
    outlived = deleted != "exclude" and not live_parents
    found = visible_rows(resource, visible, shown, source=str(rows), where=where, outlived=outlived)
    found += "" if "id" in known_by else LATEST
    document = as_text(resource, shown, columns)
    if lock:
        return statement(visible.queries, f"{found} FOR UPDATE OF row", document)
    query = f"SELECT {', '.join(document.values())} FROM found {store_ids(resource, 'found')}"
    return statement({**visible.queries, "found": found}, query, document)


def related(principal: Principal, resource: Resource, places: Sequence[str]) -> Query[list[TextRow]]:
    """Ask for the live rows of a type whose ids were stored at `places` (`composing`), in the order of their making.

    Whoever sees a row sees its parents: but a person who made something may belong to a workspace that the caller does
    not see, and is left out then.
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
    ids, workspace, allowed = found, workspace_of("row", table), list[str]()
    if resource.tenancy == "membership":
        # A group is shown to who sees a live enrolment in it, and can be retrieved by its members: what a withdrawn
        # workspace's people see of its past tells them nothing of the group's present (docs/adr/0008).
        seen = visible.through("row", table)
        names.append(f"{seen} AS is_retrievable")
        document["is_retrievable"] = "is_retrievable"
        ids, allowed = f"array_cat({found}, {stored_ids(ENDED)})", [f"(row.id = ANY ({found}) OR {seen})"]
    elif workspace:
        allowed = [visible.workspace(workspace)]
    conditions = [f"row.id = ANY ({ids})", *is_shown(columns, "exclude"), *allowed]
    parents = (
        PARENT.format(join="LEFT JOIN", parents=target_table(parent), name=parent.name, column=parent.column)
        for parent in resource.to_one
    )
    part = VISIBLE_ROWS.format(
        columns=", ".join((*names, "row.pk")), source=table, parents=" ".join(parents), conditions=all_of(conditions)
    )
    query = INCLUDED.format(columns=", ".join(document.values()), storing=store_ids(resource, "shown"))
    return statement({**visible.queries, "shown": part}, query, document)
