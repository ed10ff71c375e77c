"""Writing the ledger's objects, one row at a time. The sync queue's many rows are `repositories.sync`'s.

Between the look at what a row points to and its insert somebody else may end that, and whoever waited for a lock is
likely to meet it. So each statement looks again, and writes nothing where a parent is gone: Postgres would refuse the
row (row-level security), or keep one of what is no more.
"""

from collections.abc import Mapping
from functools import lru_cache
from uuid import UUID

from sqlalchemy.dialects import postgresql

from wellspring.access.predicates import Visibility, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import ValueRow, value_row
from wellspring.models import table_of
from wellspring.repositories.ledger.columns import selected, shown_in_lists, target_table
from wellspring.repositories.ledger.composing import all_of, statement
from wellspring.resources import Resource

ADDED = "INSERT INTO {table} AS row ({columns}) SELECT {values} WHERE {seen} RETURNING {shown}"
IS_SEEN = "(SELECT true FROM {parents} AS parent WHERE parent.pk = {pk} AND parent.deleted_at IS NULL AND {seen})"
CHANGED = "UPDATE {table} AS row SET {values} WHERE row.id = :row_id::UUID AND {conditions} RETURNING {shown}"
# Now as it would be stored: in milliseconds.
HAS_ENDED = ":deleted_at BETWEEN row.created_at AND now()::TIMESTAMP(3) WITH TIME ZONE"
TOMBSTONED = "UPDATE {table} AS row SET {values}, deleted_at = now() WHERE row.id = :row_id::UUID"
# A selected provider is always matched.
IS_SELECTED = "coalesce(:selected::BOOLEAN, row.is_selected)"
IS_MATCHED = f"({IS_SELECTED} OR coalesce(:matched::BOOLEAN, row.is_matched))"
CHOSEN = f"""
INSERT INTO core_api.workspace_providers AS row (workspace_pk, provider_pk, is_selected, is_matched)
SELECT :workspace_pk::BIGINT, :provider_pk::BIGINT, coalesce(:selected::BOOLEAN, false),
       coalesce(:selected::BOOLEAN, false) OR coalesce(:matched::BOOLEAN, false)
 WHERE {{seen}}
    ON CONFLICT (workspace_pk, provider_pk) WHERE deleted_at IS NULL
    DO UPDATE SET is_selected = {IS_SELECTED}, is_matched = {IS_MATCHED},
                  updated_at = CASE WHEN {IS_SELECTED} = row.is_selected AND {IS_MATCHED} = row.is_matched
                                    THEN row.updated_at -- choosing again what is chosen is no update
                                    ELSE now() END
RETURNING {{shown}}, row.xmax = 0 AS is_new -- a row that this statement has just made has no deleter
"""


def add(
    transaction: Transaction, principal: Principal, resource: Resource, values: Mapping[str, object]
) -> ValueRow | None:
    """Insert one row; `values` are its columns, foreign keys among them.

    Returns its `id` and attributes; None, and nothing is inserted, where the caller does not see a parent any more.
    """
    added = _add_statement(resource, tuple(values), person=isinstance(principal, Person))
    return value_row(added.execute(transaction, {**values, **parameters(principal)}))


def change(
    transaction: Transaction, principal: Principal, resource: Resource, id_: UUID, values: Mapping[str, object]
) -> ValueRow | None:
    """Change these columns of one row, which the transaction holds, and `updated_at` with them.

    Returns its `id` and attributes; None, and nothing is changed, where it would end before it began, or in the future
    of the database's clock; where it would live again under a parent that is gone; and where nobody sees it any more.
    """
    ended = values.get("deleted_at")
    ends, restores, person = ended is not None, "deleted_at" in values and ended is None, isinstance(principal, Person)
    changed = _change_statement(resource, tuple(values), ends=ends, restores=restores, person=person)
    return value_row(changed.execute(transaction, {**values, "row_id": id_, **parameters(principal)}))


