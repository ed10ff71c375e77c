"""The condition that keeps a query to the caller's workspaces.

A workspace is seen through an active direct membership, or through a live enrolment in a live group of which the
caller is an active member; a service with `system:read` sees all. Whatever is tombstoned on the way closes it.
"""

from sqlalchemy import CTE, ColumnElement, Select, bindparam, exists, func, select, union
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.principal import Person, Principal
from wellspring.models import parents
from wellspring.models.junctions import workspace_group_workspaces

CALLER = "caller_id"


def _direct() -> Select[tuple[int]]:
    people, membership, workspace = parents.peoples, parents.workspace_memberships, parents.workspaces
    return (
        select(workspace.c.pk)
        .select_from(people)
        .join(membership, membership.c.people_pk == people.c.pk)
        .join(workspace, workspace.c.pk == membership.c.workspace_pk)
        .where(
            people.c.id == bindparam(CALLER, type_=PG_UUID(as_uuid=True)),
            people.c.deleted_at.is_(None),
            membership.c.status == "active",
            membership.c.deleted_at.is_(None),
            workspace.c.deleted_at.is_(None),
        )
    )


def _through_groups() -> Select[tuple[int]]:
    people, membership = parents.peoples, parents.workspace_group_memberships
    group, enrolment, workspace = parents.workspace_groups, workspace_group_workspaces, parents.workspaces
    return (
        select(workspace.c.pk)
        .select_from(people)
        .join(membership, membership.c.people_pk == people.c.pk)
        .join(group, group.c.pk == membership.c.workspace_group_pk)
        .join(enrolment, enrolment.c.workspace_group_pk == group.c.pk)
        .join(workspace, workspace.c.pk == enrolment.c.workspace_pk)
        .where(
            people.c.id == bindparam(CALLER, type_=PG_UUID(as_uuid=True)),
            people.c.deleted_at.is_(None),
            membership.c.status == "active",
            membership.c.deleted_at.is_(None),
            group.c.deleted_at.is_(None),
            enrolment.c.deleted_at.is_(None),
            workspace.c.deleted_at.is_(None),
        )
    )


class VisibleWorkspaces:
    """The workspaces that a kind of caller sees, as SQL. Bind `parameters(principal)` when executing.

    Args:
        person: whether the caller is a person; else a service that reads everything.
    """

    def __init__(self, *, person: bool) -> None:
        self._person = person
        self._seen: CTE = union(_direct(), _through_groups()).cte("visible")

    def sees(self, workspace_pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller sees the workspace that `workspace_pk` points to."""
        if self._person:
            # An array, computed once for the statement: a sub-select would invite the planner to join from the
            # tenant's end, which reads the whole tenant for one page.
            return workspace_pk == func.any(func.array(select(self._seen.c.pk).scalar_subquery()))
        workspace = parents.workspaces.alias()
        return exists().where(workspace.c.pk == workspace_pk, workspace.c.deleted_at.is_(None))


def parameters(principal: Principal) -> dict[str, object]:
    """Return what `VisibleWorkspaces` needs bound for this caller."""
    return {CALLER: principal.id} if isinstance(principal, Person) else {}
