"""Erasing a person takes what is said of them out of the bodies of parked messages, too (contract, section 6).

Safe while old functions run: they do not call it.
"""

from alembic import op

from migrations.support import FEEDER

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# What is left of a body can still be released: its digest goes with it. One that is no message cannot, and one whose
# parts cannot be told apart is dropped, as one that has waited for too long is.
FORGET = """
CREATE FUNCTION wellspring.forget_in_messages(person uuid)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  changed integer := 0;
  kept record;
  rest text;
BEGIN
  FOR kept IN SELECT pk, body, reason FROM wellspring.sync_messages
               WHERE outcome IN ('parked', 'in_progress') AND body IS NOT NULL
                 AND strpos(lower(body), person::text) > 0
               ORDER BY pk FOR UPDATE LOOP
    BEGIN
      SELECT jsonb_set(kept.body::jsonb, '{records}', jsonb_agg(
               CASE WHEN lower(said.value ->> 'id') = person::text THEN said.value - 'attributes' ELSE said.value END
               ORDER BY said.place))::text
        INTO rest
        FROM jsonb_array_elements(kept.body::jsonb -> 'records') WITH ORDINALITY AS said (value, place)
       WHERE kept.reason IS DISTINCT FROM 'malformed';
    EXCEPTION WHEN data_exception THEN
      rest := NULL;
    END;
    UPDATE wellspring.sync_messages AS old
       SET body = rest,
           digest = CASE WHEN rest IS NULL THEN old.digest ELSE sha256(convert_to(rest, 'UTF8')) END,
           reason = CASE WHEN rest IS NULL AND old.reason <> 'malformed' THEN 'expired' ELSE old.reason END
     WHERE old.pk = kept.pk;
    changed := changed + 1;
  END LOOP;
  RETURN changed;
END $$
"""


def upgrade() -> None:
    # In the place of the one of revision 0012, which leaves what is no message.
    op.execute("DROP FUNCTION IF EXISTS wellspring.forget_in_messages(uuid)")
    op.execute(FORGET)
    op.execute("REVOKE ALL ON FUNCTION wellspring.forget_in_messages(uuid) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.forget_in_messages(uuid) TO {FEEDER}")


def downgrade() -> None:
    """Leave the function: the one before took the same, and did less."""
