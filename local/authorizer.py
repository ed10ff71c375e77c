"""The JWT authorizer of an API Gateway HTTP API.

The rules are API Gateway's: RS256 only, a key named by `kid`, the issuer and the audience of template.yaml (or, in a
token without `aud`, `client_id`), and `exp`, `nbf` and `iat` against the clock.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

type FindKey = Callable[[str], RSAPublicKey | None]

# RFC 7515, section 2: base64url "with all trailing '=' characters omitted ... and without the inclusion of any line
# breaks, whitespace, or other additional characters". PyJWT takes them.
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")


class UnauthorizedError(Exception):
    """The request carries no token, or one that is not to be believed.

    Attributes:
        challenge: the value of `www-authenticate`: `Bearer` where there is no token, else with the reason.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "no bearer token")
        # Its value is quoted, and no header holds what cannot be printed.
        said = "".join(char for char in reason if char.isascii() and char.isprintable()).replace('"', "'")
        self.challenge = f'Bearer scope="" error="invalid_token" error_description="{said}"' if reason else "Bearer"


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
            raise UnauthorizedError
        try:
            claims = self._verified(token)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise UnauthorizedError(_reason(error)) from error
        if claims.get("iss") != self._issuer:
            raise UnauthorizedError("the token's iss is not the issuer of this API")
        if not isinstance(claims.get("sub"), str | None):
            # RFC 7519, section 4.1.2: "a case-sensitive string".
            raise UnauthorizedError("the token's sub is not a text")
        audience = claims["aud"] if "aud" in claims else claims.get("client_id")
        named = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(name, str) and name in self._audience for name in named):
            raise UnauthorizedError("the token does not have a valid audience")
        # A claim that is null says nothing, and must not become the word.
        return {name: as_text(value) for name, value in claims.items() if value is not None}

    def _verified(self, token: str) -> dict[str, Any]:
        _check_form(token)
        kid = jwt.get_unverified_header(token).get("kid")
        key = self._find_key(kid) if isinstance(kid, str) else None
        if key is None:
            raise UnauthorizedError("the token's kid is not a key of the issuer")
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


def _check_form(token: str) -> None:
    """Raise `ValueError` unless a token is of three parts in base64url, two of which are objects in UTF-8.

    `json.loads` finds out by itself which encoding bytes are in; RFC 7519, sections 3 and 7.2, has UTF-8 alone.
    """
    parts = _COMPACT.fullmatch(token)
    if not parts:
        raise ValueError(token)
    for part in parts.groups():
        if not isinstance(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()), dict):
            raise TypeError(part)


def _reason(error: Exception) -> str:
    """Return why a token is not believed, in API Gateway's words where its documentation has them."""
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet"
        case jwt.InvalidSignatureError():
            return "the token's signature does not match its key"
        case jwt.InvalidAlgorithmError():
            return "the token is not signed by RS256"
        case jwt.MissingRequiredClaimError():
            return f"the token has no {error.claim}"
    return "the token is not a JWT"


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
