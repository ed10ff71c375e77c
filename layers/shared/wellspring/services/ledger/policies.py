"""The rules of each kind of object (contract, sections 3 and 4): what its creation, change and removal ask and do.

A junction object that follows one of these kinds needs no rule of its own.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol
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

SELECTED, MATCHED = "/data/attributes/is_selected", "/data/attributes/is_matched"
ROLE = "/data/attributes/role"


class Rules(Protocol):
    """What differs between the kinds.

    Attributes:
        updatable: which rows an update finds.
        removal: what a removal changes beside the deletion's time.
    """

    updatable: ClassVar[Deleted]
    removal: ClassVar[Mapping[str, object]]

    def create(
        self, transaction: Transaction, principal: Principal, resource: Resource, draft: Draft, found: Parents
    ) -> tuple[ValueRow, bool] | None:
        """Write what a draft says. Return the row's `id` and attributes, and whether it is new.

        None where something that it names has gone since it was found; what was written is to be rolled back then.
        """

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, draft: Draft | None) -> None:
        """Let through who may change this row as a draft says, or remove it where there is none. Raises `Forbidden`.

        Raises `Conflict` where nobody may, as things stand.
        """

    def changes(self, principal: Principal, row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Return the columns to change. Raises `WellspringError` where the outcome may not be."""

    def end_with(self, transaction: Transaction, row: ValueRow) -> None:
        """End what ends with this row, which is about to be removed."""


class _EndsAlone:
    """What nothing ends with."""

    def end_with(self, _transaction: Transaction, _row: ValueRow) -> None:
        """End nothing else."""


class Provenance(_EndsAlone):
    """Written by the pipeline; what changes is only whether a row is tombstoned."""

    updatable: ClassVar[Deleted] = "include"
    removal: ClassVar[Mapping[str, object]] = {}

    def create(
        self, transaction: Transaction, principal: Principal, resource: Resource, draft: Draft, found: Parents
    ) -> tuple[ValueRow, bool] | None:
        """Insert a row whose parents live in one workspace."""
        parent_of = {relationship: found[relationship.name][0] for relationship in resource.parents}
        if len({parent.workspace for parent in parent_of.values()}) > 1:
            names = " and ".join(relationship.name for relationship in parent_of)
            raise TenantMismatch(f"The {names} belong to different workspaces.", pointer="/data/relationships")
        keys = {relationship.column: parent.pk for relationship, parent in parent_of.items()}
        connector_state.lock(transaction, keys["workspace_connector_pk"])
        return _new(writing.add(transaction, principal, resource, {**keys, **draft.attributes}))

    def guard(self, _transaction: Transaction, _principal: Principal, _row: ValueRow, _draft: Draft | None) -> None:
        """Ask for nothing beyond what `access.rules.permit` did."""

    def changes(self, _principal: Principal, _row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Change what is said."""
        return draft.attributes


class Enrolment(_EndsAlone):
    """Made by a keeper of the group who keeps the workspace, too; never changed."""

    updatable: ClassVar[Deleted] = "exclude"
    removal: ClassVar[Mapping[str, object]] = {}

    def create(
        self, transaction: Transaction, principal: Principal, resource: Resource, draft: Draft, found: Parents
    ) -> tuple[ValueRow, bool] | None:
        """Insert a row through both gates. A live one of the same pair violates the database's constraint."""
        (group,), (workspace,) = found["workspace_group"], found["workspace"]
        require_group_keeper(group.roles)
        require_own_workspace(workspace.roles, _pointers(draft).get(workspace.id))
        keys = {
            "workspace_group_pk": group.pk,
            "workspace_pk": workspace.pk,
            "created_by_pk": _caller(transaction, principal),
        }
        return _new(writing.add(transaction, principal, resource, keys), created_by_id=_id(principal))

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, _draft: Draft | None) -> None:
        """Ask for a keeper of the group or of the workspace; who sees the row through one may not see the other."""
        keys = [("workspace_group", row["workspace_group_id"]), ("workspace", row["workspace_id"])]
        found = parents.find(transaction, principal, keys)
        in_group, in_workspace = (found[key].roles if key in found else frozenset() for key in keys)
        require_withdrawer(in_group, in_workspace)

    def changes(self, _principal: Principal, _row: ValueRow, _draft: Draft) -> Mapping[str, object]:
        """Change nothing: `access.rules.permit` lets nobody come here."""
        raise Forbidden("An enrolment is never changed.")


