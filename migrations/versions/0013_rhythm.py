"""Twice the median is when a connector is expected, unless its own gaps say that it has weekends (docs/adr/0052).

Of fewer than five gaps one may be an outage, and so may be what is longer than four times the median.
What `expected_by` is now stays until the next sync.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Nine gaps of ten are no longer than `usual`.
RHYTHM = """CREATE OR REPLACE FUNCTION wellspring.rhythm(syncs timestamptz[])
    RETURNS TABLE (usual interval, longest interval) LANGUAGE sql IMMUTABLE ROWS 1 SET search_path = '' AS $$
      SELECT least(often, 4 * median), greatest(interval '1 day', 2 * median, {allowance})
        FROM (SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY gap) AS often,
                     percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS median{number}
                FROM (SELECT at - lag(at) OVER (ORDER BY number) AS gap
                        FROM unnest(syncs) WITH ORDINALITY AS sync (at, number)) AS gaps
               WHERE gap IS NOT NULL
              HAVING count(*) >= 3) AS of_gaps
    $$"""
ALLOWANCE = "CASE WHEN number >= 5 AND often <= 4 * median THEN 1.1 * often END"


def upgrade() -> None:
    op.execute(RHYTHM.format(allowance=ALLOWANCE, number=", count(*) AS number"))


def downgrade() -> None:
    op.execute(RHYTHM.format(allowance="least(1.1 * often, 4 * median)", number=""))
