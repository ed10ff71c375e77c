"""The audit says of which workspace a write was, and keeps the note of a dismissal; keepers of the workspace read it.

What was written before is of no workspace, and shown to services alone. A function of before, which adds rows without
a workspace, works as it did.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

READER, WRITER, CONSUMER, FEEDER = (f"wellspring_{name}" for name in ("reader", "writer", "consumer", "feeder"))

# As revision 0003 has it for members: who is called so by a contact's row is nobody.
KEEPS = """
CREATE FUNCTION wellspring.keeps_workspace(workspace_pk bigint)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = '' AS $$
  SELECT EXISTS (
    SELECT FROM core_api.peoples AS caller
      JOIN core_api.workspace_memberships AS membership ON membership.people_pk = caller.pk
      JOIN core_api.workspaces AS live ON live.pk = membership.workspace_pk
     WHERE caller.id = wellspring.caller() AND caller.deleted_at IS NULL AND caller.source IS NOT NULL
       AND membership.workspace_pk = $1 AND membership.role IN ('owner', 'admin')
       AND membership.status = 'active' AND membership.deleted_at IS NULL AND live.deleted_at IS NULL)
$$
"""
SIGNATURE = "wellspring.keeps_workspace(bigint)"
COLUMNS = ("id uuid DEFAULT uuidv7()", "note text")
# By the time, which is the order of every list, and what names fewer of them in front of it.
BEFORE = {
    "idx_audit_caller_created_at": "caller, created_at",
    "idx_audit_resource_id_created_at": "resource_id, created_at",
}
INDEXES = {
    "idx_audit_created": "created_at, pk",
    "idx_audit_caller": "caller, created_at, pk",
    "idx_audit_resource": "resource_id, created_at, pk",
    "idx_audit_workspace": "workspace_pk, created_at, pk",
    "idx_audit_workspace_caller": "workspace_pk, caller, created_at, pk",
}
POLICIES = {
    "of_the_caller": (
        f"FOR SELECT TO {READER} USING ((SELECT wellspring.is_service()) OR wellspring.keeps_workspace(workspace_pk))"
    ),
    "of_whoever_writes": f"FOR INSERT TO {WRITER}, {CONSUMER}, {FEEDER} WITH CHECK (true)",
}


def upgrade() -> None:
    for column in COLUMNS:
        op.execute(f"ALTER TABLE wellspring.audit ADD COLUMN {column}")
    op.execute("ALTER TABLE wellspring.audit ALTER COLUMN id SET NOT NULL")
    op.execute("ALTER TABLE wellspring.audit ADD CONSTRAINT uq_audit_id UNIQUE (id)")
    op.execute(f"GRANT INSERT (workspace_pk, note) ON wellspring.audit TO {WRITER}, {CONSUMER}, {FEEDER}")
    op.execute(f"GRANT SELECT ON wellspring.audit TO {READER}")
    for name in ("idx_audit_created_at", *BEFORE):
        op.execute(f"DROP INDEX wellspring.{name}")
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON wellspring.audit ({columns})")
    op.execute(KEEPS)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {READER}")
    op.execute("ALTER TABLE wellspring.audit ENABLE ROW LEVEL SECURITY")
    for name, of in POLICIES.items():
        op.execute(f"CREATE POLICY audit_{name} ON wellspring.audit {of}")


def downgrade() -> None:
    for name in POLICIES:
        op.execute(f"DROP POLICY audit_{name} ON wellspring.audit")
    op.execute("ALTER TABLE wellspring.audit DISABLE ROW LEVEL SECURITY")
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    for name in INDEXES:
        op.execute(f"DROP INDEX wellspring.{name}")
    op.execute("CREATE INDEX idx_audit_created_at ON wellspring.audit (created_at)")
    for name, columns in BEFORE.items():
        op.execute(f"CREATE INDEX {name} ON wellspring.audit ({columns})")
    op.execute(f"REVOKE SELECT ON wellspring.audit FROM {READER}")
    op.execute(f"REVOKE INSERT (workspace_pk) ON wellspring.audit FROM {WRITER}, {CONSUMER}, {FEEDER}")
    for column in reversed(COLUMNS):
        op.execute(f"ALTER TABLE wellspring.audit DROP COLUMN {column.partition(' ')[0]}")
