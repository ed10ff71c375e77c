"""How lists are read: names without their case, the indexes of every list, and views that guard the parents.

A folded name is a column of its own and no expression: under row-level security a condition is no index condition
unless its operators are leakproof, which lower() is not and text comparison is (docs/adr/0038). A trigger writes it.
Rows in one list's order stand together in one index, live and dead ones apart (docs/adr/0028, 0029).
"""

from collections.abc import Iterator

from alembic import op

from migrations import support
from migrations.support import CONSUMER, DEAD, FEEDER, IS_SERVICE, LIVE, READER, WORKSPACES, WRITER

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

RECORDS = ("account", "company", "people")
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
GROUP, WORKSPACE, PROVIDER = ("workspace_group_pk",), ("workspace_pk",), ("provider_pk",)
# By table: what the indexes' names call the parents whose rows stand together. Those of all rows are for services
# alone: whose rows are the newest of all is nothing that a person's page may depend on.
LISTS: dict[str, dict[str, tuple[str, ...]]] = {
    **{table: {"workspace": WORKSPACE} for table in OF_WORKSPACE},
    **{table: {"": ()} for table in ("workspaces", "connectors", "providers")},
    "workspace_group_memberships": {"group": GROUP, "": ()},
    "workspace_group_workspaces": {"group": GROUP, "workspace": WORKSPACE, "": (), "both": GROUP + WORKSPACE},
    "workspace_providers": {"workspace": WORKSPACE, "provider": PROVIDER, "": (), "both": PROVIDER + WORKSPACE},
}
# What a service asks of all workspaces, names, and what filters of the catalogue find.
INDEXES = (
    *((table, "created_live", f"(created_at, pk) WHERE {LIVE}") for table in OF_WORKSPACE),
    *((table, "name_live", f"(folded_name, pk) WHERE {LIVE}") for table in NAMES),
    *(
        (table, "workspace_name_live", f"(workspace_pk, folded_name, pk) WHERE {LIVE}")
        for table in ("peoples", "companies", "accounts")
    ),
    *(
        (table, f"people_created_{half}", f"(people_pk, created_at, pk) WHERE {where}")
        for table in ("workspace_memberships", "workspace_group_memberships")
        for half, where in (("live", LIVE), ("dead", DEAD))
    ),
    ("workspace_connectors", "connector_created_live", f"(connector_pk, created_at, pk) WHERE {LIVE}"),
    ("workspace_group_workspaces", "created_by_created_live", f"(created_by_pk, created_at, pk) WHERE {LIVE}"),
    ("providers", "category", "(category)"),
    ("providers", "countries", "USING gin (countries)"),
)
DIRECT = "((SELECT wellspring.direct_workspaces_of_caller())::bigint[])"
GROUPS = "((SELECT wellspring.groups_of_caller())::bigint[])"
OF_WHOM = f"{IS_SERVICE} AND {support.is_live('row.workspace_pk')}"
GUARDED = {
    "workspaces": f"coalesce(row.pk = ANY {WORKSPACES}, wellspring.sees_workspace(row.pk)) OR {IS_SERVICE}",
    "workspace_memberships": (
        f"coalesce(row.workspace_pk = ANY {DIRECT}, wellspring.is_member_of(row.workspace_pk)) OR {OF_WHOM}"
    ),
    **{
        table: f"{support.opened('row.workspace_pk')} OR {OF_WHOM}"
        for table in ("peoples", "companies", "accounts", "workspace_connectors")
    },
    "workspace_group_memberships": f"row.workspace_group_pk = ANY {GROUPS} OR {IS_SERVICE}",
}
# As `groups.lock_seen` says: nobody learns, or holds up, what they do not see.
LOCK = "RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$ BEGIN PERFORM FROM"
FUNCTIONS = {
    (READER, WRITER, CONSUMER, FEEDER): {
        # As long as a cursor may be that carries it, and an index row. NFC, so that one name has one form.
        "fold(value text)": """
    RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
      SELECT left(normalize(casefold(normalize(value, NFC) COLLATE "pg_unicode_fast"), NFC), 200)
    $$""",
        # A statement leaves ids for those behind it in the same flush (docs/adr/0041). Without a `search_path` of its
        # own, so that it is inlined; within a function, because RDS Proxy pins a session whose statement writes a
        # setting.
        "leave_ids(place text, ids uuid[])": """RETURNS boolean LANGUAGE sql VOLATILE AS $$
      SELECT pg_catalog.set_config('wellspring.left_' || place, coalesce(ids::text, ''), true) IS NOT NULL
    $$""",
    },
    (READER, WRITER): {
        # Past the policies, under which the rows of workspaces that are gone would be walked one by one. It tells keys,
        # which no answer shows, and nothing of the rows; each row is asked about by the policies when it is read.
        'workspaces_left("group" bigint)': """
    RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER ROWS 20 SET search_path = '' AS $$
      WITH RECURSIVE found (pk) AS (
        (SELECT workspace_pk FROM core_api.workspace_group_workspaces
          WHERE workspace_group_pk = $1 AND deleted_at IS NOT NULL
          ORDER BY workspace_pk LIMIT 1)
        UNION ALL
        SELECT (SELECT workspace_pk FROM core_api.workspace_group_workspaces
                 WHERE workspace_group_pk = $1 AND deleted_at IS NOT NULL AND workspace_pk > found.pk
                 ORDER BY workspace_pk LIMIT 1)
          FROM found WHERE found.pk IS NOT NULL)
      SELECT pk FROM found WHERE pk IS NOT NULL
    $$""",
    },
    (WRITER,): {
        "lock_group(team uuid)": f"""{LOCK} core_api.workspace_groups AS seen
        WHERE seen.id = team AND seen.pk = ANY {GROUPS}
        FOR UPDATE;
    END $$""",
        # Whoever erases a person locks the row FOR UPDATE, and ends what memberships there are (repositories/erasing).
        "lock_person(person uuid)": (
            f"""{LOCK} core_api.peoples AS seen
        WHERE seen.id = person
          AND (person = (SELECT wellspring.caller())
               OR {support.opened("seen.workspace_pk")})
        FOR KEY SHARE;
    END $$"""
        ),
    },
}


