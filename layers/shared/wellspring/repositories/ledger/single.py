"""One row, found by its id or by its parents."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import Visible, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Result, Statement, TextRow, ValueRow, text_rows, value_row
from wellspring.models import listed_from
from wellspring.queries import Deleted
from wellspring.repositories.ledger.columns import as_text, target_table, whole_columns
from wellspring.repositories.ledger.stored_ids import store_ids, stores
from wellspring.repositories.ledger.visible import visible_rows
from wellspring.resources import Resource


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

    Args:
        transaction: the scope to read in.
        principal: the caller.
        resource: the row's type.
        ids: what the row is known by: `id`, its public id, or relationships with the ids of the parents. Of several
            rows that match, the latest is read.
        deleted: whether a tombstoned row is found.
        live_parents: whether such a one is found only where its parents are live.
    """
    is_person = isinstance(principal, Person)
    statement = _one_compiled(resource, tuple(ids), deleted, live_parents=live_parents, lock=False, person=is_person)
    return _first(statement.execute(transaction, _values(principal, ids)))


def locked(
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    ids: Mapping[str, UUID],
    *,
    deleted: Deleted = "exclude",
) -> ValueRow | None:
    """Read one row as `one` does, as values, and keep others from changing it until the transaction ends."""
    is_person = isinstance(principal, Person)
    statement = _one_compiled(resource, tuple(ids), deleted, live_parents=False, lock=True, person=is_person)
    return value_row(statement.execute(transaction, _values(principal, ids)))


def live_row(principal: Principal, resource: Resource, id_: UUID) -> Query[TextRow | None]:
    """Ask for one live row by its public id; it is None where there is none that `principal` sees.

    It leaves ids (`left`).

    Args:
        principal: the caller.
        resource: the row's type.
        id_: the public id.
    """
    statement = _one_compiled(
        resource, ("id",), "exclude", live_parents=False, lock=False, person=isinstance(principal, Person)
    )
    return Query(Statement(statement, _values(principal, {"id": id_})), _first)


def _values(principal: Principal, ids: Mapping[str, UUID]) -> dict[str, object]:
    return {f"{name}_eq": id_ for name, id_ in ids.items()} | parameters(principal)


def _first(result: Result) -> TextRow | None:
    return next(iter(text_rows(result)), None)


@lru_cache(maxsize=64)
def _one_compiled(
    resource: Resource,
    known_by: tuple[str, ...],
    deleted: Deleted,
    *,
    person: bool,
    live_parents: bool,
    lock: bool,
) -> Compiled:
    statement = one_statement(resource, known_by, deleted, person=person, live_parents=live_parents, lock=lock)
    return Compiled(statement)


def one_statement(
    resource: Resource,
    known_by: tuple[str, ...],
    deleted: Deleted,
    *,
    person: bool,
    live_parents: bool,
    lock: bool,
) -> Select[Any]:
    """Return the statement of one row; the arguments are those of `one`."""
    row = listed_from(resource).alias("row")
    visible = Visible(person=person, direct=resource.tenancy == "direct")
    # Time does not tell a row of somebody else's from one that is not there.
    columns = whole_columns(resource, row, person=person)
    statement = visible_rows(resource, row, visible, (), deleted, live_parents=live_parents, columns=columns).where(
        *visible.before_all()
    )
    for name in known_by:
        relationship = resource.relationship(name)
        value = bindparam(f"{name}_eq", type_=PG_UUID(as_uuid=True))
        if relationship is None:
            statement = statement.where(row.c.id == value)
        else:
            table = target_table(relationship)
            statement = statement.where(
                row.c[relationship.column] == select(table.c.pk).where(table.c.id == value).scalar_subquery()
            )
    if "id" not in known_by:
        statement = statement.order_by(row.c.pk.desc()).limit(1)
    if lock:
        return statement.with_for_update(of=row)
    found = statement.cte("found")
    left_behind = [store_ids(resource, found)] if stores(resource) else []
    return select(*as_text(found.c)).where(*left_behind)
