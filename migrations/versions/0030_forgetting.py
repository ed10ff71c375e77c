"""Who was erased leaves no name in what is kept, whenever it comes (contract, section 6).

What a parked message says of an erased person is their type and id: of what is parked already when they are erased,
and of what comes later. A message keeps the digest of what was sent, so that it is known when it is sent again. Kept
answers that name the person go whole: a name in them may be an older one.

Safe while old functions run: they call the functions that there were, which do now as the new ones do.
"""

from alembic import op

from migrations.support import CONSUMER, FEEDER, module_of

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# All that a message may say (contract, section 5). What else it says goes, too: nobody knows whom it is about.
MEMBERS = (
    *("id", "type", "workspace_connector_id", "direction", "records", "mode", "occurred_at", "run"),
    *("message_ids", "snapshot", "workspace_id", "provider_ids"),
)
# As it came, and as JSON has it: an id may be written with escapes, and a member may stand twice. What is no message
# may write one without its hyphens, too.
SAID_IN = """
CREATE FUNCTION wellspring.said_in(body text)
RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
BEGIN
  RETURN lower(body || ' ' || body::jsonb::text);
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN lower(body);
END $$
"""
ERASED_IN = """
CREATE FUNCTION wellspring.erased_in(body text)
RETURNS uuid[] LANGUAGE sql STABLE SET search_path = '' AS $$
  SELECT array_agg(named.id)
    FROM (SELECT DISTINCT CAST(found[1] AS uuid) AS id
            FROM regexp_matches(wellspring.said_in(body), '[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}', 'g') AS found
         ) AS named
   WHERE (SELECT person.erased_at FROM core_api.peoples AS person WHERE person.id = named.id) IS NOT NULL
      OR (SELECT gone.erased_at FROM wellspring.tombstones AS gone
           WHERE gone.type = 'people' AND gone.id = named.id) IS NOT NULL
$$
"""
# By its structure; NULL of what is no message, and whose parts cannot be told apart.
WITHOUT_PEOPLE = f"""
CREATE FUNCTION wellspring.without_people(body text, gone uuid[])
RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
DECLARE
  rest jsonb;
BEGIN
  SELECT jsonb_object_agg(member.key, CASE
           WHEN member.key = 'records' AND jsonb_typeof(member.value) = 'array' THEN (
             SELECT jsonb_agg(CASE
                      WHEN lower(record.value ->> 'id') = ANY (gone::text[])
                      THEN jsonb_build_object('type', record.value -> 'type', 'id', record.value -> 'id')
                      ELSE record.value
                    END ORDER BY record.place)
               FROM jsonb_array_elements(member.value) WITH ORDINALITY AS record (value, place))
           ELSE member.value
         END)
    INTO rest
    FROM jsonb_each(body::jsonb) AS member
   WHERE member.key = ANY ('{{{", ".join(MEMBERS)}}}');
  RETURN rest::text;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN NULL;
END $$
"""
WITHOUT_ERASED = """
CREATE FUNCTION wellspring.without_erased(body text, is_message boolean)
RETURNS text LANGUAGE plpgsql STABLE STRICT SET search_path = '' AS $$
DECLARE
  gone uuid[] := wellspring.erased_in(body);
BEGIN
  RETURN CASE WHEN gone IS NULL THEN body WHEN is_message THEN wellspring.without_people(body, gone) END;
END $$
"""
# What is left of a body can still be released. One that is no message cannot, and one whose parts cannot be told apart
# is dropped, as one that has waited for too long is.
FORGET_IN_MESSAGES = """
CREATE OR REPLACE FUNCTION wellspring.forget_in_messages(person uuid)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  changed integer := 0;
  digits text := replace(person::text, '-', '');
  kept record;
  rest text;
BEGIN
  FOR kept IN SELECT pk, body, reason FROM wellspring.sync_messages
               WHERE outcome IN ('parked', 'in_progress') AND body IS NOT NULL
                 AND (strpos(replace(lower(body), '-', ''), digits) > 0 OR strpos(body, '\\u00') > 0)
                 AND strpos(replace(wellspring.said_in(body), '-', ''), digits) > 0
               ORDER BY pk FOR UPDATE LOOP
    rest := CASE WHEN kept.reason IS DISTINCT FROM 'malformed'
                 THEN wellspring.without_people(kept.body, ARRAY[person]) END;
    UPDATE wellspring.sync_messages AS old
       SET body = rest,
           reason = CASE WHEN rest IS NULL AND old.reason <> 'malformed' THEN 'expired' ELSE old.reason END
     WHERE old.pk = kept.pk;
    changed := changed + 1;
  END LOOP;
  RETURN changed;
END $$
"""
FORGET_IN_ANSWERS = """
CREATE FUNCTION wellspring.forget_in_answers(person uuid)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  WITH forgotten AS (
    DELETE FROM wellspring.idempotency_keys WHERE strpos(lower(answer), person::text) > 0 RETURNING caller
  )
  SELECT count(*) FROM forgotten
$$
"""
# For the functions of the release before.
FORGET_AS_BEFORE = """
CREATE OR REPLACE FUNCTION wellspring.forget_in_answers(person uuid, written text[], instead text[])
RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  SELECT wellspring.forget_in_answers(person)::integer
$$
"""
FUNCTIONS = {
    "said_in(text)": (SAID_IN, f"{CONSUMER}, {FEEDER}"),
    "erased_in(text)": (ERASED_IN, f"{CONSUMER}, {FEEDER}"),
    "without_people(text, uuid[])": (WITHOUT_PEOPLE, CONSUMER),
    "without_erased(text, boolean)": (WITHOUT_ERASED, CONSUMER),
    "forget_in_answers(uuid)": (FORGET_IN_ANSWERS, FEEDER),
}


def upgrade() -> None:
    for signature, (function, roles) in FUNCTIONS.items():
        op.execute(function)
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{signature} TO {roles}")
    op.execute(FORGET_IN_MESSAGES)
    op.execute(FORGET_AS_BEFORE)


def downgrade() -> None:
    messages, feed = module_of("0012_sync_messages_read"), module_of("0007_feed")
    op.execute(messages.FORGET_IN_MESSAGES.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute(feed.FORGET.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION wellspring.{signature}")
