"""Takes the database of the running stack away from the functions, and gives it back.

The functions' roles get no more connections, and those that they have end, as when the server has none to give: every
function answers 503 until the limit is lifted. Postgres itself goes on, so that psql and the stack still reach it.
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
    """Give the functions no connections and end those they have; return the roles.

    Args:
        database_url: the owner's, whose password is the superuser's too.
    """
    with _superuser(database_url) as (connection, roles):
        for role in roles:
            connection.run(f'ALTER ROLE "{role}" CONNECTION LIMIT 0')
        connection.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY (:roles)", roles=roles
        )
        return roles


def let_in(database_url: str) -> list[str]:
    """Give the functions connections again; return the roles. Does nothing where they have them."""
    with _superuser(database_url) as (connection, roles):
        for role in roles:
            connection.run(f'ALTER ROLE "{role}" CONNECTION LIMIT -1')
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
