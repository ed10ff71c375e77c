"""Operators are people who see what a service sees, and begin with the fleet (docs/adr/0053).

A transaction of theirs works for `operator:ID`, which only the reader's role may say: it can write nothing, whatever a
statement asks for. What they looked at is a row of `wellspring.audit`, which the reader's role adds by a function that
takes who it was from the transaction.

What they begin with is counted each minute into the one row of `wellspring.fleet`; connectors are listed by how well
they are, in all workspaces, one tool's or all.
"""

from alembic import op

from migrations import support
from migrations.support import READER, build_index, outside_transaction

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCOPE = "coalesce(current_setting('wellspring.scope', true), '')"
OPERATOR = "'operator:'"
REFUSED = f"""
      IF starts_with(scope, {OPERATOR}) AND current_user <> '{READER}' THEN
        RAISE EXCEPTION 'an operator only reads' USING ERRCODE = 'insufficient_privilege';
      END IF;"""


def functions(refused: str, is_operator: str) -> tuple[str, ...]:
    """Return the functions by which a transaction says for whom it works, and policies ask.

    Args:
        refused: what is refused to say.
        is_operator: the condition that an operator's transaction is a service's for the policies, with what follows.
    """
    return (
        f"""enter(scope text) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    BEGIN{refused}
      PERFORM set_config('wellspring.scope', scope, true);
    END $$""",
        f"""enter_within(scope text, milliseconds integer) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    BEGIN{refused}
      PERFORM set_config('wellspring.scope', scope, true), set_config('statement_timeout', milliseconds::text, true);
    END $$""",
        f"""is_service() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT {SCOPE} IN ('service', 'pipeline') OR starts_with({SCOPE}, 'service:'){is_operator}
    $$""",
    )


LIVE = "WHERE deleted_at IS NULL"
INDEXES = {
    "idx_workspace_connectors_health_live": ("core_api.workspace_connectors", f"(health, created_at, pk) {LIVE}"),
    "idx_workspace_connectors_connector_health_live": (
        "core_api.workspace_connectors",
        f"(connector_pk, health, created_at, pk) {LIVE}",
    ),
}

FUNCTIONS: support.Functions = {
    (READER,): {
        # A row for each workspace that was named, or one where none was. Nobody is noted who is not there any more.
        "note_reading(operation text, resource_type text, resource_id uuid, workspaces uuid[])": f"""
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      person uuid := CASE WHEN starts_with({SCOPE}, {OPERATOR}) THEN substr({SCOPE}, length({OPERATOR}) + 1)::uuid END;
    BEGIN
      IF (SELECT true FROM core_api.peoples AS caller
           WHERE caller.id = person AND caller.deleted_at IS NULL AND caller.source IS NOT NULL) IS NULL THEN
        RAISE EXCEPTION 'this is for operators' USING ERRCODE = 'insufficient_privilege';
      END IF;
      INSERT INTO wellspring.audit (caller, operation, resource_type, resource_id, workspace_pk)
      SELECT 'person:' || person, note_reading.operation, note_reading.resource_type, note_reading.resource_id,
             (SELECT workspace.pk FROM core_api.workspaces AS workspace WHERE workspace.id = named.id)
        FROM (VALUES (true)) AS reading (is_one)
        LEFT JOIN unnest(workspaces) AS named (id) ON reading.is_one;
    END $$""",
    }
}


def upgrade() -> None:
    op.execute(
        "ALTER TABLE wellspring.fleet ADD COLUMN as_of timestamptz(3), ADD COLUMN counted jsonb NOT NULL DEFAULT '{}'"
    )
    op.execute("ALTER TABLE wellspring.audit ALTER COLUMN resource_id DROP NOT NULL, ADD COLUMN workspace_pk bigint")
    for function in functions(REFUSED, f" OR starts_with({SCOPE}, {OPERATOR})"):
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function}")
    support.create_functions(FUNCTIONS)
    with outside_transaction():
        for name, (table, covers) in INDEXES.items():
            build_index(name, table, covers)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.execute(f"DROP INDEX {table.partition('.')[0]}.{name}")
    op.execute("ALTER TABLE wellspring.fleet DROP COLUMN as_of, DROP COLUMN counted")
    support.drop_functions(FUNCTIONS)
    for function in functions("", ""):
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function}")
    # Lists are of no resource.
    op.execute("DELETE FROM wellspring.audit WHERE resource_id IS NULL")
    op.execute("ALTER TABLE wellspring.audit ALTER COLUMN resource_id SET NOT NULL, DROP COLUMN workspace_pk")
