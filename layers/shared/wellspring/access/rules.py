"""Who may do what (contract, section 3): the whole table, as rules over claims and roles.

`permit` decides from the claims alone, before any row is looked for; the `require_...` functions decide from the roles
that the caller holds in what they see.
"""

from collections.abc import Collection
from typing import Literal

from wellspring.access.principal import Person, Principal, Service
from wellspring.errors import Forbidden
from wellspring.resources import Policy

type Action = Literal["read", "create", "update", "delete"]

READ = "system:read"
WRITE_PROVENANCE = "sync:write"
MATCH_PROVIDERS = "providers:match"

GROUP_KEEPERS = frozenset({"owner", "admin"})
SELECTORS = frozenset({"owner", "admin", "member"})


def permit(principal: Principal, policy: Policy, action: Action) -> None:
    """Let through who may do this to some row.

    Raises:
        Forbidden: the caller may do it to none.
    """
    if policy == "feed":
        _permit_feed(principal, action)
    elif action == "read":
        if isinstance(principal, Service):
            _require_scope(principal, READ)
    elif policy == "provenance":
        if isinstance(principal, Person):
            raise Forbidden("Only the connector sync pipeline writes provenance.")
        _require_scope(principal, WRITE_PROVENANCE)
    elif policy == "enrolment" and action == "update":
        raise Forbidden("An enrolment is never changed: withdraw it and enrol again.")
    elif policy == "selection" and isinstance(principal, Service):
        if action == "delete":
            raise Forbidden("A service marks providers as matched; it removes none.")
        _require_scope(principal, MATCH_PROVIDERS)
    elif isinstance(principal, Service):
        raise Forbidden("Only a person makes groups, enrols workspaces and withdraws them.")


def _permit_feed(principal: Principal, action: Action) -> None:
    if isinstance(principal, Person):
        raise Forbidden("Only services see the platform's feed.")
    _require_scope(principal, READ if action == "read" else WRITE_PROVENANCE)


def may_read(principal: Principal) -> bool:
    """Say whether the caller may read what they see; a service may write without that."""
    return isinstance(principal, Person) or READ in principal.scopes


def permit_include(principal: Principal, include: Collection[str] | None) -> None:
    """Let a write's answer include what its caller may read (contract, section 4).

    Args:
        principal: the caller, permitted to write.
        include: the relationship paths to include.

    Raises:
        Forbidden: a service that may write, and read nothing.
    """
    if include and not may_read(principal):
        raise Forbidden(f"Including other resources needs the scope {READ}.", parameter="include")


def require_reading(principal: Principal) -> None:
    """Let through whoever changes nothing: the answer is a reading of what is there.

    Raises:
        Forbidden: a service that may write, and read nothing.
    """
    if not may_read(principal):
        raise Forbidden(f"This changes nothing, and reading what is there needs the scope {READ}.")


def _require_scope(service: Service, scope: str) -> None:
    if scope not in service.scopes:
        raise Forbidden(f"This needs the scope {scope}.")


def require_group_keeper(roles: Collection[str]) -> None:
    """Let through an owner or admin of the group.

    Args:
        roles: the caller's active roles in the group.

    Raises:
        Forbidden: they are neither.
    """
    if not GROUP_KEEPERS & set(roles):
        raise Forbidden("This needs the role of an owner or admin of the group.")


def require_own_workspace(roles: Collection[str], pointer: str | None) -> None:
    """Let through a direct member of the workspace; seeing it through a group does not do.

    Args:
        roles: the caller's active direct roles in the workspace.
        pointer: where the document names the workspace.

    Raises:
        Forbidden: they are no direct member.
    """
    if not roles:
        raise Forbidden("Enrolling a workspace needs an active membership of it.", pointer=pointer)


def require_selector(principal: Principal, roles: Collection[str]) -> None:
    """Let through who may choose a workspace's providers: a direct owner, admin or member, or the matching service.

    Args:
        principal: the caller, already permitted to write some workspace's providers.
        roles: their active direct roles in the workspace.

    Raises:
        Forbidden: a person without such a role.
    """
    if isinstance(principal, Person) and not SELECTORS & set(roles):
        raise Forbidden("Choosing providers needs the role of an owner, admin or member of the workspace.")


def require_selecting(principal: Principal, pointer: str) -> None:
    """Let through who may say whether a provider is selected.

    Raises:
        Forbidden: the matching service, which says only what is matched.
    """
    if isinstance(principal, Service):
        raise Forbidden("A service says only whether a provider is matched.", pointer=pointer)
