"""Authentication: the token that the local gateway checks for the product, checked in the same way."""

import os
from dataclasses import dataclass
from pathlib import Path

import jwt

AUDIENCE = "wellspring"
_KEY = Path(os.environ["TOKEN_KEY"]).read_bytes()
_ISSUER = os.environ["TOKEN_ISSUER"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or a service.

    Attributes:
        sub: a person's id, or a service's name.
        scopes: of a service.
    """

    sub: str
    scopes: frozenset[str]


def caller_of(authorization: str) -> Caller | None:
    """Return who the Authorization header names, None without a token that is to be believed."""
    _, _, token = authorization.partition(" ")
    try:
        claims = jwt.decode(token, _KEY, algorithms=["RS256"], audience=AUDIENCE, issuer=_ISSUER)
    except jwt.InvalidTokenError:
        return None
    return Caller(claims["sub"], frozenset(claims.get("scope", "").split()))
