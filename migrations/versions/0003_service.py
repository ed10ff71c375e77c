"""What the service itself needs: the inbox of sync messages, the cursor keys, and two roles that own nothing.

`wellspring_reader` answers GET, `wellspring_writer` writes the five objects; neither can delete a row, change the
schema, or turn off a policy. How they log in is the deployment's (IAM on AWS, a password on a laptop).
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

READER = "wellspring_reader"
WRITER = "wellspring_writer"
# What the writer may change after a row is made. Nothing else: a row's parents and its direction are history.
CHANGEABLE = {
    "account_workspace_connectors": "updated_at, deleted_at",
    "company_workspace_connectors": "updated_at, deleted_at",
    "people_workspace_connectors": "updated_at, deleted_at",
    "workspace_group_workspaces": "updated_at, deleted_at",
    "workspace_providers": "is_selected, is_matched, updated_at, deleted_at",
}


def create_role(role: str, seconds: int) -> None:
    """Create `role` unless another database of the cluster has brought it already: roles belong to the cluster.

    Its limits are set here because RDS Proxy takes none at connection time and pins a session that sets them.

    Args:
        role: its name.
        seconds: what a statement may take: less than the functions that use it may, so that the database ends
            it and not Lambda, which would leave it running.
    """
    op.execute(
        f"""
        DO $$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
            CREATE ROLE {role} LOGIN NOINHERIT;
            ALTER ROLE {role} SET statement_timeout = '{seconds}s';
            ALTER ROLE {role} SET lock_timeout = '5s';
            ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{seconds}s';
            -- Compiling a page's statement would take longer than the page.
            ALTER ROLE {role} SET jit = off;
          END IF;
        END $$
        """
    )


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE wellspring.sync_inbox (
          message_id uuid CONSTRAINT pk_sync_inbox PRIMARY KEY,
          processed_at timestamptz(3) NOT NULL DEFAULT now()
        )
        """
    )
    op.execute("CREATE INDEX idx_sync_inbox_processed_at ON wellspring.sync_inbox (processed_at)")
    op.execute(
        """
        CREATE TABLE wellspring.cursor_keys (
          pk integer GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_cursor_keys PRIMARY KEY,
          key bytea NOT NULL,
          created_at timestamptz(3) NOT NULL DEFAULT now()
        )
        """
    )
    # 244 bits of the server's strong randomness, without asking for an extension.
    op.execute(
        "INSERT INTO wellspring.cursor_keys (key)"
        " SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
    )
    for role, seconds in ((READER, 8), (WRITER, 25)):
        create_role(role, seconds)
        op.execute(f"GRANT USAGE ON SCHEMA core_api, wellspring TO {role}")
        op.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA core_api TO {role}")
        op.execute(f"GRANT SELECT ON wellspring.cursor_keys TO {role}")
    for table, columns in CHANGEABLE.items():
        op.execute(f"GRANT INSERT, UPDATE ({columns}) ON core_api.{table} TO {WRITER}")
    op.execute(f"GRANT SELECT, INSERT ON wellspring.sync_inbox TO {WRITER}")


def downgrade() -> None:
    # The roles stay: they belong to the cluster, and other databases of it may know them.
    for role in (READER, WRITER):
        op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA core_api, wellspring FROM {role}")
        op.execute(f"REVOKE ALL ON SCHEMA core_api, wellspring FROM {role}")
    op.execute("DROP TABLE wellspring.cursor_keys")
    op.execute("DROP TABLE wellspring.sync_inbox")
