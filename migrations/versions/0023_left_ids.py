"""A statement leaves ids for those behind it in the same flush (docs/adr/0041).

Safe while old functions run: they do not know it. The setting is written within a function, because RDS Proxy pins a
session whose statement writes one. It is the caller's: whoever may call it may write the setting as well.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Who answers over HTTP: a release is the consumer's or the feeder's, and shows what it released.
READERS = "wellspring_reader, wellspring_writer, wellspring_consumer, wellspring_feeder"

# Without a `search_path` of its own, so that it is inlined.
LEAVE_IDS = """
CREATE FUNCTION wellspring.leave_ids(place text, ids uuid[]) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT pg_catalog.set_config('wellspring.left_' || place, coalesce(ids::text, ''), true) IS NOT NULL
$$
"""


def upgrade() -> None:
    op.execute(LEAVE_IDS)
    op.execute("REVOKE ALL ON FUNCTION wellspring.leave_ids FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.leave_ids TO {READERS}")


def downgrade() -> None:
    op.execute("DROP FUNCTION wellspring.leave_ids")
