"""Workspace groups: making one with its owner and enrolments, and what its to-many relationships hold."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from wellspring.database import Transaction
from wellspring.models import parents
from wellspring.models.junctions import workspace_group_workspaces
from wellspring.repositories.ledger import Row


def make(transaction: Transaction, name: str, owner_pk: int, workspace_pks: Sequence[int]) -> Row:
    """Insert a group, its owner's membership, and the enrolments of workspaces.

    Args:
        transaction: the scope to write in.
        name: the group's name.
        owner_pk: the person who makes it and becomes its owner.
        workspace_pks: the workspaces to enrol.

    Returns:
        The group's `id` and attributes.
    """
    group = parents.workspace_groups
    shown = (group.c.id, group.c.name, group.c.created_at, group.c.updated_at, group.c.deleted_at)
    made = transaction.execute(
        insert(group).values(name=name, created_by_pk=owner_pk).returning(group.c.pk, *shown)
    ).mappings()
    row = dict(made.one())
    pk = row.pop("pk")
    transaction.execute(
        insert(parents.workspace_group_memberships).values(
            people_pk=owner_pk, workspace_group_pk=pk, role="owner", status="active"
        )
    )
    if workspace_pks:
        enrolled = func.unnest(bindparam("workspace_pks", list(workspace_pks), type_=ARRAY(BigInteger)))
        values = select(literal(pk, BigInteger), enrolled, literal(owner_pk, BigInteger))
        columns = ["workspace_group_pk", "workspace_pk", "created_by_pk"]
        transaction.execute(insert(workspace_group_workspaces).from_select(columns, values))
    return row


_LOCK = text("SELECT pk FROM core_api.workspace_groups WHERE pk = :pk FOR UPDATE")
_LOCK_OF_MEMBERSHIP = text("""
SELECT pk FROM core_api.workspace_groups
 WHERE pk = (SELECT workspace_group_pk FROM core_api.workspace_group_memberships WHERE id = :id)
   FOR UPDATE""")
_OWNERS = text("""
SELECT count(*)
  FROM core_api.workspace_group_memberships AS membership
  JOIN core_api.workspace_groups AS team ON team.pk = membership.workspace_group_pk
  JOIN core_api.peoples AS owner ON owner.pk = membership.people_pk
 WHERE team.id = :id AND membership.id <> :besides AND membership.role = 'owner' AND membership.status = 'active'
   AND membership.deleted_at IS NULL AND owner.deleted_at IS NULL""")
# The enrolment of a workspace that is gone stays as it is, out of everybody's sight, as the workspace does.
_END = tuple(
    text(f"""
UPDATE core_api.{table} SET deleted_at = now(), updated_at = now()
 WHERE workspace_group_pk = (SELECT pk FROM core_api.workspace_groups WHERE id = :id) AND deleted_at IS NULL""")
    for table in ("workspace_group_workspaces", "workspace_group_memberships")
)


def lock(transaction: Transaction, pk: int) -> None:
    """Lock a group's row: who is a member of it, and as what, is decided behind it."""
    transaction.execute(_LOCK, {"pk": pk})


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
