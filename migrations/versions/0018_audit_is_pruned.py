"""Rows of the audit are forgotten, of 90 days at the least: `wellspring.prune` takes that table, too.

Safe while old functions run: they ask for what they asked for, and get it.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# As revision 0009 made it, and with the audit. Its least age is what a stolen writer could shorten it to.
PRUNE = """
CREATE OR REPLACE FUNCTION wellspring.prune(remembered name, older_than interval, most integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  age name := CASE remembered
    WHEN 'sync_messages' THEN 'received_at' WHEN 'idempotency_keys' THEN 'created_at'{age} END;
  least_age interval := CASE remembered WHEN 'sync_messages' THEN interval '45 days'{least} ELSE interval '1 day' END;
  is_done text := CASE remembered WHEN 'sync_messages' THEN ' AND outcome IN (''applied'', ''dismissed'')' ELSE '' END;
  pruned integer;
BEGIN
  IF remembered = 'sync_inbox' THEN RETURN 0; END IF;
  IF age IS NULL OR older_than IS NULL OR older_than < least_age THEN
    RAISE EXCEPTION 'this is not to be forgotten' USING ERRCODE = 'insufficient_privilege';
  END IF;
  EXECUTE format(
    'DELETE FROM wellspring.%1$I AS old WHERE old.%2$I < now() - $1' || is_done || ' AND old.ctid = ANY (ARRAY('
    '  SELECT oldest.ctid FROM wellspring.%1$I AS oldest WHERE oldest.%2$I < now() - $1' || is_done ||
    '   ORDER BY oldest.%2$I LIMIT $2))', remembered, age)
    USING older_than, most;
  GET DIAGNOSTICS pruned = ROW_COUNT;
  RETURN pruned;
END $$
"""


def upgrade() -> None:
    op.execute(PRUNE.format(age=" WHEN 'audit' THEN 'created_at'", least=" WHEN 'audit' THEN interval '90 days'"))


def downgrade() -> None:
    op.execute(PRUNE.format(age="", least=""))
