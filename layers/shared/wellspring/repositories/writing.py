"""Writing the ledger's objects, one row at a time. The sync queue's many rows are `repositories.sync`'s."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Insert,
    Update,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert

from wellspring.database import Transaction
from wellspring.models import table_of
from wellspring.models.junctions import workspace_providers
from wellspring.repositories.ledger import Row, own_columns
from wellspring.resources import Resource


def add(transaction: Transaction, resource: Resource, values: Mapping[str, object]) -> Row:
    """Insert one row.

    Args:
        transaction: the scope to write in.
        resource: its type.
        values: its columns, foreign keys among them.

    Returns:
        Its `id` and attributes.
    """
    return transaction.execute(_add_statement(resource, tuple(values)), dict(values)).mappings().one()


def change(transaction: Transaction, resource: Resource, id_: UUID, values: Mapping[str, object]) -> Row | None:
    """Update one row, which the transaction holds.

    Args:
        transaction: the scope to write in.
        resource: its type.
        id_: its public id.
        values: the columns to change; `updated_at` changes with them.

    Returns:
        Its `id` and attributes; None, and nothing is changed, where it would end before it began, or in the future of
        the database's clock.
    """
    statement = _change_statement(resource, tuple(values), ends=values.get("deleted_at") is not None)
    return transaction.execute(statement, {**values, "row_id": id_}).mappings().one_or_none()


def tombstone(transaction: Transaction, resource: Resource, id_: UUID, values: Mapping[str, object]) -> None:
    """Stamp the deletion of one row, which the transaction holds, and change `values` with it."""
    transaction.execute(_tombstone_statement(resource, tuple(values)), {**values, "row_id": id_})


def choose_provider(
    transaction: Transaction,
    resource: Resource,
    keys: Mapping[str, int],
    *,
    is_selected: bool | None,
    is_matched: bool | None,
) -> tuple[Row, bool]:
    """Make the live row of a workspace and a provider, or change the one there is: race-free.

    Args:
        transaction: the scope to write in.
        resource: the workspace provider's declaration.
        keys: `workspace_pk` and `provider_pk`.
        is_selected: None leaves it as it is; in a new row, false.
        is_matched: the same; a selected provider is always matched.

    Returns:
        The row's `id` and attributes; whether it was made.
    """
    values = {**keys, "selected": is_selected, "matched": is_matched}
    row = dict(transaction.execute(_choose_statement(resource), values).mappings().one())
    return row, bool(row.pop("is_new"))


@lru_cache(maxsize=64)
def _add_statement(resource: Resource, columns: tuple[str, ...]) -> Insert:
    table = table_of(resource.table)
    values = {name: bindparam(name, type_=table.c[name].type) for name in columns}
    return insert(table).values(values).returning(*own_columns(resource, table))


@lru_cache(maxsize=64)
def _change_statement(resource: Resource, columns: tuple[str, ...], *, ends: bool) -> Update:
    table = table_of(resource.table)
    values: dict[str, Any] = {name: bindparam(name, type_=table.c[name].type) for name in columns}
    statement = (
        update(table)
        .where(table.c.id == bindparam("row_id", type_=PG_UUID(as_uuid=True)))
        .values(values | {"updated_at": func.now()})
        .returning(*own_columns(resource, table))
    )
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
def _choose_statement(resource: Resource) -> Insert:
    table = workspace_providers
    selected, matched = (bindparam(name, type_=Boolean) for name in ("selected", "matched"))

    def chosen(is_selected: Column[bool] | Any, is_matched: Column[bool] | Any) -> tuple[Any, Any]:
        selection = func.coalesce(selected, is_selected)
        return selection, or_(selection, func.coalesce(matched, is_matched))

    new_selected, new_matched = chosen(literal_column("false"), literal_column("false"))
    now_selected, now_matched = chosen(table.c.is_selected, table.c.is_matched)
    same = and_(now_selected == table.c.is_selected, now_matched == table.c.is_matched)
    statement = insert(table).values(
        workspace_pk=bindparam("workspace_pk", type_=table.c.workspace_pk.type),
        provider_pk=bindparam("provider_pk", type_=table.c.provider_pk.type),
        is_selected=new_selected,
        is_matched=new_matched,
    )
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
