"""Workspace groups: making one with its owner and enrolments, and what its to-many relationships hold."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CompoundSelect, Text, bindparam, func, insert, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from wellspring.access.predicates import IDS
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


def linkage(transaction: Transaction, ids: Sequence[UUID]) -> dict[UUID, dict[str, list[UUID]]]:
    """Return, for each of these groups, what `workspaces_ids` and `memberships_ids` hold, in one statement.

    There is no predicate here: whoever sees a group sees its workspaces and members, and `ids` come from visible rows.
    """
    found: dict[UUID, dict[str, list[UUID]]] = {id_: {"workspaces_ids": [], "memberships_ids": []} for id_ in ids}
    for row in transaction.execute(_linkage_statement(), {"ids": list(ids)}):
        found[row.group_id][row.relationship].append(row.id)
    return found


@lru_cache(maxsize=1)
def _linkage_statement() -> CompoundSelect[Any]:
    group, enrolment = parents.workspace_groups, workspace_group_workspaces
    workspace, membership = parents.workspaces, parents.workspace_group_memberships
    wanted = group.c.id == func.any(bindparam("ids", type_=IDS))
    workspaces = (
        select(
            group.c.id.label("group_id"),
            literal("workspaces_ids", Text).label("relationship"),
            workspace.c.id,
            enrolment.c.pk.label("place"),
        )
        .select_from(group)
        .join(enrolment, enrolment.c.workspace_group_pk == group.c.pk)
        .join(workspace, workspace.c.pk == enrolment.c.workspace_pk)
        .where(wanted, enrolment.c.deleted_at.is_(None), workspace.c.deleted_at.is_(None))
    )
    memberships = (
        select(group.c.id, literal("memberships_ids", Text), membership.c.id, membership.c.pk)
        .select_from(group)
        .join(membership, membership.c.workspace_group_pk == group.c.pk)
        .where(wanted, membership.c.deleted_at.is_(None))
    )
    return union_all(workspaces, memberships).order_by("place")