# Asks for no caller: ledger.one has found and locked the row for them.
def tombstone(transaction: Transaction, resource: Resource, id_: UUID, values: Mapping[str, object]) -> bool:
    """Stamp the deletion of one row, which the transaction holds, and change `values` with it.

    Returns whether it did: nobody sees the row any more where a parent has gone since.
    """
    tombstoned = _tombstone_statement(resource, tuple(values))
    return tombstoned.execute(transaction, {**values, "row_id": id_}).rowcount > 0


def choose_provider(
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    keys: Mapping[str, int],
    *,
    is_selected: bool | None,
    is_matched: bool | None,
) -> tuple[ValueRow, bool] | None:
    """Make the live row of a workspace and a provider, by their `keys`, or change the one there is: race-free.

    What is None stays as it is, and is false in a new row. Returns the row, and whether it was made; None, and nothing
    is written, where the caller does not see the workspace any more, or the provider is gone.
    """
    values = {**keys, "selected": is_selected, "matched": is_matched, **parameters(principal)}
    chosen = _choose_statement(resource, person=isinstance(principal, Person))
    row = value_row(chosen.execute(transaction, values))
    return None if row is None else (row, bool(row.pop("is_new")))


def _are_seen(resource: Resource, visible: Visibility, pks: Mapping[str, str]) -> str:
    """Return the condition that the parents of a row, as far as `pks` has their columns, are live and seen."""
    conditions = []
    for relationship in resource.parents:
        if relationship.column in pks and relationship.required:
            table, pk = target_table(relationship), pks[relationship.column]
            conditions.append(IS_SEEN.format(parents=table, pk=pk, seen=visible.through("parent", table)))
    return all_of(conditions)


def _shown(resource: Resource) -> str:
    return ", ".join(selected(shown_in_lists(resource)))


@lru_cache(maxsize=64)
def _add_statement(resource: Resource, columns: tuple[str, ...], *, person: bool) -> Compiled:
    table, visible = table_of(resource.table), Visibility(person=person)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects say no types
    values = {name: f":{name}::{table.c[name].type.compile(dialect)}" for name in columns}
    added = ADDED.format(
        table=table,
        columns=", ".join(values),
        values=", ".join(values.values()),
        seen=_are_seen(resource, visible, values),
        shown=_shown(resource),
    )
    return statement(visible.queries, added, shown_in_lists(resource))


@lru_cache(maxsize=64)
def _change_statement(
    resource: Resource, columns: tuple[str, ...], *, ends: bool, restores: bool, person: bool
) -> Compiled:
    visible, conditions = Visibility(person=person), HAS_ENDED if ends else "true"
    if restores:
        keys = {relationship.column: f"row.{relationship.column}" for relationship in resource.parents}
        conditions = _are_seen(resource, visible, keys)
    # A disconnect that is half done ends what was stamped before it began: a transaction that waited for it began
    # before it, too (repositories/sync/disconnecting).
    values = _set(columns, "clock_timestamp()" if restores else "now()")
    changed = CHANGED.format(
        table=table_of(resource.table), values=values, conditions=conditions, shown=_shown(resource)
    )
    return statement(visible.queries, changed, shown_in_lists(resource))


@lru_cache(maxsize=64)
def _tombstone_statement(resource: Resource, columns: tuple[str, ...]) -> Compiled:
    return statement({}, TOMBSTONED.format(table=table_of(resource.table), values=_set(columns, "now()")), ())


def _set(columns: tuple[str, ...], updated_at: str) -> str:
    return ", ".join((*(f"{name} = :{name}" for name in columns), f"updated_at = {updated_at}"))


@lru_cache(maxsize=4)
def _choose_statement(resource: Resource, *, person: bool) -> Compiled:
    visible = Visibility(person=person)
    keys = {name: f":{name}::BIGINT" for name in ("workspace_pk", "provider_pk")}
    chosen = CHOSEN.format(seen=_are_seen(resource, visible, keys), shown=_shown(resource))
    return statement(visible.queries, chosen, [*shown_in_lists(resource), "is_new"])
