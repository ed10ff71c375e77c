"""Workspace groups: making one with its owner and enrolments, and what its to-many relationships hold."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    bindparam,
    column,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.elements import Visible, asked_about
from wellspring.access.predicates import parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.database.flush import ValueRow
from wellspring.database.session import session_of
from wellspring.models import listed_from, parents
from wellspring.models.base import instant
from wellspring.models.junctions import workspace_group_workspaces
from wellspring.queries import MAX_TOTAL, ListQuery, Position
from wellspring.repositories.ledger import Row, Slice, own_columns
from wellspring.resources import OWN_WORKSPACE


def make(
    transaction: Transaction, principal: Principal, name: str, owner_pk: int, workspace_pks: Sequence[int]
) -> ValueRow | None:
    """Insert a group, its owner's membership, and the enrolments of workspaces.

    Args:
        transaction: the scope to write in.
        principal: the caller.
        name: the group's name.
        owner_pk: the person who makes it and becomes its owner.
        workspace_pks: the workspaces to enrol.

    Returns:
        The group's `id` and attributes; None where the caller does not see one of the workspaces any more, and then
        this is to be rolled back.
    """
    group = parents.workspace_groups
    shown = (group.c.id, group.c.name, group.c.created_at, group.c.updated_at, group.c.deleted_at)
    made = transaction.execute(
        insert(group).values(name=name, created_by_pk=owner_pk).returning(group.c.pk, *shown)
    ).mappings()
    row = ValueRow(made.one())
    pk = row.pop("pk")
    transaction.execute(
        insert(parents.workspace_group_memberships).values(
            people_pk=owner_pk, workspace_group_pk=pk, role="owner", status="active"
        )
    )
    if workspace_pks:
        given = bindparam("workspace_pks", list(workspace_pks), type_=ARRAY(BigInteger))
        enrolled = func.unnest(given).table_valued(column("pk", BigInteger)).render_derived(name="enrolled")
        seen = Visible(person=isinstance(principal, Person)).workspace(enrolled.c.pk)
        values = select(literal(pk, BigInteger), enrolled.c.pk, literal(owner_pk, BigInteger)).where(seen)
        columns = ["workspace_group_pk", "workspace_pk", "created_by_pk"]
        statement = insert(workspace_group_workspaces).from_select(columns, values)
        if transaction.execute(statement, parameters(principal)).rowcount < len(workspace_pks):
            return None
    return row


_LOCK_OF_MEMBERSHIP = text("""
SELECT pk FROM core_api.workspace_groups
 WHERE pk = (SELECT workspace_group_pk FROM core_api.workspace_group_memberships WHERE id = :id)
   FOR UPDATE""")
# A contact may be added as an owner, and is nobody who could act as one (contract, section 3).
_OWNERS = text("""
SELECT count(*)
  FROM core_api.workspace_group_memberships AS membership
  JOIN core_api.workspace_groups AS team ON team.pk = membership.workspace_group_pk
  JOIN core_api.peoples AS owner ON owner.pk = membership.people_pk
 WHERE team.id = :id AND membership.id <> :besides AND membership.role = 'owner' AND membership.status = 'active'
   AND membership.deleted_at IS NULL AND owner.deleted_at IS NULL AND owner.source IS NOT NULL""")
# The enrolment of a workspace that is gone stays as it is, out of everybody's sight, as the workspace does.
_END = tuple(
    text(f"""
UPDATE core_api.{table} SET deleted_at = now(), updated_at = now()
 WHERE workspace_group_pk = (SELECT pk FROM core_api.workspace_groups WHERE id = :id) AND deleted_at IS NULL""")
    for table in ("workspace_group_workspaces", "workspace_group_memberships")
)


def lock(transaction: Transaction, id_: UUID) -> None:
    """Lock a group's row in front of the next statement, where the caller is in the group.

    Who is a member of it, and as what, and which workspaces are enrolled, is decided behind it.
    """
    session_of(transaction).ahead("SELECT wellspring.lock_group($1::uuid)", str(id_))


def lock_of_membership(transaction: Transaction, id_: UUID) -> None:
    """Lock the row of a membership's group, if there is such a membership."""
    transaction.execute(_LOCK_OF_MEMBERSHIP, {"id": id_})


def owners(transaction: Transaction, id_: UUID, *, besides: UUID) -> int:
    """Count the active owners of a group whose row is locked, without one membership."""
    return int(transaction.execute(_OWNERS, {"id": id_, "besides": besides}).scalar_one())


def end(transaction: Transaction, id_: UUID) -> None:
    """Tombstone the enrolments and memberships of a group whose row is locked."""
    for statement in _END:
        transaction.execute(statement, {"id": id_})


