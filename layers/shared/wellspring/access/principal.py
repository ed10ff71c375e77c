"""The caller, from the claims that API Gateway has verified, and what they mean here (docs/identity-providers.md)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from wellspring.errors import Unauthorized
from wellspring.ids import parse_id
from wellspring.settings import THE_SUBJECT, CallerSettings


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who sees the workspaces of their memberships; `id` is their public one (`peoples.id`)."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Service:
    """A program of the platform, as its token calls it, and what it was granted."""

    client_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who looks after all workspaces, while they read: they see what a service with `system:read` sees.

    Who writes is never one (`writing`), whatever their token says. `scopes` are what it is like to have been granted.
    """

    id: UUID
    scopes: frozenset[str] = frozenset({"system:read"})


type Principal = Person | Service | Operator


# OpenID Connect Core 1.0, section 2: "It MUST NOT exceed 255 ASCII characters in length." API Gateway writes an array
# as `[a b c]` and an object as `map[a:b c:d]`: neither names anybody, nor does a null or a boolean.
_SUBJECT = re.compile(r"(?!\[|map\[|(?:null|<nil>|true|false)\Z)[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")


def principal_of(claims: Mapping[str, object] | None, meaning: CallerSettings) -> Principal:
    """Return who is calling (contract, section 3).

    Whether a program calls is looked at first: it must prove it, by its subject or by a claim, and then it is no
    person, a uuid as its subject notwithstanding. Everybody else is a person, named by a uuid. Raises `Unauthorized`.
    """
    if claims:
        subject = claims.get("sub")
        if isinstance(subject, str) and _SUBJECT.fullmatch(subject) and _is_service(subject, claims, meaning):
            return Service(subject, _scopes(claims, meaning))
        named = claims.get(meaning.person_claim)
        id_ = parse_id(named) if isinstance(named, str) else None
        if id_:
            return Operator(id_) if _is_operator(claims, meaning) else Person(id_)
    raise Unauthorized("This operation needs a bearer token.")


def _is_service(subject: str, claims: Mapping[str, object], meaning: CallerSettings) -> bool:
    return subject in meaning.service_subjects or any(
        claims.get(claim) == (subject if value == THE_SUBJECT else value) for claim, value in meaning.service_claim
    )


def _is_operator(claims: Mapping[str, object], meaning: CallerSettings) -> bool:
    """Say whether a person's token has the value that makes an operator: as a text, or among those of an array."""
    if not (meaning.operator_claim and meaning.operator_value):
        return False
    value = claims.get(meaning.operator_claim)
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = value[1:-1].split(" ")
    return meaning.operator_value in ([value] if isinstance(value, str) else value if isinstance(value, list) else [])


def writing(principal: Principal) -> Person | Service:
    """Return who writes: an operator does so as the person that they are."""
    return Person(principal.id) if isinstance(principal, Operator) else principal


def _scopes(claims: Mapping[str, object], meaning: CallerSettings) -> frozenset[str]:
    """Return the scopes that the token grants, without the prefix.

    They are separated by the space of RFC 6749, section 3.3, and nothing else. `scope` is such a list; every other
    claim may also be an array, which API Gateway writes as `[a b]`.
    """
    found: set[str] = set()
    for claim in meaning.scope_claims:
        value = claims.get(claim)
        if not isinstance(value, str):
            continue
        if claim != "scope" and value.startswith("[") and value.endswith("]"):
            value = value[1:-1]
        if not value.startswith(("[", "map[")):
            found.update(value.split(" "))
    return frozenset(
        scope.removeprefix(meaning.scope_prefix) for scope in found if scope and scope.startswith(meaning.scope_prefix)
    ) - {""}


def name_of(principal: Principal) -> str:
    """Return what the service's own tables call a caller; no person has a service's name."""
    return f"service:{principal.client_id}" if isinstance(principal, Service) else f"person:{principal.id}"


# What a service works under in the database where it does not matter which; no person's id is one of these words.
SERVICE_SCOPE = "service"
# What the queue's consumer works under: it also ends rows whose parents are gone (docs/adr/0012).
PIPELINE_SCOPE = "pipeline"


def scope_of(principal: Principal) -> str:
    """Return for whom a transaction works, as the database knows it (docs/adr/0011).

    A person, an operator, whose transactions nothing but the reader's role may begin, or which service.
    """
    if isinstance(principal, Operator):
        return f"operator:{principal.id}"
    return str(principal.id) if isinstance(principal, Person) else name_of(principal)


def export_scope(workspace: UUID) -> str:
    """Return the scope of a transaction that exports one workspace: Postgres shows it that one's rows alone."""
    return f"export:{workspace}"
