"""Row-level security on the five tables, for the functions' roles (docs/adr/0011).

A transaction says for whom it works with `wellspring.enter`; one that does not sees nothing of them and writes nothing.
The owner, who migrates, is not bound.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROLES = ("wellspring_reader", "wellspring_writer")

# Run as their owner, so that a policy may look at a table that has one itself.
AS_OWNER = "STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''"

CALLER_IS_ACTIVE_MEMBER = """
   caller.id = wellspring.caller() AND caller.deleted_at IS NULL
   AND membership.status = 'active' AND membership.deleted_at IS NULL
"""

FUNCTIONS = {
    # A setting of the transaction, so that it never outlives it in a pool; set inside a function, because RDS Proxy
    # would pin a session that sets it in the open.
    "enter(scope text)": """
    RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    BEGIN
      PERFORM set_config('wellspring.scope', scope, true);
    END $$
    """,
    # Where a cursor stands, whatever has become of the caller's sight of its row: a place, nothing of what is there.
    "place_of(ledger name, id uuid)": """
    RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      place bigint;
    BEGIN
      EXECUTE format('SELECT pk FROM core_api.%I WHERE id = $1', ledger) INTO place USING id;
      RETURN place;
    END $$
    """,
    "is_service()": """
    RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT coalesce(current_setting('wellspring.scope', true), '') = 'service'
    $$
    """,
    "caller()": """
    RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT CASE WHEN wellspring.is_service() THEN NULL
                  ELSE nullif(current_setting('wellspring.scope', true), '')::uuid END
    $$
    """,
    "groups_of_caller()": f"""
    RETURNS bigint[] LANGUAGE sql {AS_OWNER} AS $$
      SELECT ARRAY(
        SELECT team.pk
          FROM core_api.peoples AS caller
          JOIN core_api.workspace_group_memberships AS membership ON membership.people_pk = caller.pk
          JOIN core_api.workspace_groups AS team
            ON team.pk = membership.workspace_group_pk AND team.deleted_at IS NULL
         WHERE {CALLER_IS_ACTIVE_MEMBER})
    $$
    """,
    "workspaces_of_caller()": f"""
    RETURNS bigint[] LANGUAGE sql {AS_OWNER} AS $$
      SELECT ARRAY(
        SELECT workspace.pk
          FROM core_api.peoples AS caller
          JOIN core_api.workspace_memberships AS membership ON membership.people_pk = caller.pk
          JOIN core_api.workspaces AS workspace
            ON workspace.pk = membership.workspace_pk AND workspace.deleted_at IS NULL
         WHERE {CALLER_IS_ACTIVE_MEMBER}
        UNION
        SELECT workspace.pk
          FROM unnest(wellspring.groups_of_caller()) AS team (pk)
          JOIN core_api.workspace_group_workspaces AS enrolment
            ON enrolment.workspace_group_pk = team.pk AND enrolment.deleted_at IS NULL
          JOIN core_api.workspaces AS workspace
            ON workspace.pk = enrolment.workspace_pk AND workspace.deleted_at IS NULL)
    $$
    """,
}

# Each is computed once for a statement, not once for a row.
IS_SERVICE = "(SELECT wellspring.is_service())"
WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"
GROUPS = "((SELECT wellspring.groups_of_caller())::bigint[])"


def look_up(table: str, pk: str, condition: str) -> str:
    """Return the condition that a parent is live and fulfils another.

    A scalar sub-query and not EXISTS, which the planner would rather answer from a hash of the whole table.
    """
    return f"(SELECT {condition} FROM core_api.{table} AS p WHERE p.pk = {pk} AND p.deleted_at IS NULL)"


def is_live(workspace_pk: str) -> str:
    """Return the condition that a workspace is live."""
    return f"(SELECT true FROM core_api.workspaces AS w WHERE w.pk = {workspace_pk} AND w.deleted_at IS NULL)"


def seen(workspace_pk: str) -> str:
    """Return the condition that the caller sees a workspace, which is live then."""
    return f"({workspace_pk} = ANY {WORKSPACES} OR {IS_SERVICE} AND {is_live(workspace_pk)})"


def provenance(record: str, records: str) -> tuple[str, str]:
    """Return which rows of a record type's ledger are there, and which may be written."""
    tenants = (
        look_up("workspace_connectors", "workspace_connector_pk", seen("p.workspace_pk")),
        look_up(records, f"{record}_pk", seen("p.workspace_pk")),
    )
    return " AND ".join(tenants), IS_SERVICE


def enrolment() -> tuple[str, str]:
    """Return which enrolments are there, and which may be written.

    An enrolment opens a workspace to a group: it is written by who is in the one and sees the other.
    """
    of_member, of_tenant = f"workspace_group_pk = ANY {GROUPS}", f"workspace_pk = ANY {WORKSPACES}"
    live = (look_up("workspace_groups", "workspace_group_pk", "true"), is_live("workspace_pk"))
    return " AND ".join((*live, f"({of_member} OR {of_tenant} OR {IS_SERVICE})")), f"{of_member} AND {of_tenant}"


def selection() -> tuple[str, str]:
    """Return which choices of providers are there, and which may be written."""
    tenant = seen("workspace_pk")
    return f"{tenant} AND {look_up('providers', 'provider_pk', 'true')}", tenant


POLICIES = {
    "account_workspace_connectors": provenance("account", "accounts"),
    "company_workspace_connectors": provenance("company", "companies"),
    "people_workspace_connectors": provenance("people", "peoples"),
    "workspace_group_workspaces": enrolment(),
    "workspace_providers": selection(),
}


def upgrade() -> None:
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION wellspring.{signature} {body}")
        name = signature.partition("(")[0]
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{name} TO {', '.join(ROLES)}")
    for table, (visible, writable) in POLICIES.items():
        op.execute(f"ALTER TABLE core_api.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_of_the_caller ON core_api.{table} FOR ALL TO {', '.join(ROLES)}"
            f" USING ({visible}) WITH CHECK ({writable})"
        )


def downgrade() -> None:
    for table in POLICIES:
        op.execute(f"DROP POLICY {table}_of_the_caller ON core_api.{table}")
        op.execute(f"ALTER TABLE core_api.{table} DISABLE ROW LEVEL SECURITY")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION wellspring.{signature.partition('(')[0]}")
