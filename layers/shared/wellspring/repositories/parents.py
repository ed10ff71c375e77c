"""Finding the parents that a document or a path names, and the roles that the caller holds in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy import Text as SqlText
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.elements import Visible, identity, workspace_of
from wellspring.access.predicates import CALLER, IDS, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.database.session import session_of
from wellspring.models import parents, table_of
from wellspring.resources import resource_of


@dataclass(frozen=True, slots=True)
class Parent:
    """A live row that the caller sees.

    Attributes:
        pk: for the foreign key; it goes nowhere else.
        id: its public id.
        workspace: what tells its tenant from others; None where it has none.
        roles: the caller's active direct roles, in a workspace or a group.
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
    """Read parents of any types in one statement.

    What the caller sees is computed whether the ids are there or not, so that time does not tell one from the other.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        wanted: each as type and public id.

    Returns:
        Those that are live and that the caller sees, by type and id.
    """
    ids: dict[str, list[UUID]] = {}
    for type_, id_ in wanted:
        ids.setdefault(type_, []).append(id_)
    if not ids:
        return {}
    statement = _find_statement(tuple(sorted(ids)), person=isinstance(principal, Person))
    values = {f"{type_}_ids": found for type_, found in ids.items()} | parameters(principal)
    return {
        (row.type, row.id): Parent(row.pk, row.id, row.workspace_pk, frozenset(row.roles))
        for row in transaction.execute(statement, values)
        # Of what is for everybody, what is not there is asked for, too.
        if row.pk
    }


def hold_person(transaction: Transaction, id_: UUID) -> None:
    """Keep a person, where the caller sees them, from being erased until the transaction ends.

    In front of the next statement. Whoever erases them waits, and ends what was made of them meanwhile.
    """
    session_of(transaction).ahead("SELECT wellspring.lock_person($1::uuid)", str(id_))


def is_known(transaction: Transaction, person: Person) -> bool:
    """Say whether the platform knows a person who is calling."""
    people = parents.peoples
    statement = select(people.c.pk).where(*identity(people, literal(person.id, PG_UUID(as_uuid=True))))
    return transaction.execute(statement).scalar_one_or_none() is not None


def caller_pk(transaction: Transaction, caller: Person) -> int | None:
    """Return the key of the person who is calling, and hold them; None where the platform does not know them."""
    hold_person(transaction, caller.id)
    people = parents.peoples
    statement = select(people.c.pk).where(*identity(people, literal(caller.id, PG_UUID(as_uuid=True))))
    return transaction.execute(statement).scalar_one_or_none()


@lru_cache(maxsize=64)
def _find_statement(types: tuple[str, ...], *, person: bool) -> CompoundSelect[Any]:
    visible = Visible(person=person)
    return union_all(*(_find_one(type_, visible, person=person) for type_ in types))


def _find_one(type_: str, visible: Visible, *, person: bool) -> Select[Any]:
    table = table_of(resource_of(type_).table)
    row, none = table.alias(), cast(null(), BigInteger)
    workspace = [row.c.workspace_pk] if "workspace_pk" in table.c else []
    id_ = column("id", PG_UUID(as_uuid=True))
    wanted = func.unnest(bindparam(f"{type_}_ids", type_=IDS)).table_valued(id_).render_derived(name="wanted")
    # Each id is asked about, whether anything has it: of what is not there, as of nobody's (OFFSET 0: before it is).
    asked = (
        select(wanted.c.id, *(func.coalesce(known, 0).label(known.name) for known in (row.c.pk, *workspace)))
        .select_from(wanted.outerjoin(row, and_(row.c.id == wanted.c.id, row.c.deleted_at.is_(None))))
        .offset(literal_column("0", Integer))
        .subquery(f"asked_{type_}")
    )
    of = workspace_of(asked, table)
    return select(
        literal(type_, SqlText).label("type"),
        asked.c.pk,
        asked.c.id,
        (none if of is None else of).label("workspace_pk"),
        _roles(table.name, asked.c.pk, person=person).label("roles"),
    ).where(visible.through(asked, table))


def _roles(table: str, pk: ColumnElement[int], *, person: bool) -> ColumnElement[Any]:
    none = cast(literal("{}", SqlText), ARRAY(SqlText))
    membership, column = {
        "workspaces": (parents.workspace_memberships, "workspace_pk"),
        "workspace_groups": (parents.workspace_group_memberships, "workspace_group_pk"),
    }.get(table, (None, ""))
    if membership is None or not person:
        return none
    people = parents.peoples
    roles = (
        select(func.array_agg(membership.c.role))
        .select_from(people)
        .join(membership, membership.c.people_pk == people.c.pk)
        .where(
            *identity(people, bindparam(CALLER, type_=PG_UUID(as_uuid=True))),
            membership.c[column] == pk,
            membership.c.status == "active",
            membership.c.deleted_at.is_(None),
        )
        .scalar_subquery()
    )
    return func.coalesce(roles, none)
