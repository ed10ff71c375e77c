"""A tenant never moves: the database refuses to give a record, a connector or a membership another workspace.

Queries rely on it: what leads to a row of provenance was asked about, and the row's other parent must be of the same
workspace. Safe while old functions run: none of them changes a workspace.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

TABLES = ("peoples", "companies", "accounts", "workspace_connectors", "workspace_memberships")


def upgrade() -> None:
    # Named on the columns of an UPDATE's SET, so that no other change pays for it.
    op.execute(
        """
        CREATE FUNCTION core_api.refuse_change_of_workspace() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'a tenant never moves'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'workspace_is_immutable';
        END $$
        """
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER workspace_is_immutable BEFORE UPDATE OF workspace_pk ON core_api.{table}"
            " FOR EACH ROW WHEN (OLD.workspace_pk IS DISTINCT FROM NEW.workspace_pk)"
            " EXECUTE FUNCTION core_api.refuse_change_of_workspace()"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER workspace_is_immutable ON core_api.{table}")
    op.execute("DROP FUNCTION core_api.refuse_change_of_workspace()")