def indexes() -> Iterator[tuple[str, str]]:
    """Yield the name of each index, and what it is of."""
    for table, lists in LISTS.items():
        for short, parents in lists.items():
            yield from support.list_indexes(table, short, *parents)
    for table, short, covers in INDEXES:
        yield f"idx_{table}_{short}", f"{table} {covers}"
    for record in RECORDS:
        yield from support.provenance_indexes(record)


def upgrade() -> None:
    support.create_functions(FUNCTIONS)
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
        op.execute(f"GRANT SELECT ON wellspring.{table}_of_caller TO {READER}, {WRITER}")
    # To lock a row, one must be allowed to change it.
    members = "wellspring.workspace_group_memberships_of_caller"
    op.execute(f"GRANT UPDATE (role, updated_at, deleted_at) ON {members} TO {WRITER}")
    for name, covers in indexes():
        op.execute(f"CREATE INDEX {name} ON core_api.{covers}")
    for record in RECORDS:
        support.create_newest(record)


def downgrade() -> None:
    for record in RECORDS:
        support.drop_newest(record)
    for name, _ in indexes():
        op.execute(f"DROP INDEX core_api.{name}")
    for table in GUARDED:
        op.execute(f"DROP VIEW wellspring.{table}_of_caller")
    for table in NAMES:
        op.execute(f"DROP FUNCTION wellspring.fold_name_of_{table}() CASCADE")
        op.execute(f"ALTER TABLE core_api.{table} DROP COLUMN folded_name")
    support.drop_functions(FUNCTIONS)
