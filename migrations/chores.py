"""Chores of the owner in a deployment, by name: the migration function does it, so that nobody needs psql."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, create_engine, pool, text

from wellspring.resources import records

type Arguments = Mapping[str, Any]

# As revision 0007 makes the first one.
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

# No role of a function may write an id. The row stays, dead and under another id, because rows of provenance name it.
_GIVE_UP = """
    UPDATE core_api.{table} AS row
    SET id = uuidv7(), deleted_at = coalesce(deleted_at, now()), updated_at = now()
    WHERE id = :id AND source IS NULL
    RETURNING pk, new.id
"""
# Also where it was dead already: a sweep that finds nothing costs nothing.
_END_ITS_ROWS = "INSERT INTO wellspring.endings (type, of_pk) VALUES (:type, :pk)"
# They named the person whom the source means. Of no version, so that they have an effect when they are sent again.
_END_MEMBERSHIPS = """
    WITH ended AS (
      UPDATE core_api.workspace_memberships
      SET deleted_at = coalesce(deleted_at, now()), updated_at = now(), source_version = 0
      WHERE people_pk = :pk
      RETURNING source, old.deleted_at IS NULL AS was_live
    ), counted AS (
      UPDATE wellspring.feed_sources AS known SET live = known.live - lost.live
      FROM (SELECT source, count(*) AS live FROM ended WHERE was_live GROUP BY source) AS lost
      WHERE known.source = lost.source AND known.type = 'workspace_membership'
    )
    SELECT count(*) FROM ended
"""
_END_GROUP_MEMBERSHIPS = """
    UPDATE core_api.workspace_group_memberships SET deleted_at = now(), updated_at = now()
    WHERE people_pk = :pk AND deleted_at IS NULL
"""


def _rotate_cursor_key(owner: Connection, _arguments: Arguments) -> dict[str, object]:
    owner.exec_driver_sql(_NEW_CURSOR_KEY)
    return {"CursorKeys": owner.exec_driver_sql(_CURSOR_KEYS).scalar_one()}


def _forget_cursor_keys(owner: Connection, _arguments: Arguments) -> dict[str, object]:
    owner.exec_driver_sql(_FORGET_CURSOR_KEYS)
    return {"CursorKeys": owner.exec_driver_sql(_CURSOR_KEYS).scalar_one()}


def _sizes(owner: Connection, _arguments: Arguments) -> dict[str, object]:
    rows = owner.exec_driver_sql(_SIZES)
    return {name: {"Rows": live, "DeadRows": dead, "Bytes": size} for name, live, dead, size in rows}


def _give_up_id(owner: Connection, arguments: Arguments) -> dict[str, object]:
    """Give up the id of a record that only a sync made, so that the feed can make it where it belongs.

    Source: contract, section 6, "a tenant never moves".

    Args:
        owner: the connection.
        arguments: `Type`, a record type, and `Id`.

    Returns:
        `GivenUp`, 0 where no such record is there or a source has told of it; of one that is given up the id that it
        has now, and how many memberships are to be sent again.
    """
    type_, id_ = arguments["Type"], UUID(arguments["Id"])
    tables = {record.type: record.table for record in records()}
    row = owner.execute(text(_GIVE_UP.format(table=tables[type_])), {"id": id_}).one_or_none()
    if row is None:
        return {"GivenUp": 0}
    owner.execute(text(_END_ITS_ROWS), {"type": type_, "pk": row.pk})
    memberships = 0
    if type_ == "people":
        memberships = owner.execute(text(_END_MEMBERSHIPS), {"pk": row.pk}).scalar_one()
        owner.execute(text(_END_GROUP_MEMBERSHIPS), {"pk": row.pk})
    return {"GivenUp": 1, "Id": str(row.id), "Memberships": memberships}


CHORES: Mapping[str, Callable[[Connection, Arguments], dict[str, object]]] = {
    "GiveUpId": _give_up_id,
    "RotateCursorKey": _rotate_cursor_key,
    "ForgetCursorKeys": _forget_cursor_keys,
    "Sizes": _sizes,
}


def do(name: str, arguments: Arguments, connect: Callable[[], Any]) -> dict[str, object]:
    """Do one chore in a transaction; return what it came to.

    Args:
        name: one of `CHORES`.
        arguments: what it is told beside its name.
        connect: opens a DBAPI connection of the owner's.

    Raises:
        KeyError: there is no such chore, or it lacks an argument.
        ValueError: an argument is not what it should be.
        DBAPIError: SQLAlchemy's, of the chore; nothing was changed.
    """
    chore = CHORES[name]
    engine = create_engine("postgresql+pg8000://", creator=connect, poolclass=pool.NullPool)
    with engine.begin() as owner:
        return chore(owner, arguments)
