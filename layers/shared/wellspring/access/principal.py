"""The caller, from the claims that API Gateway has verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from wellspring.errors import Unauthorized


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who sees the workspaces of their memberships.

    Attributes:
        id: their public id (`peoples.id`).
    """

    id: UUID


@dataclass(frozen=True, slots=True)
class Service:
    """A program of the platform.

    Attributes:
        client_id: what its token calls it.
        scopes: what it was granted.
    """

    client_id: str
    scopes: frozenset[str]


type Principal = Person | Service


def principal_of(claims: Mapping[str, object] | None) -> Principal:
    """Return who is calling. A `sub` that is a uuid is a person, whatever the token's scope says.

    Raises:
        Unauthorized: there are no claims, or no `sub` in them.
    """
    subject = claims.get("sub") if claims else None
    if not claims or not isinstance(subject, str) or not subject.strip():
        raise Unauthorized("This operation needs a bearer token.")
    try:
        return Person(UUID(subject))
    except ValueError:
        scope = claims.get("scope")
        return Service(subject, frozenset(scope.split() if isinstance(scope, str) else ()))


# What a service works under in the database; no person's id is this word.
SERVICE_SCOPE = "service"


def scope_of(principal: Principal) -> str:
    """Return for whom a transaction works, as the database knows it (docs/adr/0011)."""
    return str(principal.id) if isinstance(principal, Person) else SERVICE_SCOPE
