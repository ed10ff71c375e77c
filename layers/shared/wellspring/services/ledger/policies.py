"""The rules of each kind of object (contract, sections 3 and 4): what its creation, change and removal ask and do.

A junction object that follows one of these kinds needs no rule of its own.
What raises, raises `Forbidden`, or `Conflict` where nobody may, as things stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from wellspring.access.principal import Person, Principal
from wellspring.access.rules import (
    require_group_keeper,
    require_group_owner,
    require_no_more,
    require_own_workspace,
    require_selecting,
    require_selector,
    require_withdrawer,
)
from wellspring.database import Transaction
from wellspring.database.flush import ValueRow
from wellspring.errors import Conflict, Forbidden, TenantMismatch, WellspringError, raise_all
from wellspring.queries import Deleted, Draft
from wellspring.repositories import connector_state, groups, parents, writing
from wellspring.repositories.parents import Parent
from wellspring.resources import Resource

type Parents = Mapping[str, Sequence[Parent]]
# A row's `id` and attributes, and whether it is new; None where something that it names has gone since it was found, so
# that what was written is to be rolled back.
type Made = tuple[ValueRow, bool] | None

SELECTED, MATCHED = "/data/attributes/is_selected", "/data/attributes/is_matched"
ROLE = "/data/attributes/role"


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between the kinds, as most of them have it, for one resource that follows them.

    Attributes:
        updatable: which rows an update finds.
        removal: what a removal changes beside the deletion's time.
    """

    updatable: ClassVar[Deleted] = "exclude"
    removal: ClassVar[Mapping[str, object]] = {}
    resource: Resource

    def create(self, transaction: Transaction, principal: Principal, draft: Draft, found: Parents) -> Made:
        """Write what a draft says of these parents."""
        # Every kind below has its own. No ABC: B027 refuses `guard` and `end_with`, which do nothing.
        raise NotImplementedError

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, draft: Draft | None) -> None:
        """Let through who may change this row as a draft says, or remove it where there is none."""

    def changes(self, _principal: Principal, _row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Return the columns to change."""
        return draft.attributes

    def end_with(self, transaction: Transaction, row: ValueRow) -> None:
        """End what ends with this row, which is about to be removed."""


class Provenance(Rules):
    """Written by the pipeline; what changes is only whether a row is tombstoned."""

    updatable = "include"

    def create(self, transaction: Transaction, principal: Principal, draft: Draft, found: Parents) -> Made:
        """Insert a row whose parents live in one workspace."""
        parent_of = {relationship: found[relationship.name][0] for relationship in self.resource.parents}
        if len({parent.workspace for parent in parent_of.values()}) > 1:
            names = " and ".join(relationship.name for relationship in parent_of)
            raise TenantMismatch(f"The {names} belong to different workspaces.", pointer="/data/relationships")
        keys = {relationship.column: parent.pk for relationship, parent in parent_of.items()}
        connector_state.lock(transaction, keys["workspace_connector_pk"])
        return new(writing.add(transaction, principal, self.resource, {**keys, **draft.attributes}))


class Selection(Rules):
    """Chosen by the workspace's people, matched by the platform; what is selected is matched."""

    removal: ClassVar[Mapping[str, object]] = {"is_selected": False}

    def create(self, transaction: Transaction, principal: Principal, draft: Draft, found: Parents) -> Made:
        """Insert or change the live row of the pair: a person selects by it, a service matches, unless they say."""
        (workspace,), (provider,) = found["workspace"], found["provider"]
        require_selector(principal, workspace.roles)
        if "is_selected" in draft.attributes:
            require_selecting(principal, SELECTED)
        said = {"is_selected" if isinstance(principal, Person) else "is_matched": True, **draft.attributes}
        keys = {"workspace_pk": workspace.pk, "provider_pk": provider.pk}
        flags = {name: None if name not in said else bool(said[name]) for name in ("is_selected", "is_matched")}
        chosen = writing.choose_provider(transaction, principal, self.resource, keys, **flags)
        if chosen is not None:
            _check_matched(said, chosen[0])
        return chosen

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, _draft: Draft | None) -> None:
        """Ask a person for a role in the workspace."""
        (roles,) = roles_in(transaction, principal, ("workspace", row["workspace_id"]))
        require_selector(principal, roles)

    def changes(self, principal: Principal, row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Select, match, or neither; selecting matches too."""
        said = draft.attributes
        if "is_selected" in said:
            require_selecting(principal, SELECTED)
        outcome = {"is_selected": row["is_selected"], **said}
        _check_matched(said, outcome)
        return {**said, "is_matched": True} if outcome["is_selected"] else said


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


def new(row: ValueRow | None, **also: object) -> Made:
    """Return a row that was made, with what else is known of it; None where it was not."""
    return None if row is None else (ValueRow({**row, **also}), True)


def roles_in(transaction: Transaction, principal: Principal, *keys: tuple[str, UUID]) -> list[frozenset[str]]:
    """Return the caller's roles in workspaces and groups, each by type and id; none where they do not see it."""
    found = parents.find(transaction, principal, keys)
    return [found[key].roles if key in found else frozenset() for key in keys]


def _check_matched(said: Mapping[str, object], outcome: Mapping[str, object]) -> None:
    if said.get("is_matched") is False and outcome["is_selected"]:
        raise Conflict("A selected provider is matched: deselect it first, or with it.", pointer=MATCHED)


def _caller(transaction: Transaction, principal: Principal) -> tuple[int, UUID]:
    """Return the key and the id of the person who is calling, and hold them."""
    if isinstance(principal, Person):
        parents.hold_person(transaction, principal.id)
        pk = parents.caller_pk(transaction, principal)
        if pk is not None:
            return pk, principal.id
    raise Forbidden("The platform does not know the person of this token.")
