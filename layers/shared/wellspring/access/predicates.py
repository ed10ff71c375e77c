"""The condition that keeps a query to what the caller may see.

A workspace is seen through an active direct membership, or through a live enrolment in a live group of which the
caller is an active member; a group through an active membership of it; a service sees all. Whatever is tombstoned on
the way closes it.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    column,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.principal import Person, Principal
from wellspring.models import aliased, parents
from wellspring.models.junctions import workspace_group_workspaces

CALLER = "caller_id"
CLAIMED = "claimed_workspaces"
IDS = ARRAY(PG_UUID(as_uuid=True))
_ENROLMENT = aliased(workspace_group_workspaces, "enrolment")


# What a caller of so few workspaces sees is compared as an array. Of more each row's workspace is looked up: what a row
# costs must not grow with what else its reader sees (docs/adr/0042).
FEW = 16


def identity(people: FromClause, id_: ColumnElement[UUID]) -> list[ColumnElement[bool]]:
    """Return the conditions that a row of `peoples` is who is calling, while they are there.

    One that only a sync made has no source: it is a contact, and nobody's identity (contract, section 3).
    """
    return [people.c.id == id_, people.c.deleted_at.is_(None), people.c.source.is_not(None)]


def _caller() -> Select[tuple[int]]:
    """Select the pk of the caller."""
    people = aliased(parents.peoples, "caller")
    return select(people.c.pk).where(*identity(people, bindparam(CALLER, type_=PG_UUID(as_uuid=True))))


def _held(membership: FromClause, tenant_pk: str) -> Select[tuple[int]]:
    """Select the pks of the tenants, workspaces or groups, live or not, of which the caller is an active member."""
    caller = _caller().limit(literal_column("1", Integer))
    membership = aliased(membership, "membership")
    return select(membership.c[tenant_pk].label("pk")).where(
        membership.c.people_pk == caller.scalar_subquery(),
        membership.c.status == "active",
        membership.c.deleted_at.is_(None),
    )


def _live(tenant: FromClause, pks: FromClause) -> Select[tuple[int]]:
    """Select those of `pks` whose tenants are live."""
    tenant = aliased(tenant, "tenant")
    return (
        select(tenant.c.pk).select_from(pks).join(tenant, tenant.c.pk == pks.c.pk).where(tenant.c.deleted_at.is_(None))
    )


def _is_live(pks: FromClause) -> ColumnElement[bool]:
    """Return the condition that a workspace is live, looked up one by one: a join could read all there are."""
    workspace = aliased(parents.workspaces, "live")
    looked_up = select(true()).where(workspace.c.pk == pks.c.pk, workspace.c.deleted_at.is_(None))
    return looked_up.correlate(pks).scalar_subquery()


def _enrolled() -> Select[tuple[int]]:
    """Select the pks of the workspaces, live or not, of live enrolments."""
    return select(_ENROLMENT.c.workspace_pk.label("pk")).where(_ENROLMENT.c.deleted_at.is_(None))


def _groups() -> Select[tuple[int]]:
    held = _held(parents.workspace_group_memberships, "workspace_group_pk")
    return _live(parents.workspace_groups, held.subquery("held_groups"))


class Visible:
    """What a kind of caller sees, as SQL. Bind `parameters(principal, workspaces)` when executing.

    Args:
        person: whether the caller is a person; else a service, which sees everything that is live.
        claimed: whether only the workspaces that the caller claims to work in are asked about.
        direct: whether a person sees only the workspaces that they are a member of, not those of their groups.
    """

    def __init__(self, *, person: bool, claimed: bool = False, direct: bool = False) -> None:
        self._person = person
        self._claimed = claimed
        self._direct = direct

    # Each of these stands once in a statement, whatever asks about it.
    @cached_property
    def _groups(self) -> CTE:
        return _groups().cte("visible_groups")

    @cached_property
    def _own_groups(self) -> CTE:
        pks = func.array(select(self._groups.c.pk).scalar_subquery())
        return select(pks.label("pks")).cte("own_groups")

    @cached_property
    def _workspaces(self) -> CTE:
        return union(*(_live(parents.workspaces, ways.subquery()) for ways in self._ways())).cte("visible")

    def _ways(self, of: ColumnElement[int] | None = None) -> list[Select[tuple[int]]]:
        """Return the selects of the workspaces, live or not, that are opened to the caller: of each way one.

        Args:
            of: the only workspace that is asked about; None for all.
        """
        direct = _held(parents.workspace_memberships, "workspace_pk")
        if of is not None:
            # A range: else all members of the workspace might be read, and tell how many there are.
            direct = direct.where(direct.selected_columns.pk.between(of, of))
        if self._direct:
            return [direct]
        enrolment, through_groups = _ENROLMENT, _enrolled()
        if of is None:
            in_them = enrolment.c.workspace_group_pk == self._groups.c.pk
            return [direct, through_groups.select_from(self._groups).where(in_them)]
        # By the workspace's own groups, which are few where the caller's may be hundreds.
        is_of_caller = enrolment.c.workspace_group_pk == func.any(self._own_groups.c.pks)
        opened = through_groups.select_from(self._own_groups.join(enrolment, is_of_caller))
        return [direct, opened.where(enrolment.c.workspace_pk == of)]

    @cached_property
    def _few(self) -> CTE:
        """One row: the array of the workspaces that the caller sees, or null where they are not few."""
        most = literal_column(str(FEW + 1), Integer)
        # In the order of an index, so that no more than these are read.
        direct = _held(parents.workspace_memberships, "workspace_pk").order_by(literal_column("pk")).limit(most)
        parts = [select(direct.subquery("some_direct"))]
        if not self._direct:
            enrolment = _ENROLMENT
            some = _enrolled().where(enrolment.c.workspace_group_pk == self._groups.c.pk)
            of_group = some.order_by(enrolment.c.workspace_pk).limit(most).correlate(self._groups).lateral("of_group")
            through_groups = select(of_group.c.pk).select_from(self._groups.join(of_group, true())).limit(most)
            parts.append(select(through_groups.subquery("some_through_groups")))
        opened = union_all(*parts).cte("opened")
        is_few = select(func.count()).select_from(opened).scalar_subquery() <= FEW
        seen = func.array(select(opened.c.pk).where(_is_live(opened)).scalar_subquery())
        return select(case((is_few, seen)).label("workspaces")).cte("few")

    def before_all(self) -> list[ColumnElement[bool]]:
        """Return conditions that compute what a person sees before any row is looked for; always true."""
        if not self._person:
            return []
        number = select(func.count()).select_from(self._groups).scalar_subquery()
        return [number.is_not(None), self._sees(literal_column("0", BigInteger)).is_not(None)]

    def _sees(self, pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that a person sees the live workspace that `pk` points to.

        The same is run for a workspace that is there and one that is not (a `pk` of 0), where they are not seen.
        """
        looked_up = []
        for way in self._ways(of=pk):
            # OFFSET 0: beginning with the workspace, it would tell one that is there from one that is not.
            opened = way.offset(literal_column("0", Integer))
            if pk.table is not None:
                opened = opened.correlate(pk.table)
            of = opened.subquery("opened_so")
            live = select(of.c.pk).where(_is_live(of)).limit(literal_column("1", Integer))
            looked_up.append(live.correlate(None).scalar_subquery().is_not(None))
        few = cast(select(self._few.c.workspaces).scalar_subquery(), ARRAY(BigInteger))
        return func.coalesce(pk == func.any(few), or_(*looked_up))

    def workspace(self, pk: ColumnElement[int], *, leads: bool = False) -> ColumnElement[bool]:
        """Return the condition that the caller sees the workspace that `pk` points to.

        Args:
            pk: which.
            leads: whether the rows are found by it: nothing that a request names leaves few of them.
        """
        # An array, computed once for the statement: a sub-select would invite the planner to join from the
        # tenant's end, which reads the whole tenant for one page.
        if self._person and not self._claimed:
            if not leads:
                return self._sees(pk)
            # The policies will ask about each row that is found by all of them, so they are told to list them, too.
            left = func.wellspring.leave_workspaces(true() if self._direct else false(), type_=Boolean).label("done")
            listed = func.array(select(self._workspaces.c.pk).scalar_subquery())
            return and_(select(left).scalar_subquery(), pk == func.any(listed))
        workspace = parents.workspaces.alias()
        claimed = workspace.c.id == func.any(bindparam(CLAIMED, type_=IDS))
        if not self._person:
            conditions = [workspace.c.pk == pk, workspace.c.deleted_at.is_(None)]
            return exists().where(*conditions, *([claimed] if self._claimed else []))
        seen = select(workspace.c.pk).where(claimed, self._sees(workspace.c.pk))
        return pk == func.any(func.array(seen.scalar_subquery()))

    def group(self, pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller is a member of the live group that `pk` points to."""
        if self._person:
            return pk == func.any(func.array(select(self._groups.c.pk).scalar_subquery()))
        group = parents.workspace_groups.alias()
        return exists().where(group.c.pk == pk, group.c.deleted_at.is_(None))

    def message(self, workspace_pk: ColumnElement[int], *, leads: bool = False) -> ColumnElement[bool]:
        """Return the condition that the caller sees a message of this workspace; of none, a service does."""
        seen = self.workspace(workspace_pk, leads=leads)
        return seen if self._person or self._claimed else or_(workspace_pk.is_(None), seen)

    def through(self, parent: FromClause, table: str, *, leads: bool = False) -> ColumnElement[bool]:
        """Return the condition that the caller sees the tenant of `parent`, a row of `table`.

        `leads` is that of `workspace`. What belongs to no tenant, such as the catalogue of providers, is for everybody.
        """
        if table == "workspace_groups":
            return self.group(parent.c.pk)
        if table == "sync_messages":
            return self.message(parent.c.workspace_pk, leads=leads)
        workspace = workspace_of(parent, table)
        return true() if workspace is None else self.workspace(workspace, leads=leads)


def asked_about(table: Table, ids: ColumnElement[Any], *columns: str) -> FromClause:
    """Return the rows of `table` that have these ids, and for each id that none has a row of nobody's.

    So the caller's sight of what is there and of what is not is computed alike, and time tells nothing (OFFSET 0:
    before it is). The `pk` and the `workspace_pk` of what is not there are 0.

    Args:
        table: which; an alias of it is read.
        ids: public ids.
        columns: what is wanted of a row beside its `pk`, `id` and `workspace_pk`.
    """
    row = table.alias()
    wanted = func.unnest(ids).table_valued(column("id", PG_UUID(as_uuid=True))).render_derived(name="wanted")
    known = [row.c[name] for name in ("pk", "workspace_pk") if name in row.c]
    shown = [*(func.coalesce(each, 0).label(each.name) for each in known), *(row.c[name] for name in columns)]
    return (
        select(wanted.c.id, *shown)
        .select_from(wanted.outerjoin(row, row.c.id == wanted.c.id))
        .offset(literal_column("0", Integer))
        .subquery(f"asked_{table.name}")
    )


def workspace_of(parent: FromClause, table: str) -> ColumnElement[int] | None:
    """Return the workspace that a row of `table` belongs to; a workspace is its own."""
    if table == "workspaces":
        return parent.c.pk
    return parent.c.workspace_pk if "workspace_pk" in parent.c else None


def parameters(principal: Principal, workspaces: Sequence[UUID] = ()) -> dict[str, object]:
    """Return what `Visible` needs bound for this caller, and these claimed workspaces."""
    who: dict[str, object] = {CALLER: principal.id} if isinstance(principal, Person) else {}
    return who | ({CLAIMED: list(workspaces)} if workspaces else {})
