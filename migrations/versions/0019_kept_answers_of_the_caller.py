"""Kept answers are their caller's: row-level security on `wellspring.idempotency_keys`, and services that say which.

A service's scope is `service:NAME` now, as persons' is their id, so that one service does not meet another's answers.
Safe while old functions run: they say `service` and no more, and still meet the answers of services, as before; of
persons they say what they did. What prunes and erases runs as the owner, which no policy binds.
"""

from alembic import op

from migrations.support import WRITER

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLE = "wellspring.idempotency_keys"
POLICY = f"idempotency_keys_of_the_caller ON {TABLE}"
SAID = "coalesce(current_setting('wellspring.scope', true), '')"
IS_SERVICE = """
CREATE OR REPLACE FUNCTION wellspring.is_service() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT {condition}
$$
"""
# Asked of the one row that a statement names by its key.
IS_CALLER = f"""
CREATE FUNCTION wellspring.is_caller(name text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN {SAID} = 'service' THEN starts_with(name, 'service:')
    WHEN wellspring.is_service() THEN name = {SAID}
    ELSE name = 'person:' || wellspring.caller()
  END
$$
"""


def upgrade() -> None:
    op.execute(IS_SERVICE.format(condition=f"{SAID} IN ('service', 'pipeline') OR starts_with({SAID}, 'service:')"))
    op.execute(IS_CALLER)
    op.execute("REVOKE ALL ON FUNCTION wellspring.is_caller FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.is_caller TO {WRITER}")
    op.execute(f"CREATE POLICY {POLICY} FOR ALL TO {WRITER} USING (wellspring.is_caller(caller))")
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute(f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY")
    op.execute(f"DROP POLICY {POLICY}")
    op.execute("DROP FUNCTION wellspring.is_caller")
    op.execute(IS_SERVICE.format(condition=f"{SAID} IN ('service', 'pipeline')"))
