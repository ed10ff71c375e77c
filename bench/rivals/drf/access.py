"""Access rules, as far as the bench asks for them."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission

from bench.rivals.tokens import Caller, caller_of


class TokenAuthentication(BaseAuthentication):
    """Bearer tokens."""

    def authenticate(self, request: Any) -> tuple[Caller, None]:
        """Return who asks."""
        caller = caller_of(request.headers.get("Authorization", ""))
        if caller is None:
            raise AuthenticationFailed
        return caller, None

    def authenticate_header(self, request: Any) -> str:  # noqa: ARG002  the framework's signature
        """Return what a 401 asks for."""
        return "Bearer"


class MayAsk(BasePermission):
    """Everybody reads what they see; a service with the scope writes."""

    def has_permission(self, request: Any, view: Any) -> bool:  # noqa: ARG002  the framework's signature
        """Say whether the caller may do this at all."""
        return request.method in SAFE_METHODS or "sync:write" in request.user.scopes
