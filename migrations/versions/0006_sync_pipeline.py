"""What the sync consumer and the pruning function need: a scope, a bound on statements, a way to forget.

The pipeline ends rows whose parents are gone, which nobody else sees (docs/adr/0012). So it works under a scope for
which a second policy on provenance asks for no live parent; the consumer asks for one itself where it makes a row.

No role may delete; what is old is deleted by a function that refuses to touch what is not (docs/adr/0014).
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROLES = ("wellspring_reader", "wellspring_writer")
WRITER = "wellspring_writer"
PROVENANCE = ("account_workspace_connectors", "company_workspace_connectors", "people_workspace_connectors")

FUNCTIONS = {
    # What a statement may take is set inside a function for the reason that the scope is.
    "enter_within(scope text, milliseconds integer)": """
    RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    BEGIN
      PERFORM set_config('wellspring.scope', scope, true), set_config('statement_timeout', milliseconds::text, true);
    END $$
    """,
    # The age is asked twice: a key that is claimed anew while this waits for it is not old any more.
    "prune(remembered name, older_than interval, most integer)": """
    RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      age name := CASE remembered WHEN 'sync_inbox' THEN 'processed_at' WHEN 'idempotency_keys' THEN 'created_at' END;
      least_age interval := CASE remembered WHEN 'sync_inbox' THEN interval '22 days' ELSE interval '1 day' END;
      pruned integer;
    BEGIN
      IF age IS NULL OR older_than IS NULL OR older_than < least_age THEN
        RAISE EXCEPTION 'this is not to be forgotten' USING ERRCODE = 'insufficient_privilege';
      END IF;
      EXECUTE format(
        'DELETE FROM wellspring.%1$I AS old WHERE old.%2$I < now() - $1 AND old.ctid = ANY (ARRAY('
        '  SELECT oldest.ctid FROM wellspring.%1$I AS oldest WHERE oldest.%2$I < now() - $1'
        '   ORDER BY oldest.%2$I LIMIT $2))', remembered, age)
        USING older_than, most;
      GET DIAGNOSTICS pruned = ROW_COUNT;
      RETURN pruned;
    END $$
    """,
    "is_pipeline()": """
    RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT coalesce(current_setting('wellspring.scope', true), '') = 'pipeline'
    $$
    """,
}


def is_service(condition: str) -> str:
    """Return the statement that says which scopes a service works under."""
    return f"""
    CREATE OR REPLACE FUNCTION wellspring.is_service() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT coalesce(current_setting('wellspring.scope', true), '') {condition}
    $$
    """


def upgrade() -> None:
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION wellspring.{signature} {body}")
        name = signature.partition("(")[0]
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{name} TO {WRITER if name == 'prune' else ', '.join(ROLES)}")
    op.execute(is_service("IN ('service', 'pipeline')"))
    for table in PROVENANCE:
        op.execute(
            f"CREATE POLICY {table}_of_the_pipeline ON core_api.{table} FOR ALL TO {WRITER}"
            " USING ((SELECT wellspring.is_pipeline()))"
        )


def downgrade() -> None:
    for table in PROVENANCE:
        op.execute(f"DROP POLICY {table}_of_the_pipeline ON core_api.{table}")
    op.execute(is_service("= 'service'"))
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION wellspring.{signature.partition('(')[0]}")