class Selection(_EndsAlone):
    """Chosen by the workspace's people, matched by the platform; what is selected is matched."""

    updatable: ClassVar[Deleted] = "exclude"
    removal: ClassVar[Mapping[str, object]] = {"is_selected": False}

    def create(
        self, transaction: Transaction, principal: Principal, resource: Resource, draft: Draft, found: Parents
    ) -> tuple[ValueRow, bool] | None:
        """Insert or change the live row of the pair: a person selects by it, a service matches, unless they say."""
        (workspace,), (provider,) = found["workspace"], found["provider"]
        require_selector(principal, workspace.roles)
        if "is_selected" in draft.attributes:
            require_selecting(principal, SELECTED)
        said = {"is_selected" if isinstance(principal, Person) else "is_matched": True, **draft.attributes}
        chosen = writing.choose_provider(
            transaction,
            principal,
            resource,
            {"workspace_pk": workspace.pk, "provider_pk": provider.pk},
            is_selected=_flag(said, "is_selected"),
            is_matched=_flag(said, "is_matched"),
        )
        if chosen is not None:
            _check_matched(said, chosen[0])
        return chosen

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, _draft: Draft | None) -> None:
        """Ask a person for a role in the workspace."""
        key = ("workspace", row["workspace_id"])
        workspace = parents.find(transaction, principal, [key]).get(key)
        require_selector(principal, workspace.roles if workspace else ())

    def changes(self, principal: Principal, row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Select, match, or neither; selecting matches too."""
        said = draft.attributes
        if "is_selected" in said:
            require_selecting(principal, SELECTED)
        outcome = {"is_selected": row["is_selected"], **said}
        _check_matched(said, outcome)
        return {**said, "is_matched": True} if outcome["is_selected"] else said


class Group:
    """Made by anybody, who becomes its owner, together with its first enrolments."""

    updatable: ClassVar[Deleted] = "exclude"
    removal: ClassVar[Mapping[str, object]] = {}

    def create(
        self, transaction: Transaction, principal: Principal, _resource: Resource, draft: Draft, found: Parents
    ) -> tuple[ValueRow, bool] | None:
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
        owner = _caller(transaction, principal)
        pks = list(dict.fromkeys(workspace.pk for workspace in workspaces))
        row = groups.make(transaction, principal, str(draft.attributes["name"]), owner, pks)
        return _new(row, created_by_id=_id(principal))

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, draft: Draft | None) -> None:
        """Ask for a keeper to rename it, and for an owner to delete it; the group's row is locked."""
        roles = _roles_in_group(transaction, principal, row["id"])
        if draft is None:
            require_group_owner(roles)
        else:
            require_group_keeper(roles)

    def changes(self, _principal: Principal, _row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Rename it."""
        return draft.attributes

    def end_with(self, transaction: Transaction, row: ValueRow) -> None:
        """End its enrolments and memberships: whoever reads them needs a live group."""
        groups.end(transaction, row["id"])


class Member(_EndsAlone):
    """Added, changed and removed by keepers of the group, who are no less than the member is or would be.

    All of it is decided under the lock of the group's row (`writing`): of two owners that leave at once, one stays.
    """

    updatable: ClassVar[Deleted] = "exclude"
    removal: ClassVar[Mapping[str, object]] = {}

    def create(
        self, transaction: Transaction, principal: Principal, resource: Resource, draft: Draft, found: Parents
    ) -> tuple[ValueRow, bool] | None:
        """Insert an active membership. A live one of the same pair violates the database's constraint."""
        (people,), (group,) = found["people"], found["workspace_group"]
        require_group_keeper(group.roles)
        require_no_more(group.roles, str(draft.attributes["role"]), ROLE)
        keys = {"people_pk": people.pk, "workspace_group_pk": group.pk}
        return _new(writing.add(transaction, principal, resource, {**keys, **draft.attributes, "status": "active"}))

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, draft: Draft | None) -> None:
        """Ask for a keeper who is no less than the member is, and is to be; all but the last owner may leave."""
        leaves = draft is None and isinstance(principal, Person) and row["people_id"] == principal.id
        role = row["role"] if draft is None else draft.attributes.get("role", row["role"])
        if not leaves:
            roles = _roles_in_group(transaction, principal, row["workspace_group_id"])
            require_group_keeper(roles)
            require_no_more(roles, row["role"])
            require_no_more(roles, str(role), ROLE)
        if row["role"] == "owner" and (draft is None or role != "owner"):
            others = groups.owners(transaction, row["workspace_group_id"], besides=row["id"])
            if not others:
                raise Conflict("The group would have no owner.", pointer=None if draft is None else ROLE)

    def changes(self, _principal: Principal, _row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Change the role."""
        return draft.attributes


RULES: Mapping[str, Rules] = {
    "provenance": Provenance(),
    "enrolment": Enrolment(),
    "selection": Selection(),
    "group": Group(),
    "member": Member(),
}


def _new(row: ValueRow | None, **also: object) -> tuple[ValueRow, bool] | None:
    """Return a row that was made, with what else is known of it; None where it was not."""
    return None if row is None else (ValueRow({**row, **also}), True)


def _roles_in_group(transaction: Transaction, principal: Principal, id_: UUID) -> frozenset[str]:
    key = ("workspace_group", id_)
    group = parents.find(transaction, principal, [key]).get(key)
    return group.roles if group else frozenset()


def _caller(transaction: Transaction, principal: Principal) -> int:
    pk = parents.caller_pk(transaction, principal) if isinstance(principal, Person) else None
    if pk is None:
        raise Forbidden("The platform does not know the person of this token.")
    return pk


def _id(principal: Principal) -> object:
    return principal.id if isinstance(principal, Person) else None


def _pointers(draft: Draft) -> dict[object, str | None]:
    return {reference.id: reference.pointer for reference in draft.references}


def _flag(said: Mapping[str, object], name: str) -> bool | None:
    value = said.get(name)
    return None if value is None else bool(value)


def _check_matched(said: Mapping[str, object], outcome: Mapping[str, object]) -> None:
    if said.get("is_matched") is False and outcome["is_selected"]:
        raise Conflict("A selected provider is matched: deselect it first, or with it.", pointer=MATCHED)
