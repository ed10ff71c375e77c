"""The ledger's tables: the five objects and the parents they stand on (contract, section 2).

The enrolments begin with an unconditional unique on (group, workspace), as the seed tells; the next revision
replaces it.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = [
    "workspaces",
    "peoples",
    "companies",
    "accounts",
    "connectors",
    "workspace_connectors",
    "workspace_groups",
    "workspace_memberships",
    "workspace_group_memberships",
    "providers",
    "account_workspace_connectors",
    "company_workspace_connectors",
    "people_workspace_connectors",
    "workspace_group_workspaces",
    "workspace_providers",
]


def create_table(name: str, *definitions: str) -> None:
    """Create `name` with the five standard columns and `definitions`."""
    body = ",\n  ".join(definitions)
    op.execute(
        f"""
        CREATE TABLE core_api.{name} (
          pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_{name} PRIMARY KEY,
          id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT uq_{name}_id UNIQUE,
          created_at timestamptz(3) NOT NULL DEFAULT now(),
          updated_at timestamptz(3) DEFAULT now(),
          deleted_at timestamptz(3),
          {body}
        )
        """
    )


def reference(name: str, column: str, table: str, rule: str = "ON UPDATE CASCADE", null: str = "NOT NULL") -> str:
    """Return the definition of a foreign key column of table `name`."""
    return f"{column} bigint {null} CONSTRAINT fk_{name}_{column} REFERENCES core_api.{table} (pk) {rule}"


def create_index(name: str, table: str, columns: str) -> None:
    """Create a plain index."""
    op.execute(f"CREATE INDEX {name} ON core_api.{table} ({columns})")


def create_parents() -> None:
    """Create the tables that other parts of the platform own."""
    create_table("workspaces", "name text NOT NULL")
    for name, columns in {
        "peoples": ["full_name text NOT NULL"],
        "companies": ["name text NOT NULL"],
        "accounts": ["account_name text NOT NULL", "currency text"],
    }.items():
        create_table(name, *columns, reference(name, "workspace_pk", "workspaces"))
        create_index(f"idx_{name}_workspace_pk", name, "workspace_pk")
    create_table("connectors", "name text NOT NULL", "provider text", "direction core_api.direction_enum")
    create_table(
        "workspace_connectors",
        reference("workspace_connectors", "workspace_pk", "workspaces"),
        reference("workspace_connectors", "connector_pk", "connectors"),
        "status text NOT NULL DEFAULT 'active'",
    )
    for column in ("workspace_pk", "connector_pk"):
        create_index(f"idx_workspace_connectors_{column}", "workspace_connectors", column)
    create_table(
        "workspace_groups",
        "name text NOT NULL",
        reference("workspace_groups", "created_by_pk", "peoples", null=""),
    )
    create_index("idx_workspace_groups_created_by_pk", "workspace_groups", "created_by_pk")
    create_table(
        "providers",
        "name text NOT NULL",
        "slug text NOT NULL CONSTRAINT uq_providers_slug UNIQUE",
        "category text",
        "url text",
        "logo_url text",
        "countries text[] NOT NULL DEFAULT '{}'",
        "skill_status text",
    )


def create_memberships() -> None:
    """Create who belongs to which workspace and group."""
    for name, column, table in (
        ("workspace_memberships", "workspace_pk", "workspaces"),
        ("workspace_group_memberships", "workspace_group_pk", "workspace_groups"),
    ):
        create_table(
            name,
            reference(name, "people_pk", "peoples"),
            reference(name, column, table),
            f"role text NOT NULL CONSTRAINT ck_{name}_role CHECK (role IN ('owner', 'admin', 'member', 'guest'))",
            f"status text NOT NULL CONSTRAINT ck_{name}_status CHECK (status IN ('pending', 'active'))",
        )
        create_index(f"idx_{name}_{column}", name, column)
    create_index("idx_workspace_memberships_people_pk_workspace_pk", "workspace_memberships", "people_pk, workspace_pk")
    op.execute(
        "CREATE UNIQUE INDEX workspace_group_memberships_people_group_active_unique"
        " ON core_api.workspace_group_memberships (people_pk, workspace_group_pk) WHERE deleted_at IS NULL"
    )


def create_provenance(record: str, records: str) -> None:
    """Create the table that says which connector brought a record in or carried it out."""
    name = f"{record}_workspace_connectors"
    create_table(
        name,
        reference(name, f"{record}_pk", records),
        reference(name, "workspace_connector_pk", "workspace_connectors"),
        "direction core_api.direction_enum NOT NULL",
    )
    op.execute(
        f"""
        CREATE TRIGGER direction_is_immutable BEFORE UPDATE OF direction ON core_api.{name}
        FOR EACH ROW WHEN (OLD.direction IS DISTINCT FROM NEW.direction)
        EXECUTE FUNCTION core_api.refuse_change_of_direction()
        """
    )
    create_index(f"idx_{name}_record_created", name, f"{record}_pk, created_at, pk")
    create_index(f"idx_{name}_wc_created_at", name, "workspace_connector_pk, created_at, pk")


def create_workspace_junctions() -> None:
    """Create enrolments and workspace providers."""
    name = "workspace_group_workspaces"
    create_table(
        name,
        reference(name, "workspace_group_pk", "workspace_groups", "ON DELETE RESTRICT"),
        reference(name, "workspace_pk", "workspaces", "ON DELETE RESTRICT"),
        reference(name, "created_by_pk", "peoples", "ON DELETE SET NULL", null=""),
        f"CONSTRAINT {name}_workspace_group_pk_wor_3c190_unique UNIQUE (workspace_group_pk, workspace_pk)",
    )
    create_index(f"idx_{name}_group_created", name, "workspace_group_pk, created_at, pk")
    create_index(f"idx_{name}_workspace_created", name, "workspace_pk, created_at, pk")
    create_index(f"idx_{name}_created_by_pk", name, "created_by_pk")
    name = "workspace_providers"
    create_table(
        name,
        reference(name, "workspace_pk", "workspaces"),
        reference(name, "provider_pk", "providers"),
        "is_selected boolean NOT NULL DEFAULT false",
        "is_matched boolean NOT NULL DEFAULT false",
        "CONSTRAINT ck_workspace_providers_selected_is_matched CHECK (NOT is_selected OR is_matched)",
    )
    op.execute(
        "CREATE UNIQUE INDEX workspace_providers_workspace_provider_active_unique"
        " ON core_api.workspace_providers (workspace_pk, provider_pk) WHERE deleted_at IS NULL"
    )
    create_index("idx_workspace_providers_workspace_created", name, "workspace_pk, created_at, pk")
    create_index("idx_workspace_providers_provider_created", name, "provider_pk, created_at, pk")


def upgrade() -> None:
    op.execute("CREATE SCHEMA core_api")
    op.execute("CREATE TYPE core_api.direction_enum AS ENUM ('input', 'output')")
    # Named on the columns of an UPDATE's SET, so tombstones never pay for it.
    op.execute(
        """
        CREATE FUNCTION core_api.refuse_change_of_direction() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'direction never changes after insert'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'direction_is_immutable';
        END $$
        """
    )
    create_parents()
    create_memberships()
    create_provenance("account", "accounts")
    create_provenance("company", "companies")
    create_provenance("people", "peoples")
    create_workspace_junctions()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE core_api.{table}")
    op.execute("DROP FUNCTION core_api.refuse_change_of_direction()")
    op.execute("DROP TYPE core_api.direction_enum")
    op.execute("DROP SCHEMA core_api")
