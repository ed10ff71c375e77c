"""The parents can be listed: names without their case, the indexes that lists are read by, and views that guard them.

A folded name is a column of its own and no expression: under row-level security a condition is no index condition
unless its operators are leakproof, which lower() is not and text comparison is (docs/adr/0038). A trigger writes it, so
that the functions of the release before need not know it; the column's default is constant, so that no table is
written anew, and the names that are there are folded some thousand rows at a time. Indexes are built without blocking
writers, and anew where a build was cut short.
"""

from collections.abc import Iterator

from alembic import op
from sqlalchemy import text

from migrations.support import build_index, outside_transaction

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

READERS = "wellspring_reader, wellspring_writer"
ROLES = f"{READERS}, wellspring_feeder"
# The name of each, as its table calls it.
NAMES = {
    "workspaces": "name",
    "peoples": "full_name",
    "companies": "name",
    "accounts": "account_name",
    "connectors": "name",
    "providers": "name",
}
OF_WORKSPACE = ("peoples", "companies", "accounts", "workspace_connectors", "workspace_memberships")
OF_ALL = ("workspaces", "connectors", "providers")
CHUNK = 10_000

UPDATED = "(CASE WHEN updated_at IS NULL THEN created_at ELSE updated_at END)"
HALVES = {"live": "deleted_at IS NULL", "dead": "deleted_at IS NOT NULL"}
TIMES = (
    ("created", "created_at", "live"),
    ("created", "created_at", "dead"),
    ("updated", UPDATED, "live"),
    ("updated", UPDATED, "dead"),
    ("deleted", "deleted_at", "dead"),
)

# As long as a cursor may be that carries it, and an index row. NFC, so that one name has one form.
FOLD = """
CREATE FUNCTION wellspring.fold(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT left(normalize(casefold(normalize(value, NFC) COLLATE "pg_unicode_fast"), NFC), 200)
$$
"""

IS_SERVICE = "(SELECT wellspring.is_service())"
WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"
DIRECT = "((SELECT wellspring.direct_workspaces_of_caller())::bigint[])"
DIRECT_WORKSPACES = """
CREATE FUNCTION wellspring.direct_workspaces_of_caller() RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = '' AS $$
  SELECT ARRAY(
    SELECT workspace.pk
      FROM core_api.peoples AS caller
      JOIN core_api.workspace_memberships AS membership ON membership.people_pk = caller.pk
      JOIN core_api.workspaces AS workspace
        ON workspace.pk = membership.workspace_pk AND workspace.deleted_at IS NULL
     WHERE caller.id = wellspring.caller() AND caller.deleted_at IS NULL
       AND membership.status = 'active' AND membership.deleted_at IS NULL)
$$
"""


def seen(workspaces: str) -> str:
    """Return the condition that the caller sees the workspace of a row, which is live then."""
    live = "(SELECT true FROM core_api.workspaces AS w WHERE w.pk = row.workspace_pk AND w.deleted_at IS NULL)"
    return f"row.workspace_pk = ANY {workspaces} OR {IS_SERVICE} AND {live}"


GUARDED = {
    "workspaces": f"row.pk = ANY {WORKSPACES} OR {IS_SERVICE}",
    "workspace_memberships": seen(DIRECT),
    **dict.fromkeys(("peoples", "companies", "accounts", "workspace_connectors"), seen(WORKSPACES)),
}


def indexes() -> Iterator[tuple[str, str, str, str]]:
    """Yield the new indexes: name, table, columns and predicate."""
    for table in (*OF_WORKSPACE, *OF_ALL):
        short, parent = ("workspace_", "workspace_pk, ") if table in OF_WORKSPACE else ("", "")
        for time, column, half in TIMES:
            yield f"idx_{table}_{short}{time}_{half}", table, f"({parent}{column}, pk)", HALVES[half]
        if table in OF_WORKSPACE:
            # For services alone, which name no workspace.
            yield f"idx_{table}_created_live", table, "(created_at, pk)", HALVES["live"]
        if table in NAMES:
            yield f"idx_{table}_{short}name_live", table, f"({parent}folded_name, pk)", HALVES["live"]
    yield "idx_providers_category", "providers", "(category)", ""
    yield "idx_providers_countries", "providers", "USING gin (countries)", ""


def fold_names() -> None:
    """Fold the names that are there, a chunk of rows in each transaction."""
    if op.get_context().as_sql:
        # Written down and not run (the tests read policies so), it has no rows to ask for.
        return
    connection = op.get_bind()
    for table, name in NAMES.items():
        last = connection.execute(text(f"SELECT coalesce(max(pk), 0) FROM core_api.{table}")).scalar_one()
        for first in range(0, last, CHUNK):
            connection.execute(
                text(
                    f"UPDATE core_api.{table} SET folded_name = wellspring.fold({name})"
                    " WHERE pk > :first AND pk <= :last AND folded_name = ''"
                ),
                {"first": first, "last": first + CHUNK},
            )


def upgrade() -> None:
    op.execute(FOLD)
    op.execute(DIRECT_WORKSPACES)
    for function, roles in (("fold", ROLES), ("direct_workspaces_of_caller", READERS)):
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{function} TO {roles}")
    for table, name in NAMES.items():
        op.execute(f"""ALTER TABLE core_api.{table} ADD COLUMN folded_name text COLLATE "C" NOT NULL DEFAULT ''""")
        op.execute(
            f"CREATE FUNCTION wellspring.fold_name_of_{table}() RETURNS trigger"
            " LANGUAGE plpgsql SET search_path = '' AS"
            f" $$ BEGIN NEW.folded_name := wellspring.fold(NEW.{name}); RETURN NEW; END $$"
        )
        op.execute(
            f"CREATE TRIGGER name_is_folded BEFORE INSERT OR UPDATE OF {name} ON core_api.{table}"
            f" FOR EACH ROW EXECUTE FUNCTION wellspring.fold_name_of_{table}()"
        )
    for table, condition in GUARDED.items():
        op.execute(
            f"CREATE VIEW wellspring.{table}_of_caller AS SELECT row.* FROM core_api.{table} AS row WHERE {condition}"
        )
        op.execute(f"GRANT SELECT ON wellspring.{table}_of_caller TO {READERS}")
    with outside_transaction():
        fold_names()
        for name, table, columns, where in indexes():
            build_index(name, f"core_api.{table}", columns + (f" WHERE {where}" if where else ""))


def downgrade() -> None:
    for table in reversed(GUARDED):
        op.execute(f"DROP VIEW wellspring.{table}_of_caller")
    with outside_transaction():
        for name, _, _, _ in indexes():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.{name}")
    for table in NAMES:
        op.execute(f"DROP TRIGGER name_is_folded ON core_api.{table}")
        op.execute(f"DROP FUNCTION wellspring.fold_name_of_{table}()")
        op.execute(f"ALTER TABLE core_api.{table} DROP COLUMN folded_name")
    op.execute("DROP FUNCTION wellspring.direct_workspaces_of_caller()")
    op.execute("DROP FUNCTION wellspring.fold(text)")
