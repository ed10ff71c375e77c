"""The JWT authorizer of an API Gateway HTTP API.

The rules are API Gateway's: RS256 only, a key named by `kid`, the issuer and the audience of template.yaml (or, in a
token without `aud`, `client_id`), and `exp`, `nbf` and `iat` against the clock.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

type FindKey = Callable[[str], RSAPublicKey | None]


class UnauthorizedError(Exception):
    """The request carries no token, or one that is not to be believed."""


class JwtAuthorizer:
    """Checks bearer tokens. `find_key` gives the issuer's public key of a key id, or None."""

    def __init__(self, issuer: str, audience: Sequence[str], find_key: FindKey) -> None:
        self._issuer = issuer
        self._audience = frozenset(audience)
        self._find_key = find_key

    def claims(self, authorization: str | None) -> dict[str, str]:
        """Return the claims of the token in the Authorization header; raise UnauthorizedError without a good one.

        The prefix `Bearer` may be absent, as API Gateway allows. Every value is text, as API Gateway hands it on.
        """
        scheme, _, token = (authorization or "").strip().rpartition(" ")
        if not token or scheme.strip().lower() not in {"", "bearer"}:
            raise UnauthorizedError("no bearer token")
        try:
            claims = self._verified(token)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise UnauthorizedError(str(error)) from error
        if claims.get("iss") != self._issuer:
            raise UnauthorizedError("another issuer")
        audience = claims["aud"] if "aud" in claims else claims.get("client_id")
        named = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(name, str) and name in self._audience for name in named):
            raise UnauthorizedError("another audience")
        return {name: as_text(value) for name, value in claims.items()}

    def _verified(self, token: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token).get("kid")
        key = self._find_key(kid) if isinstance(kid, str) else None
        if key is None:
            raise UnauthorizedError("an unknown key")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            # Checked above, by API Gateway's rules, which are not PyJWT's.
            options={
                "require": ["exp"],
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
        return claims


def as_text(value: Any) -> str:
    """Return a claim's value as API Gateway writes it into the event: `[a b]` for a list, `true` for a truth."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case None:
            return "null"
        case list():
            return "[" + " ".join(as_text(item) for item in value) + "]"
        case dict():
            return "map[" + " ".join(f"{key}:{as_text(item)}" for key, item in value.items()) + "]"
    return str(value)
