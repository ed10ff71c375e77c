"""The functions of the plan cache, which a deployment makes with the schema (docs/adr/0030).

What a release does not know any more stays for the functions of the release before, which run on for a while.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, text

from wellspring.plan_cache import SCHEMA, Compiled, name_of, numbered

# What is not known any more goes when it has not been for so long: no function of a release before lives then.
KEPT = "1 day"
# Statements, each with what it does, by the roles that send them.
type Statements = Mapping[tuple[str, ...], Iterable[tuple[str, Compiled]]]
# A plan is kept from before ANALYZE, perhaps from when the tables were empty: to read a table whole, or to hash it,
# looked as cheap then as to find rows by an index. Each of these statements has an index for whatever it looks up.
_NEVER_WHOLE = " ".join(f"SET enable_{way} = off" for way in ("bitmapscan", "hashjoin", "mergejoin", "seqscan"))
_PROBE = "planned_probe"
_SINCE = re.compile(r"unused since (.*+)")


def make(owner: Connection, statements: Statements) -> list[str]:
    """Make the functions that are missing, and drop those that nobody knows any more.

    `owner` is a transaction of the schema's owner, past the proxy. Return the names of those of today's statements.
    """
    owner.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    there = {row.proname: row.said for row in owner.execute(text(_THERE), {"schema": SCHEMA})}
    wanted: dict[str, str] = {}
    for roles, cached in statements.items():
        owner.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {', '.join(roles)}")
        for what, statement in cached:
            name = name_of(statement.text)
            wanted[name] = what
            if name not in there:
                _create(owner, name, statement, roles)
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


def _create(owner: Connection, name: str, statement: Compiled, roles: Sequence[str]) -> None:
    body = numbered(statement.text)
    # What the server makes of it: the types of its values and of its columns.
    owner.exec_driver_sql(f"PREPARE {_PROBE} AS {body}")
    types = text(
        "SELECT parameter_types::text[], result_types::text[] FROM pg_catalog.pg_prepared_statements WHERE name = :name"
    )
    values, columns = owner.execute(types, {"name": _PROBE}).one()
    owner.exec_driver_sql(f"DEALLOCATE {_PROBE}")
    # What says no columns may write, and what it answers is read by place. The others read, in the snapshot of the
    # call, as the statement would in its own.
    names = statement.columns or [f"c{place}" for place in range(len(columns or ()))]
    volatility = "STABLE" if statement.columns else "VOLATILE"
    named = ", ".join(f'"{column}" {type_}' for column, type_ in zip(names, columns or (), strict=True))
    # What answers nothing has no query to return.
    returns, run = (f"TABLE ({named})", "RETURN QUERY ") if columns else ("void", "")
    # The generic plan from the first call on; a role's setting would hold for all statements.
    owner.exec_driver_sql(
        f"""
        CREATE FUNCTION {SCHEMA}.{name}({", ".join(values)}) RETURNS {returns} LANGUAGE plpgsql {volatility}
        SECURITY INVOKER SET search_path = '' SET plan_cache_mode = force_generic_plan {_NEVER_WHOLE} AS $planned$
        #variable_conflict use_column
        BEGIN
          {run}{body};
        END $planned$
        """
    )
    owner.exec_driver_sql(f"REVOKE ALL ON FUNCTION {SCHEMA}.{name} FROM PUBLIC")
    owner.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {SCHEMA}.{name} TO {', '.join(roles)}")


def _comment(owner: Connection, name: str, what: str) -> None:
    owner.exec_driver_sql(f"COMMENT ON FUNCTION {SCHEMA}.{name} IS '{what}'")