def workspaces_page(
    transaction: Transaction, principal: Principal, query: ListQuery, position: Position | None
) -> Slice:
    """Read one page of the workspaces that are enrolled in the group that a query names, by their enrolment.

    Args:
        transaction: the scope to read in.
        principal: the caller; of a group that they do not see there is nothing.
        query: what is asked for.
        position: the enrolment to continue from, or None for the end of the list.

    Returns:
        Workspaces, each with `enrolled_at`, `enrolment_id` and `place`: where it stands.
    """
    statement = _workspaces_statement(
        person=isinstance(principal, Person), placed=position is not None, backward=query.backward
    )
    values: dict[str, object] = {"group": query.enrolled_in, "rows": query.size + 1, **parameters(principal)}
    if position is not None:
        values |= {"place_at": position.at, "place": position.pk}
    rows: list[Row] = list(transaction.execute(statement, values).mappings())
    return Slice.of_rows(rows, query, of_cursor=position is not None)


def workspaces_counted(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the workspaces of such a list, up to one more than `MAX_TOTAL`."""
    statement = _workspaces_counted_statement(person=isinstance(principal, Person))
    values = {"group": query.enrolled_in, **parameters(principal)}
    return int(transaction.execute(statement, values).scalar_one())


@lru_cache(maxsize=8)
def _workspaces_statement(*, person: bool, placed: bool, backward: bool) -> Select[Any]:
    visible = Visible(person=person)
    group = _seen_group(visible)
    page = _in_order(group, visible, placed=placed, ahead=True, backward=backward)
    page_ = page.limit(bindparam("rows", type_=Integer)).cte("page")
    order = _by_enrolment(page_.c.enrolled_at, page_.c.place, descending=backward)
    if not placed:
        return select(*page_.c).order_by(*order)
    others = _in_order(group, visible, placed=True, ahead=False, backward=backward)
    behind = select(exists(others.order_by(None)).label("behind")).cte("behind")
    return select(behind.c.behind, *page_.c).select_from(behind.outerjoin(page_, true())).order_by(*order)


@lru_cache(maxsize=2)
def _workspaces_counted_statement(*, person: bool) -> Select[Any]:
    visible = Visible(person=person)
    rows = _in_order(_seen_group(visible), visible, placed=False, ahead=True, backward=False).order_by(None)
    counted = rows.limit(literal_column(str(MAX_TOTAL + 1), Integer)).subquery("counted")
    return select(func.count()).select_from(counted)


def _seen_group(visible: Visible) -> ScalarSelect[int]:
    """Return the group that a query names, where the caller sees it; what they see is computed at first."""
    group = asked_about(parents.workspace_groups, bindparam("group", type_=PG_UUID(as_uuid=True)))
    return select(group.c.pk).where(visible.group(group.c.pk), *visible.before_all()).scalar_subquery()


def _in_order(group: ScalarSelect[int], visible: Visible, *, placed: bool, ahead: bool, backward: bool) -> Select[Any]:
    """Return the workspaces of a group ahead of the place, or at and behind it, nearest first; all where there is none.

    An index has a group's enrolments in this order. Each workspace is looked up (OFFSET 0), so that it stays the one.
    """
    enrolment = workspace_group_workspaces.alias("enrolment")
    workspace = listed_from(OWN_WORKSPACE).alias("workspace")
    looked_up = (
        select(*own_columns(OWN_WORKSPACE, workspace))
        .where(workspace.c.pk == enrolment.c.workspace_pk, visible.workspace(workspace.c.pk))
        .correlate(enrolment)
        .offset(literal_column("0", Integer))
        .lateral("enrolled")
    )
    descending = backward is ahead
    place = (enrolment.c.created_at, enrolment.c.pk)
    columns = (place[0].label("enrolled_at"), enrolment.c.id.label("enrolment_id"), place[1].label("place"))
    rows = (
        select(*looked_up.c, *columns)
        .select_from(enrolment.join(looked_up, true()))
        .where(enrolment.c.workspace_group_pk == group, enrolment.c.deleted_at.is_(None))
        .order_by(*_by_enrolment(*place, descending=descending))
    )
    if not placed:
        return rows
    cursor = tuple_(bindparam("place_at", type_=instant), bindparam("place", type_=BigInteger))
    here = tuple_(*place)
    if descending:
        return rows.where(here < cursor if ahead else here <= cursor)
    return rows.where(here > cursor if ahead else here >= cursor)


def _by_enrolment(
    at: ColumnElement[Any], pk: ColumnElement[Any], *, descending: bool
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return (at.desc(), pk.desc()) if descending else (at.asc(), pk.asc())
