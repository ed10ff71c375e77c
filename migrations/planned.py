"""The functions that hold the statements sent most often, made with the schema (docs/adr/0030).

Each is made from the SQLAlchemy statement itself, as the driver would get it, and is named by its text's hash: code and
function cannot disagree. What a release does not know any more stays for the functions of the release before, which run
on for a while.
"""

import re
from typing import Any

from pg8000.dbapi import convert_paramstyle
from sqlalchemy import Connection, Select, text

from wellspring.database.planned import SCHEMA, name_of
from wellspring.repositories.ledger.hot import hot_statements

ROLES = ("wellspring_reader", "wellspring_writer")
# What is not known any more goes when it has not been for so long: no function of a release before lives then.
KEPT = "1 day"
_PROBE = "planned_probe"
_SINCE = re.compile(r"unused since (.*)")


def make(owner: Connection) -> list[str]:
    """Make the functions that are missing, and drop those that nobody knows any more.

    Args:
        owner: a transaction of the schema's owner, past the proxy.

    Returns:
        The names of those that are there for the statements of today.
    """
    owner.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    owner.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {', '.join(ROLES)}")
    there = {row.proname: row.said for row in owner.execute(text(_THERE), {"schema": SCHEMA})}
    wanted: dict[str, tuple[str, Select[Any], str]] = {}
    for what, statement in hot_statements():
        compiled = statement.compile(owner)
        wanted[name_of(str(compiled))] = (what, statement, str(compiled))
    for name, (what, statement, sent) in wanted.items():
        if name not in there:
            _create(owner, name, statement, sent)
        if there.get(name) != what:
            _comment(owner, name, what)
    for name in there.keys() - wanted.keys():
        since = _SINCE.fullmatch(there[name] or "")
        if since is None:
            _comment(owner, name, f"unused since {owner.execute(text('SELECT now()::text')).scalar_one()}")
        elif owner.execute(text(_IS_OLD), {"since": since[1], "kept": KEPT}).scalar_one():
            owner.exec_driver_sql(f"DROP FUNCTION {SCHEMA}.{name}")
    return list(wanted)


def drop(owner: Connection) -> None:
    """Drop the functions and their schema: whoever knows them sends the statements as text from then on."""
    owner.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


_THERE = """
SELECT proname, obj_description(oid, 'pg_proc') AS said
  FROM pg_catalog.pg_proc
 WHERE pronamespace = to_regnamespace(:schema)
"""
_IS_OLD = "SELECT CAST(:since AS timestamptz) < now() - CAST(:kept AS interval)"


def _create(owner: Connection, name: str, statement: Select[Any], sent: str) -> None:
    body, _ = convert_paramstyle("format", sent, ())
    # What the server makes of it: the types of its values and of its columns.
    owner.exec_driver_sql(f"PREPARE {_PROBE} AS {body}")
    types = text(
        "SELECT parameter_types::text[], result_types::text[] FROM pg_catalog.pg_prepared_statements WHERE name = :name"
    )
    values, columns = owner.execute(types, {"name": _PROBE}).one()
    owner.exec_driver_sql(f"DEALLOCATE {_PROBE}")
    parameters = ", ".join(values)
    named = zip(statement.selected_columns, columns, strict=True)
    returned = ", ".join(f'"{column.name}" {type_}' for column, type_ in named)
    # STABLE: it reads in the snapshot of the call, as the statement would in its own. The generic plan from the first
    # call on; a role's setting would hold for all statements.
    owner.exec_driver_sql(
        f"""
        CREATE FUNCTION {SCHEMA}.{name}({parameters}) RETURNS TABLE ({returned}) LANGUAGE plpgsql STABLE
        SECURITY INVOKER SET search_path = '' SET plan_cache_mode = force_generic_plan AS $planned$
        #variable_conflict use_column
        BEGIN
          RETURN QUERY {body};
        END $planned$
        """
    )
    owner.exec_driver_sql(f"REVOKE ALL ON FUNCTION {SCHEMA}.{name} FROM PUBLIC")
    owner.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {SCHEMA}.{name} TO {', '.join(ROLES)}")


def _comment(owner: Connection, name: str, what: str) -> None:
    owner.exec_driver_sql(f"COMMENT ON FUNCTION {SCHEMA}.{name} IS '{what}'")
