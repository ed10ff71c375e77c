"""Whom a transaction signs in as, where that is not whom its function does (docs/adr/0047)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_role: ContextVar[str | None] = ContextVar("role", default=None)


@contextmanager
def signed_in_as(role: str) -> Iterator[None]:
    """Have the transactions that begin meanwhile sign in as `role`, on a connection of its own."""
    token = _role.set(role)
    try:
        yield
    finally:
        _role.reset(token)


def role_now() -> str | None:
    """Return whom a transaction that begins now signs in as; None for whom the function does."""
    return _role.get()
