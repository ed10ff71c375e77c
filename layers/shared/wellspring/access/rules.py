"""Access rules over claims and roles: the whole table (contract, section 3).

`permit` decides from the claims alone, before any row is looked for; the `require_...` functions decide from the roles
that the caller holds in what they see. Each raises `Forbidden` for everybody else.
"""

from collections.abc import Collection
from typing import Literal

from wellspring.access.principal import Operator, Person, Principal, Service
from wellspring.errors import Forbidden
from wellspring.resources import ROLES, Policy

type Action = Literal["read", "create", "update", "delete"]

READ = "system:read"
WRITE_PROVENANCE = "sync:write"
MATCH_PROVIDERS = "providers:match"

# Of a group, and of a workspace.
KEEPERS = frozenset({"owner", "admin"})
# Who is more than whom, among the members of a group.
RANKS = {role: rank for rank, role in enumerate(reversed(ROLES))}
SELECTORS = frozenset({"owner", "admin", "member"})


def permit(principal: Principal, policy: Policy, action: Action) -> None:
    """Let through who may do this to some row."""
    if policy in {"feed", "fleet"}:
        _permit_platform(principal, policy, action)
    elif action == "read":
        if not isinstance(principal, Person):
            _require_scope(principal, READ)
    elif policy in {"provenance", "message"}:
        if isinstance(principal, Person):
            raise Forbidden("Only the connector sync pipeline writes provenance, and releases messages.")
        _require_scope(principal, WRITE_PROVENANCE)
    elif policy == "enrolment" and action == "update":
        raise Forbidden("An enrolment is never changed: withdraw it and enrol again.")
    elif policy == "selection" and not isinstance(principal, Person):
        if action == "delete":
            raise Forbidden("A service marks providers as matched; it removes none.")
        _require_scope(principal, MATCH_PROVIDERS)
    elif not isinstance(principal, Person):
        raise Forbidden("Only a person makes and keeps groups, and decides about their members and workspaces.")


def _permit_platform(principal: Principal, policy: Policy, action: Action) -> None:
    if isinstance(principal, Person):
        seen = "the platform's feed" if policy == "feed" else "the fleet"
        raise Forbidden(f"Only services and operators see {seen}.")
    _require_scope(principal, READ if action == "read" else WRITE_PROVENANCE)


def may_read(principal: Principal) -> bool:
    """Say whether the caller may read what they see; a service may write without that."""
    return isinstance(principal, Person) or READ in principal.scopes


def permit_include(principal: Principal, include: Collection[str] | None) -> None:
    """Let a write's answer include paths for who may read them (contract, section 4)."""
    if include and not may_read(principal):
        raise Forbidden(f"Including other resources needs the scope {READ}.", parameter="include")


def require_reading(principal: Principal) -> None:
    """Let through whoever changes nothing, and may read: the answer is a reading of what is there."""
    if not may_read(principal):
        raise Forbidden(f"This changes nothing, and reading what is there needs the scope {READ}.")


def _require_scope(program: Service | Operator, scope: str) -> None:
    if scope not in program.scopes:
        raise Forbidden(f"This needs the scope {scope}.")


# ---- roles: the active ones of the caller, in a workspace direct ones alone ---------------------------------
def require_group_keeper(roles: Collection[str]) -> None:
    """Let through an owner or admin of the group."""
    if not KEEPERS & set(roles):
        raise Forbidden("This needs the role of an owner or admin of the group.")


def require_own_workspace(roles: Collection[str], pointer: str | None) -> None:
    """Let through an owner or admin of the workspace, which `pointer` names; seeing it through a group does not do."""
    if not KEEPERS & set(roles):
        detail = (
            "Enrolling a workspace opens it to the group, and needs the role of an owner or admin of the workspace."
        )
        raise Forbidden(detail, pointer=pointer)


def require_withdrawer(in_group: Collection[str], in_workspace: Collection[str]) -> None:
    """Let through who may withdraw a workspace from a group: an owner or admin of either."""
    if not KEEPERS & {*in_group, *in_workspace}:
        raise Forbidden("This needs the role of an owner or admin of the group, or of the workspace.")


def require_workspace_keeper(principal: Principal, roles: Collection[str]) -> None:
    """Let through who may read what others did: an owner or admin of the workspace that they name, or a service."""
    if isinstance(principal, Person) and not KEEPERS & set(roles):
        detail = "This needs the role of an owner or admin of the workspace: name one of yours by filter[workspace]."
        raise Forbidden(detail, parameter="filter[workspace]")


def require_group_owner(roles: Collection[str]) -> None:
    """Let through an owner of the group."""
    if "owner" not in roles:
        raise Forbidden("This needs the role of an owner of the group.")


def require_no_more(roles: Collection[str], role: str, pointer: str | None = None) -> None:
    """Let through who is at least what another member of the group is, or would be by what `pointer` leads to."""
    if max((RANKS[held] for held in roles), default=-1) < RANKS[role]:
        raise Forbidden(f"Nobody decides about somebody who is more than they are: {role}.", pointer=pointer)


def require_selector(principal: Principal, roles: Collection[str]) -> None:
    """Let through who may choose a workspace's providers: an owner, admin or member, or the matching service."""
    if isinstance(principal, Person) and not SELECTORS & set(roles):
        raise Forbidden("Choosing providers needs the role of an owner, admin or member of the workspace.")


def require_selecting(principal: Principal, pointer: str) -> None:
    """Let through who may say whether a provider is selected: not the matching service."""
    if isinstance(principal, Service):
        raise Forbidden("A service says only whether a provider is matched.", pointer=pointer)
