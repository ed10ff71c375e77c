"""Finding the parents that a document or a path names, and the roles that the caller holds in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from wellspring.access.predicates import WHO, Visibility, parameters, workspace_of
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.session import session_of
from wellspring.models import table_of
from wellspring.repositories.ledger.composing import statement
from wellspring.resources import resource_of

# Each id is asked about, whether anything live has it: of what is not there, as of nobody's (OFFSET 0: before it is).
FOUND = """
SELECT '{type}' AS type, asked.pk, asked.id, {workspace} AS workspace_pk, {roles} AS roles
  FROM (SELECT wanted.id, {keys}
          FROM unnest(:{type}_ids::UUID[]) AS wanted (id)
          LEFT JOIN {table} AS row ON row.id = wanted.id AND row.deleted_at IS NULL
        OFFSET 0) AS asked
 WHERE {seen}
"""
ROLES = """
ARRAY(SELECT membership.role
        FROM {memberships} AS membership
       WHERE membership.people_pk = (SELECT pk FROM caller) AND membership.{column} = asked.pk
         AND membership.status = 'active' AND membership.deleted_at IS NULL)
"""
# Where people have roles, and what the memberships point to them with.
_MEMBERSHIPS = {
    "workspaces": ("core_api.workspace_memberships", "workspace_pk"),
    "workspace_groups": ("core_api.workspace_group_memberships", "workspace_group_pk"),
}
NO_ROLES = "'{}'::text[]"
_WHO = statement({}, WHO, ["pk"])


@dataclass(frozen=True, slots=True)
class Parent:
    """A live row that the caller sees, and the caller's active direct roles in it, a workspace or a group.

    `workspace` tells its tenant from others; None where it has none.
    """

    pk: int
    id: UUID
    workspace: int | None
    roles: frozenset[str]


def visible_workspaces(transaction: Transaction, principal: Principal, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of `ids` that are live workspaces which the caller sees."""
    wanted = [("workspace", id_) for id_ in ids]
    return {id_ for _, id_ in find(transaction, principal, wanted)}


def find(
    transaction: Transaction, principal: Principal, wanted: Iterable[tuple[str, UUID]]
) -> dict[tuple[str, UUID], Parent]:
    """Read parents of any types in one statement: those that are live and that the caller sees, by type and id."""
    ids: dict[str, list[UUID]] = {}
    for type_, id_ in wanted:
        ids.setdefault(type_, []).append(id_)
    if not ids:
        return {}
    found = _find_statement(tuple(sorted(ids)), person=isinstance(principal, Person))
    values = {f"{type_}_ids": wanted for type_, wanted in ids.items()} | parameters(principal)
    return {
        (row.type, row.id): Parent(row.pk, row.id, row.workspace_pk, frozenset(row.roles))
        for row in found.execute(transaction, values)
        # Of what is for everybody, what is not there is asked for, too.
        if row.pk
    }


# Asks for no caller: it shows nothing, and holds those alone whom the caller sees.
def hold_person(transaction: Transaction, id_: UUID) -> None:
    """Keep a person, where the caller sees them, from being erased until the transaction ends.

    In front of the next statement. Whoever erases them waits, and ends what was made of them meanwhile.
    """
    session_of(transaction).ahead("SELECT wellspring.lock_person($1::uuid)", str(id_))


# Asks for no caller: it is of who is calling, and of nobody else.
def caller_pk(transaction: Transaction, caller: Person) -> int | None:
    """Return the key of the person who is calling; None where the platform does not know them."""
    return _WHO.execute(transaction, parameters(caller)).scalar_one_or_none()


@lru_cache(maxsize=64)
def _find_statement(types: tuple[str, ...], *, person: bool) -> Compiled:
    visible, found = Visibility(person=person), []
    for type_ in types:
        table = table_of(resource_of(type_).table)
        keys = (f"coalesce(row.{name}, 0) AS {name}" for name in ("pk", "workspace_pk") if name in table.c)
        memberships, column = _MEMBERSHIPS.get(table.name, ("", ""))
        each = FOUND.format(
            type=type_,
            workspace=workspace_of("asked", table) or "NULL::bigint",
            roles=ROLES.format(memberships=memberships, column=column) if memberships and person else NO_ROLES,
            keys=", ".join(keys),
            table=table,
            seen=visible.through("asked", table),
        )
        found.append(each)
    return statement(visible.queries, " UNION ALL ".join(found), ("type", "pk", "id", "workspace_pk", "roles"))
