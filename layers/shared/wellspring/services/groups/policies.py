"""The rules of groups, of their members and of the enrolment of workspaces (contract, sections 3 and 4)."""

from uuid import UUID

from wellspring.access.principal import Person, Principal
from wellspring.access.rules import (
    require_group_keeper,
    require_group_owner,
    require_no_more,
    require_own_workspace,
    require_withdrawer,
)
from wellspring.database import Transaction
from wellspring.database.flush import ValueRow
from wellspring.errors import Conflict, Forbidden, WellspringError, raise_all
from wellspring.queries import Draft
from wellspring.repositories import groups, parents, writing
from wellspring.services.ledger.policies import Made, Parents, Rules, new, roles_in

ROLE = "/data/attributes/role"


class Enrolment(Rules):
    """Made by a keeper of the group who keeps the workspace, too; `access.rules.permit` lets nobody change one."""

    def create(self, transaction: Transaction, principal: Principal, draft: Draft, found: Parents) -> Made:
        """Insert a row through both gates. A live one of the same pair violates the database's constraint."""
        (group,), (workspace,) = found["workspace_group"], found["workspace"]
        require_group_keeper(group.roles)
        pointers = {reference.id: reference.pointer for reference in draft.references}
        require_own_workspace(workspace.roles, pointers.get(workspace.id))
        caller_pk, caller_id = _caller(transaction, principal)
        keys = {"workspace_group_pk": group.pk, "workspace_pk": workspace.pk, "created_by_pk": caller_pk}
        return new(writing.add(transaction, principal, self.resource, keys), created_by_id=caller_id)

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, _draft: Draft | None) -> None:
        """Ask for a keeper of the group or of the workspace; who sees the row through one may not see the other."""
        keys = ("workspace_group", row["workspace_group_id"]), ("workspace", row["workspace_id"])
        require_withdrawer(*roles_in(transaction, principal, *keys))


class Group(Rules):
    """Made by anybody, who becomes its owner, together with its first enrolments."""

    def create(self, transaction: Transaction, principal: Principal, draft: Draft, found: Parents) -> Made:
        """Insert the group, its owner's membership and its enrolments, all or none."""
        workspaces = found.get("workspaces", ())
        roles: dict[object, frozenset[str]] = {workspace.id: workspace.roles for workspace in workspaces}
        problems: list[WellspringError] = []
        for reference in draft.references:
            try:
                require_own_workspace(roles[reference.id], reference.pointer)
            except Forbidden as error:
                problems.append(error)
        raise_all(problems)
        owner_pk, owner_id = _caller(transaction, principal)
        pks = list(dict.fromkeys(workspace.pk for workspace in workspaces))
        row = groups.make(transaction, principal, str(draft.attributes["name"]), owner_pk, pks)
        return new(row, created_by_id=owner_id)

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, draft: Draft | None) -> None:
        """Ask for a keeper to rename it, and for an owner to delete it; the group's row is locked."""
        (roles,) = roles_in(transaction, principal, ("workspace_group", row["id"]))
        if draft is None:
            require_group_owner(roles)
        else:
            require_group_keeper(roles)

    def end_with(self, transaction: Transaction, row: ValueRow) -> None:
        """End its enrolments and memberships: whoever reads them needs a live group."""
        groups.end(transaction, row["id"])


class Member(Rules):
    """Added, changed and removed by keepers of the group, who are no less than the member is or would be.

    All of it is decided under the lock of the group's row (`writing`): of two owners that leave at once, one stays.
    """

    def create(self, transaction: Transaction, principal: Principal, draft: Draft, found: Parents) -> Made:
        """Insert an active membership. A live one of the same pair violates the database's constraint."""
        (people,), (group,) = found["people"], found["workspace_group"]
        require_group_keeper(group.roles)
        require_no_more(group.roles, str(draft.attributes["role"]), ROLE)
        keys = {"people_pk": people.pk, "workspace_group_pk": group.pk}
        return new(writing.add(transaction, principal, self.resource, {**keys, **draft.attributes, "status": "active"}))

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, draft: Draft | None) -> None:
        """Ask for a keeper who is no less than the member is, and is to be; all but the last owner may leave."""
        leaves = draft is None and isinstance(principal, Person) and row["people_id"] == principal.id
        role = row["role"] if draft is None else draft.attributes.get("role", row["role"])
        if not leaves:
            (roles,) = roles_in(transaction, principal, ("workspace_group", row["workspace_group_id"]))
            require_group_keeper(roles)
            require_no_more(roles, row["role"])
            require_no_more(roles, str(role), ROLE)
        if row["role"] == "owner" and (draft is None or role != "owner"):
            others = groups.owners(transaction, row["workspace_group_id"], besides=row["id"])
            if not others:
                raise Conflict("The group would have no owner.", pointer=None if draft is None else ROLE)


def _caller(transaction: Transaction, principal: Principal) -> tuple[int, UUID]:
    """Return the key and the id of the person who is calling, and hold them."""
    if isinstance(principal, Person):
        parents.hold_person(transaction, principal.id)
        pk = parents.caller_pk(transaction, principal)
        if pk is not None:
            return pk, principal.id
    raise Forbidden("The platform does not know the person of this token.")
