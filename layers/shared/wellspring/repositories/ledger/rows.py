"""The rows of a type that a caller sees, in no order; and one of them, by its id or by its parents."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from uuid import UUID

from wellspring.access.predicates import Visibility, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Result, Statement, TextRow, ValueRow, text_rows, value_row
from wellspring.models import listed_from, table_of
from wellspring.queries import Deleted, Operator
from wellspring.repositories.ledger.columns import (
    as_text,
    is_shown,
    is_there,
    parent_filters,
    selected,
    shown_alone,
    target_table,
)
from wellspring.repositories.ledger.composing import all_of, statement
from wellspring.repositories.ledger.stored_ids import store_ids
from wellspring.resources import Resource

VISIBLE_ROWS = "SELECT {columns} FROM {source} AS row {parents} WHERE {conditions}"
PARENT = "{join} {parents} AS {name} ON {name}.pk = row.{column}"
# Of several rows of the same parents the latest is meant.
LATEST = " ORDER BY row.pk DESC LIMIT 1"
OF_PARENT = "row.{column} = (SELECT pk FROM {parents} WHERE id = {id})"


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
                ways.append(f"{workspace} = {known}")
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
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    ids: Mapping[str, UUID],
    *,
    deleted: Deleted = "exclude",
    live_parents: bool = False,
) -> TextRow | None:
    """Read one row, or None where there is none that `principal` sees.

    It is known by `id`, its public id, or by relationships with the ids of the parents: of several rows that match, the
    latest is read. With `live_parents` a tombstoned row is found only where its parents are live.
    """
    return _first(_one(principal, resource, ids, deleted, live_parents=live_parents).run(transaction))


def locked(
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    ids: Mapping[str, UUID],
    *,
    deleted: Deleted = "exclude",
) -> ValueRow | None:
    """Read one row as `one` does, as values, and keep others from changing it until the transaction ends."""
    return value_row(_one(principal, resource, ids, deleted, lock=True).run(transaction))


def live_row(principal: Principal, resource: Resource, id_: UUID) -> Query[TextRow | None]:
    """Ask for one live row by its public id; it is None where there is none that `principal` sees.

    It stores ids (`stored_ids`).
    """
    return Query(_one(principal, resource, {"id": id_}), _first)


def _one(
    principal: Principal, resource: Resource, ids: Mapping[str, UUID], deleted: Deleted = "exclude", **options: bool
) -> Statement:
    found = one_statement(resource, tuple(ids), deleted, person=isinstance(principal, Person), **options)
    values = {f"{name}_eq": id_ for name, id_ in ids.items()} | parameters(principal)
    return Statement(found, values)


def _first(result: Result) -> TextRow | None:
    return next(iter(text_rows(result)), None)


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
