"""The caller, from the claims that API Gateway has verified."""

import re
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


# OpenID Connect Core 1.0, section 2: "It MUST NOT exceed 255 ASCII characters in length."
_SUBJECT = re.compile(r"[\x20-\x7e]{1,255}")


def principal_of(claims: Mapping[str, object] | None) -> Principal:
    """Return who is calling. A `sub` that is a uuid is a person, whatever the token's scope says.

    Raises:
        Unauthorized: there are no claims, or no `sub` in them that can name anybody.
    """
    said = claims.get("sub") if claims else None
    subject = said.strip() if isinstance(said, str) else ""
    if not claims or not _SUBJECT.fullmatch(subject):
        raise Unauthorized("This operation needs a bearer token.")
    try:
        return Person(UUID(subject))
    except ValueError:
        return Service(subject, _scopes(claims.get("scope")))


def _scopes(claim: object) -> frozenset[str]:
    """Return the scopes in a space-separated list. Anything else grants nothing.

    API Gateway writes an array as `[a b c]` and an object as `map[a:b c:d]`: some of their words look like scopes.
    """
    if not isinstance(claim, str) or claim.startswith(("[", "map[")):
        return frozenset()
    return frozenset(claim.split())


# What a service works under in the database; no person's id is one of these words.
SERVICE_SCOPE = "service"
# What the queue's consumer works under: it also ends rows whose parents are gone (docs/adr/0012).
PIPELINE_SCOPE = "pipeline"


def scope_of(principal: Principal) -> str:
    """Return for whom a transaction works, as the database knows it (docs/adr/0011)."""
    return str(principal.id) if isinstance(principal, Person) else SERVICE_SCOPE
