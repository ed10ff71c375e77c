"""A role that reads one workspace whole, with its tombstones, for the function that exports it (docs/adr/0040).

Its transactions name the workspace as `export:ID`; of the guarded tables they see that one's rows and no others. Safe
while old functions run: a new role, its rights and its policies change nothing for the others.
"""

from alembic import op

from migrations.support import EXPORTER, create_role, export_ledger, ledger_of

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PARENTS = (
    *("workspaces", "peoples", "companies", "accounts", "connectors", "workspace_connectors", "workspace_groups"),
    *("workspace_memberships", "providers"),
)
RECORDS = {"account": "accounts", "company": "companies", "people": "peoples"}
OF_WORKSPACE = (
    "core_api.workspace_group_workspaces",
    "core_api.workspace_providers",
    "wellspring.sync_messages",
)
EXPORTED = """
CREATE FUNCTION wellspring.exported() RETURNS bigint LANGUAGE sql STABLE SET search_path = '' AS $$
  SELECT pk FROM core_api.workspaces
   WHERE id = CASE WHEN starts_with(current_setting('wellspring.scope', true), 'export:')
                   THEN substr(current_setting('wellspring.scope', true), 8)::uuid END
$$
"""
FUNCTIONS = ("enter(text)", "enter_within(text, integer)", "shown_problems(jsonb, boolean)", "exported()")


def upgrade() -> None:
    create_role(EXPORTER)
    op.execute(EXPORTED)
    op.execute("REVOKE ALL ON FUNCTION wellspring.exported() FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA core_api, wellspring TO {EXPORTER}")
    for function in FUNCTIONS:
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{function} TO {EXPORTER}")
    for table in PARENTS:
        op.execute(f"GRANT SELECT ON core_api.{table} TO {EXPORTER}")
    for record, records in RECORDS.items():
        export_ledger(record, records)
    for table in OF_WORKSPACE:
        name = table.partition(".")[2]
        op.execute(f"GRANT SELECT ON {table} TO {EXPORTER}")
        op.execute(
            f"CREATE POLICY {name}_of_the_export ON {table} FOR SELECT TO {EXPORTER}"
            " USING (workspace_pk = (SELECT wellspring.exported()))"
        )


def downgrade() -> None:
    for table in (*OF_WORKSPACE, *(f"core_api.{ledger_of(record)}" for record in RECORDS)):
        op.execute(f"DROP POLICY {table.partition('.')[2]}_of_the_export ON {table}")
    # The role stays: it belongs to the cluster, and other databases of it may know it.
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{function} FROM {EXPORTER}")
    op.execute("DROP FUNCTION wellspring.exported()")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA core_api, wellspring FROM {EXPORTER}")
    op.execute(f"REVOKE ALL ON SCHEMA core_api, wellspring FROM {EXPORTER}")
