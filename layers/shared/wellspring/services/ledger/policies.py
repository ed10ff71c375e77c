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
    require_selecting,
    require_selector,
)
from wellspring.database import Transaction
from wellspring.database.flush import ValueRow
from wellspring.errors import Conflict, TenantMismatch
from wellspring.queries import Deleted, Draft
from wellspring.repositories import connector_state, parents, writing
from wellspring.repositories.parents import Parent
from wellspring.resources import Resource

type Parents = Mapping[str, Sequence[Parent]]
# A row's `id` and attributes, and whether it is new; None where something that it names has gone since it was found, so
# that what was written is to be rolled back.
type Made = tuple[ValueRow, bool] | None

SELECTED, MATCHED = "/data/attributes/is_selected", "/data/attributes/is_matched"


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
        attributes = {"is_selected" if isinstance(principal, Person) else "is_matched": True, **draft.attributes}
        keys = {"workspace_pk": workspace.pk, "provider_pk": provider.pk}
        named = ("is_selected", "is_matched")
        flags = {name: bool(attributes[name]) if name in attributes else None for name in named}
        chosen = writing.choose_provider(transaction, principal, self.resource, keys, **flags)
        if chosen is not None:
            _check_matched(attributes, chosen[0])
        return chosen

    def guard(self, transaction: Transaction, principal: Principal, row: ValueRow, _draft: Draft | None) -> None:
        """Ask a person for a role in the workspace."""
        (roles,) = roles_in(transaction, principal, ("workspace", row["workspace_id"]))
        require_selector(principal, roles)

    def changes(self, principal: Principal, row: ValueRow, draft: Draft) -> Mapping[str, object]:
        """Select, match, or neither; selecting matches too."""
        changes = draft.attributes
        if "is_selected" in changes:
            require_selecting(principal, SELECTED)
        outcome = {"is_selected": row["is_selected"], **changes}
        _check_matched(changes, outcome)
        return {**changes, "is_matched": True} if outcome["is_selected"] else changes


def new(row: ValueRow | None, **also: object) -> Made:
    """Return a row that was made, with what else is known of it; None where it was not."""
    return None if row is None else (ValueRow({**row, **also}), True)


def roles_in(transaction: Transaction, principal: Principal, *keys: tuple[str, UUID]) -> list[frozenset[str]]:
    """Return the caller's roles in workspaces and groups, each by type and id; none where they do not see it."""
    found = parents.find(transaction, principal, keys)
    return [found[key].roles if key in found else frozenset() for key in keys]


def _check_matched(changes: Mapping[str, object], outcome: Mapping[str, object]) -> None:
    if changes.get("is_matched") is False and outcome["is_selected"]:
        raise Conflict("A selected provider is matched: deselect it first, or with it.", pointer=MATCHED)
