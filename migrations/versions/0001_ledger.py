"""The ledger's tables: the five objects and the parents they stand on (contract, section 2).

The enrolments begin with an unconditional unique on (group, workspace), as the seed tells; the next revision replaces
it. What the platform's feed tells of a parent has its source and version (docs/adr/0032).
"""

from alembic import op

from migrations.support import create_provenance, create_table, keep_workspace, reference

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RECORDS = {"account": "accounts", "company": "companies", "people": "peoples"}
PARENTS = {
    "workspaces": ["name text NOT NULL"],
    "peoples": ["full_name text NOT NULL", "workspace_pk"],
    "companies": ["name text NOT NULL", "workspace_pk"],
    "accounts": ["account_name text NOT NULL", "currency text", "workspace_pk"],
    "connectors": ["name text NOT NULL", "provider text", "direction core_api.direction_enum"],
    "workspace_connectors": ["workspace_pk", "connector_pk", "status text NOT NULL DEFAULT 'active'"],
    "workspace_memberships": ["people_pk", "workspace_pk", "role", "status"],
    "providers": [
        *("name text NOT NULL", "slug text NOT NULL CONSTRAINT uq_providers_slug UNIQUE", "category text", "url text"),
        *("logo_url text", "countries text[] NOT NULL DEFAULT '{}'", "skill_status text"),
    ],
}
FED = ("source text", "source_version bigint NOT NULL DEFAULT 0")
# Each of one workspace for ever: queries rely on it, for what leads to a row was asked about.
OF_WORKSPACE = ("peoples", "companies", "accounts", "workspace_connectors", "workspace_memberships")
WORDS = {"role": "'owner', 'admin', 'member', 'guest'", "status": "'pending', 'active'"}
TARGETS = {"people_pk": "peoples"}
PAIR = "workspace_group_workspaces_workspace_group_pk_wor_3c190_unique UNIQUE (workspace_group_pk, workspace_pk)"
INDEXES = {
    **dict.fromkeys(("peoples", "companies", "accounts"), ("workspace_pk",)),
    "workspace_connectors": ("workspace_pk", "connector_pk"),
    "workspace_groups": ("created_by_pk",),
    "workspace_memberships": ("workspace_pk", "people_pk, workspace_pk"),
    "workspace_group_memberships": ("workspace_group_pk",),
    "workspace_group_workspaces": ("created_by_pk",),
}
# By their parents, in the order of their making.
LISTED = {
    "workspace_group_workspaces": {"group": "workspace_group_pk", "workspace": "workspace_pk"},
    "workspace_providers": {"workspace": "workspace_pk", "provider": "provider_pk"},
}
UNIQUE = {
    "workspace_group_memberships": ("people_group", "people_pk, workspace_group_pk"),
    "workspace_providers": ("workspace_provider", "workspace_pk, provider_pk"),
}
REFUSED = {"direction": "direction never changes after insert", "workspace": "a tenant never moves"}


def made(table: str, *columns: str) -> None:
    """Create a table whose foreign keys and words of membership are said by their names."""
    create_table(table, *(defined(table, column) for column in columns))


def defined(table: str, column: str) -> str:
    """Return the definition of a column that may be said by its name alone."""
    if column.endswith("_pk"):
        return reference(table, column, TARGETS.get(column, f"{column.removesuffix('_pk')}s"))
    if column in WORDS:
        return f"{column} text NOT NULL CONSTRAINT ck_{table}_{column} CHECK ({column} IN ({WORDS[column]}))"
    return column


def upgrade() -> None:
    op.execute("CREATE SCHEMA core_api")
    op.execute("CREATE TYPE core_api.direction_enum AS ENUM ('input', 'output')")
    for what, why in REFUSED.items():
        op.execute(
            f"CREATE FUNCTION core_api.refuse_change_of_{what}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION '{why}' USING ERRCODE = 'check_violation', CONSTRAINT = '{what}_is_immutable'; END $$"
        )
    for table, said in PARENTS.items():
        made(table, *said, *FED, *(["erased_at timestamptz(3)"] if table == "peoples" else []))
    made("workspace_groups", "name text NOT NULL", reference("workspace_groups", "created_by_pk", "peoples", null=""))
    made("workspace_group_memberships", "people_pk", "workspace_group_pk", "role", "status")
    for record, records in RECORDS.items():
        create_provenance(record, records)
    name = "workspace_group_workspaces"
    create_table(
        name,
        reference(name, "workspace_group_pk", "workspace_groups", "ON DELETE RESTRICT"),
        reference(name, "workspace_pk", "workspaces", "ON DELETE RESTRICT"),
        reference(name, "created_by_pk", "peoples", "ON DELETE SET NULL", null=""),
        f"CONSTRAINT {PAIR}",
    )
    flags = ("is_selected boolean NOT NULL DEFAULT false", "is_matched boolean NOT NULL DEFAULT false")
    is_matched = "CONSTRAINT ck_workspace_providers_selected_is_matched CHECK (NOT is_selected OR is_matched)"
    made("workspace_providers", "workspace_pk", "provider_pk", *flags, is_matched)
    for table, each in INDEXES.items():
        for columns in each:
            op.execute(f"CREATE INDEX idx_{table}_{columns.replace(', ', '_')} ON core_api.{table} ({columns})")
    for table, parents in LISTED.items():
        for short, parent in parents.items():
            op.execute(f"CREATE INDEX idx_{table}_{short}_created ON core_api.{table} ({parent}, created_at, pk)")
    for table, (short, columns) in UNIQUE.items():
        name = f"{table}_{short}_active_unique"
        op.execute(f"CREATE UNIQUE INDEX {name} ON core_api.{table} ({columns}) WHERE deleted_at IS NULL")
    for table in OF_WORKSPACE:
        keep_workspace(table)


def downgrade() -> None:
    op.execute("DROP SCHEMA core_api CASCADE")
