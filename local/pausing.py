"""Takes the database of the running stack away from the functions, and gives it back.

The functions' roles may not sign in, and their sessions end, as when RDS Proxy is refused: every function answers 503
until the roles may sign in again. Postgres itself goes on, so that psql and the stack still reach it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import pg8000.native

from local.postgres import SUPERUSER

# Every role that a function signs in as: whatever may log in and is not the owner or the superuser.
_OF_FUNCTIONS = (
    "SELECT rolname FROM pg_roles WHERE rolname LIKE 'wellspring\\_%' AND rolname <> :owner ORDER BY rolname"
)


def shut_out(database_url: str) -> list[str]:
    """Refuse the functions' sign-in and end their sessions; return the roles.

    Args:
        database_url: the owner's, whose password is the superuser's too.
    """
    with _superuser(database_url) as (connection, roles):
        for role in roles:
            connection.run(f'ALTER ROLE "{role}" NOLOGIN')
        connection.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY (:roles)", roles=roles
        )
        return roles


def let_in(database_url: str) -> list[str]:
    """Let the functions sign in again; return the roles. Does nothing where they may."""
    with _superuser(database_url) as (connection, roles):
        for role in roles:
            connection.run(f'ALTER ROLE "{role}" LOGIN')
        return roles


@contextmanager
def _superuser(database_url: str) -> Iterator[tuple[pg8000.native.Connection, list[str]]]:
    url = urlsplit(database_url)
    connection = pg8000.native.Connection(
        SUPERUSER,
        host=url.hostname or "",
        port=url.port or 0,
        database="postgres",
        password=unquote(url.password or ""),
    )
    try:
        found = connection.run(_OF_FUNCTIONS, owner=unquote(url.username or ""))
        yield connection, [role for (role,) in found or []]
    finally:
        connection.close()
