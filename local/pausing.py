"""Takes the database of the running stack away from the functions, and gives it back.

The functions' roles get no more connections, and those that they have end, as when the server has none to give: every
function answers 503 until the limit is lifted. Postgres itself goes on, so that psql and the stack still reach it.
"""

from urllib.parse import unquote, urlsplit

from local.postgres import SUPERUSER, connected

# Every role that a function signs in as: whatever may log in and is not the owner or the superuser.
_OF_FUNCTIONS = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'wellspring\\_%' AND rolname <> :owner"


def pause(database_url: str, *, is_over: bool) -> str:
    """Take the database at the owner's URL away from the functions, or give it back; return what to say of it."""
    with connected(database_url, SUPERUSER, "postgres") as connection:
        roles = [
            role for (role,) in connection.run(_OF_FUNCTIONS, owner=unquote(urlsplit(database_url).username or ""))
        ]
        for role in roles:
            connection.run(f'ALTER ROLE "{role}" CONNECTION LIMIT {-1 if is_over else 0}')
        if is_over:
            return "the functions reach the database again"
        connection.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY (:roles)", roles=roles
        )
    return "the functions cannot reach the database and answer 503; `make resume-db` ends it"
