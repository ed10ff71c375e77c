"""Writing the ledger's objects, one row at a time. The sync queue's many rows are `repositories.sync`'s.

Between the look at what a row points to and its insert somebody else may end that, and whoever waited for a lock is
likely to meet it. So each statement looks again, and writes nothing where a parent is gone: Postgres would refuse the
row (row-level security), or keep one of what is no more.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Insert,
    Update,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert

from wellspring.access.elements import Visible
from wellspring.access.predicates import parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.database.flush import ValueRow, value_row
from wellspring.models import table_of
from wellspring.models.junctions import workspace_providers
from wellspring.repositories.ledger import own_columns
from wellspring.repositories.ledger.columns import target_table
from wellspring.resources import Resource


def add(
    transaction: Transaction, principal: Principal, resource: Resource, values: Mapping[str, object]
) -> ValueRow | None:
    """Insert one row.

    Args:
        transaction: the scope to write in.
        principal: the caller.
        resource: its type.
        values: its columns, foreign keys among them.

    Returns:
        Its `id` and attributes; None, and nothing is inserted, where the caller does not see a parent any more.
    """
    statement = _add_statement(resource, tuple(values), person=isinstance(principal, Person))
    return value_row(transaction.execute(statement, {**values, **parameters(principal)}))


def change(
    transaction: Transaction, principal: Principal, resource: Resource, id_: UUID, values: Mapping[str, object]
) -> ValueRow | None:
    """Update one row, which the transaction holds.

    Args:
        transaction: the scope to write in.
        principal: the caller.
        resource: its type.
        id_: its public id.
        values: the columns to change; `updated_at` changes with them.

    Returns:
        Its `id` and attributes; None, and nothing is changed, where it would end before it began, or in the future of
        the database's clock; where it would live again under a parent that is gone; and where nobody sees it any more.
    """
    ended = values.get("deleted_at")
    statement = _change_statement(
        resource,
        tuple(values),
        ends=ended is not None,
        restores="deleted_at" in values and ended is None,
        person=isinstance(principal, Person),
    )
    return value_row(transaction.execute(statement, {**values, "row_id": id_, **parameters(principal)}))


def tombstone(transaction: Transaction, resource: Resource, id_: UUID, values: Mapping[str, object]) -> bool:
    """Stamp the deletion of one row, which the transaction holds, and change `values` with it.

    Returns whether it did: nobody sees the row any more where a parent has gone since.
    """
    statement = _tombstone_statement(resource, tuple(values))
    return transaction.execute(statement, {**values, "row_id": id_}).rowcount > 0


def choose_provider(
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    keys: Mapping[str, int],
    *,
    is_selected: bool | None,
    is_matched: bool | None,
) -> tuple[ValueRow, bool] | None:
    """Make the live row of a workspace and a provider, or change the one there is: race-free.

    Args:
        transaction: the scope to write in.
        principal: the caller.
        resource: the workspace provider's declaration.
        keys: `workspace_pk` and `provider_pk`.
        is_selected: None leaves it as it is; in a new row, false.
        is_matched: the same; a selected provider is always matched.

    Returns:
        The row's `id` and attributes; whether it was made. None, and nothing is written, where the caller does not see
        the workspace any more, or the provider is gone.
    """
    values = {**keys, "selected": is_selected, "matched": is_matched, **parameters(principal)}
    statement = _choose_statement(resource, person=isinstance(principal, Person))
    row = value_row(transaction.execute(statement, values))
    return None if row is None else (row, bool(row.pop("is_new")))


def _are_seen(resource: Resource, pks: Mapping[str, ColumnElement[int]], *, person: bool) -> list[ColumnElement[bool]]:
    """Return the conditions that the parents of a row are live and that the caller sees them.

    Args:
        resource: the row's type.
        pks: the columns, or values, of the foreign keys; of those that are not there nothing is asked.
        person: whether the caller is one.
    """
    visible = Visible(person=person)
    conditions: list[ColumnElement[bool]] = []
    for relationship in resource.parents:
        if relationship.column in pks and relationship.required:
            table = target_table(relationship)
            parent = table.alias()
            seen = select(true()).where(
                parent.c.pk == pks[relationship.column],
                parent.c.deleted_at.is_(None),
                visible.through(parent, table),
            )
            conditions.append(seen.scalar_subquery())
    return conditions


@lru_cache(maxsize=64)
def _add_statement(resource: Resource, columns: tuple[str, ...], *, person: bool) -> Insert:
    table = table_of(resource.table)
    values = {name: cast(bindparam(name, type_=table.c[name].type), table.c[name].type) for name in columns}
    row = select(*values.values()).where(*_are_seen(resource, values, person=person))
    return insert(table).from_select(list(columns), row).returning(*own_columns(resource, table))


@lru_cache(maxsize=64)
def _change_statement(
    resource: Resource, columns: tuple[str, ...], *, ends: bool, restores: bool, person: bool
) -> Update:
    table = table_of(resource.table)
    values: dict[str, Any] = {name: bindparam(name, type_=table.c[name].type) for name in columns}
    # A disconnect that is half done ends what was stamped before it began: a transaction that waited for it began
    # before it, too (repositories/sync/disconnecting).
    stamp = func.clock_timestamp() if restores else func.now()
    statement = (
        update(table)
        .where(table.c.id == bindparam("row_id", type_=PG_UUID(as_uuid=True)))
        .values(values | {"updated_at": stamp})
        .returning(*own_columns(resource, table))
    )
    if restores:
        keys = {relationship.column: table.c[relationship.column] for relationship in resource.parents}
        return statement.where(*_are_seen(resource, keys, person=person))
    if not ends:
        return statement
    # Now as it would be stored: in milliseconds.
    now = cast(func.now(), table.c.deleted_at.type)
    return statement.where(values["deleted_at"].between(table.c.created_at, now))


@lru_cache(maxsize=64)
def _tombstone_statement(resource: Resource, columns: tuple[str, ...]) -> Update:
    table = table_of(resource.table)
    values: dict[str, Any] = {name: bindparam(name, type_=table.c[name].type) for name in columns}
    return (
        update(table)
        .where(table.c.id == bindparam("row_id", type_=PG_UUID(as_uuid=True)))
        .values(values | {"updated_at": func.now(), "deleted_at": func.now()})
    )


@lru_cache(maxsize=4)
def _choose_statement(resource: Resource, *, person: bool) -> Insert:
    table = workspace_providers
    selected, matched = (bindparam(name, type_=Boolean) for name in ("selected", "matched"))

    def chosen(is_selected: Column[bool] | Any, is_matched: Column[bool] | Any) -> tuple[Any, Any]:
        selection = func.coalesce(selected, is_selected)
        return selection, or_(selection, func.coalesce(matched, is_matched))

    new_selected, new_matched = chosen(literal_column("false"), literal_column("false"))
    now_selected, now_matched = chosen(table.c.is_selected, table.c.is_matched)
    same = and_(now_selected == table.c.is_selected, now_matched == table.c.is_matched)
    keys = {
        name: cast(bindparam(name, type_=table.c[name].type), table.c[name].type)
        for name in ("workspace_pk", "provider_pk")
    }
    row = select(*keys.values(), new_selected, new_matched).where(*_are_seen(resource, keys, person=person))
    statement = insert(table).from_select([*keys, "is_selected", "is_matched"], row)
    return statement.on_conflict_do_update(
        index_elements=["workspace_pk", "provider_pk"],
        index_where=text("deleted_at IS NULL"),
        set_={
            "is_selected": now_selected,
            "is_matched": now_matched,
            # Choosing again what is chosen is no update.
            "updated_at": case((same, table.c.updated_at), else_=func.now()),
        },
    ).returning(
        *own_columns(resource, table),
        # A row that this statement has just made has no deleter.
        literal_column("workspace_providers.xmax = 0").label("is_new"),
    )
