"""The condition that keeps a query to what the caller may see.

A workspace is seen through an active direct membership, or through a live enrolment in a live group of which the
caller is an active member; a group through an active membership of it; a service sees all. Whatever is tombstoned on
the way closes it.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.principal import Person, Principal
from wellspring.models import parents
from wellspring.models.junctions import workspace_group_workspaces

CALLER = "caller_id"
CLAIMED = "claimed_workspaces"
IDS = ARRAY(PG_UUID(as_uuid=True))


def _joined(tenant: Table, membership: Table, tenant_pk: str) -> Select[tuple[int]]:
    """Select the pks of the live tenants, workspaces or groups, of which the caller is an active member."""
    people = parents.peoples
    return (
        select(tenant.c.pk)
        .select_from(people)
        .join(membership, membership.c.people_pk == people.c.pk)
        .join(tenant, tenant.c.pk == membership.c[tenant_pk])
        .where(
            people.c.id == bindparam(CALLER, type_=PG_UUID(as_uuid=True)),
            people.c.deleted_at.is_(None),
            membership.c.status == "active",
            membership.c.deleted_at.is_(None),
            tenant.c.deleted_at.is_(None),
        )
    )


def _direct() -> Select[tuple[int]]:
    return _joined(parents.workspaces, parents.workspace_memberships, "workspace_pk")


def _groups() -> Select[tuple[int]]:
    return _joined(parents.workspace_groups, parents.workspace_group_memberships, "workspace_group_pk")


def _through_groups() -> Select[tuple[int]]:
    enrolment, workspace = workspace_group_workspaces, parents.workspaces
    return (
        _groups()
        .join(enrolment, enrolment.c.workspace_group_pk == parents.workspace_groups.c.pk)
        .join(workspace, workspace.c.pk == enrolment.c.workspace_pk)
        .where(enrolment.c.deleted_at.is_(None), workspace.c.deleted_at.is_(None))
        .with_only_columns(workspace.c.pk)
    )


class Visible:
    """What a kind of caller sees, as SQL. Bind `parameters(principal, workspaces)` when executing.

    Args:
        person: whether the caller is a person; else a service, which sees everything that is live.
        claimed: whether only the workspaces that the caller claims to work in are asked about.
        direct: whether a person sees only the workspaces that they are a member of, not those of their groups.

    Attributes:
        first: for a person what they see, as one row. Where an outer join begins with it, it is computed also where
            nothing is found to compare it with: else the time tells what is there from what is not.
    """

    def __init__(self, *, person: bool, claimed: bool = False, direct: bool = False) -> None:
        self._person = person
        self._claimed = claimed
        seen = _direct() if direct else union(_direct(), _through_groups())
        self._workspaces: CTE = seen.cte("visible")
        self._groups: CTE = _groups().cte("visible_groups")
        self.first: FromClause | None = None

    def at_first(self) -> FromClause | None:
        """Have all conditions that are made from now on compare with `first`, and return it; None for a service."""
        if self._person:
            workspaces, groups = (
                func.array(select(seen.c.pk).scalar_subquery()) for seen in (self._workspaces, self._groups)
            )
            # OFFSET 0: no expression to be put where it is needed, but a row.
            row = select(workspaces.label("workspaces"), groups.label("groups")).offset(literal_column("0", Integer))
            self.first = row.subquery("first")
        return self.first

    def before_all(self) -> list[ColumnElement[bool]]:
        """Return conditions that compute what a person sees before any row is looked for; always true."""
        if not self._person:
            return []
        counted = (select(func.count()).select_from(seen) for seen in (self._workspaces, self._groups))
        return [number.scalar_subquery().is_not(None) for number in counted]

    def workspace(self, pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller sees the workspace that `pk` points to."""
        workspace = parents.workspaces.alias()
        claimed = workspace.c.id == func.any(bindparam(CLAIMED, type_=IDS))
        if not self._person:
            conditions = [workspace.c.pk == pk, workspace.c.deleted_at.is_(None)]
            return exists().where(*conditions, *([claimed] if self._claimed else []))
        if self.first is not None:
            return pk == func.any(self.first.c.workspaces)
        # An array, computed once for the statement: a sub-select would invite the planner to join from the
        # tenant's end, which reads the whole tenant for one page.
        seen = select(self._workspaces.c.pk)
        if self._claimed:
            seen = seen.join(workspace, workspace.c.pk == self._workspaces.c.pk).where(claimed)
        return pk == func.any(func.array(seen.scalar_subquery()))

    def group(self, pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller is a member of the live group that `pk` points to."""
        if self.first is not None:
            return pk == func.any(self.first.c.groups)
        if self._person:
            return pk == func.any(func.array(select(self._groups.c.pk).scalar_subquery()))
        group = parents.workspace_groups.alias()
        return exists().where(group.c.pk == pk, group.c.deleted_at.is_(None))

    def message(self, workspace_pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller sees a message of this workspace; of none, a service does."""
        seen = self.workspace(workspace_pk)
        return seen if self._person or self._claimed else or_(workspace_pk.is_(None), seen)

    def through(self, parent: FromClause, table: str) -> ColumnElement[bool]:
        """Return the condition that the caller sees the tenant of `parent`, a row of `table`.

        What belongs to no tenant, such as the catalogue of providers, is for everybody.
        """
        if table == "workspace_groups":
            return self.group(parent.c.pk)
        if table == "sync_messages":
            return self.message(parent.c.workspace_pk)
        workspace = workspace_of(parent, table)
        return true() if workspace is None else self.workspace(workspace)


def workspace_of(parent: FromClause, table: str) -> ColumnElement[int] | None:
    """Return the workspace that a row of `table` belongs to; a workspace is its own."""
    if table == "workspaces":
        return parent.c.pk
    return parent.c.workspace_pk if "workspace_pk" in parent.c else None


def parameters(principal: Principal, workspaces: Sequence[UUID] = ()) -> dict[str, object]:
    """Return what `Visible` needs bound for this caller, and these claimed workspaces."""
    who: dict[str, object] = {CALLER: principal.id} if isinstance(principal, Person) else {}
    return who | ({CLAIMED: list(workspaces)} if workspaces else {})
