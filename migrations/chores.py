"""What only the owner may do in a deployment, by name: the migration function does it, so that nobody needs psql."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, create_engine, pool

# As revision 0003 makes the first one.
_NEW_CURSOR_KEY = """
    INSERT INTO wellspring.cursor_keys (key)
    SELECT key FROM (SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS key) AS made
"""
# A key whose successor has signed for a day: no cursor of it is in use any more.
_FORGET_CURSOR_KEYS = """
    DELETE FROM wellspring.cursor_keys
    WHERE pk < (SELECT max(pk) FROM wellspring.cursor_keys WHERE created_at < now() - interval '1 day')
"""
_SIZES = """
    SELECT schemaname || '.' || relname, n_live_tup, n_dead_tup, pg_total_relation_size(relid)
    FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC, 1
"""
_CURSOR_KEYS = "SELECT count(*) FROM wellspring.cursor_keys"


def _rotate_cursor_key(owner: Connection) -> dict[str, object]:
    owner.exec_driver_sql(_NEW_CURSOR_KEY)
    return {"CursorKeys": owner.exec_driver_sql(_CURSOR_KEYS).scalar_one()}


def _forget_cursor_keys(owner: Connection) -> dict[str, object]:
    owner.exec_driver_sql(_FORGET_CURSOR_KEYS)
    return {"CursorKeys": owner.exec_driver_sql(_CURSOR_KEYS).scalar_one()}


def _sizes(owner: Connection) -> dict[str, object]:
    rows = owner.exec_driver_sql(_SIZES)
    return {name: {"Rows": live, "DeadRows": dead, "Bytes": size} for name, live, dead, size in rows}


CHORES: Mapping[str, Callable[[Connection], dict[str, object]]] = {
    "RotateCursorKey": _rotate_cursor_key,
    "ForgetCursorKeys": _forget_cursor_keys,
    "Sizes": _sizes,
}


def do(name: str, connect: Callable[[], Any]) -> dict[str, object]:
    """Do one chore in a transaction; return what it came to.

    Args:
        name: one of `CHORES`.
        connect: opens a DBAPI connection of the owner's.

    Raises:
        KeyError: there is no such chore.
        DBAPIError: SQLAlchemy's, of the chore; nothing was changed.
    """
    chore = CHORES[name]
    engine = create_engine("postgresql+pg8000://", creator=connect, poolclass=pool.NullPool)
    with engine.begin() as owner:
        return chore(owner)
