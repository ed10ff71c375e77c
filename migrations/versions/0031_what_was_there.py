"""The consumer reads which rows were there when a disconnect began, and a reverted message is kept with its revert.

A group, and people that become its members, are locked in front of the look at them, where the caller sees them.

Safe while old functions run: they read no sequence and call no lock, and are answered by `prune` as before.
"""

from alembic import op

from migrations.support import CONSUMER, FEEDER, WRITER, module_of

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

LEDGERS = ("account", "company", "people")
MADE_BEFORE = module_of("0018_audit_is_pruned").PRUNE.format(
    age=" WHEN 'audit' THEN 'created_at'", least=" WHEN 'audit' THEN interval '90 days'"
)
# What a reverted message wrote never comes back, so it must be known that it was reverted for as long as another revert
# may bring rows back: the messages that may have ended its rows are older than its own revert.
IS_DONE = "' AND outcome IN (''applied'', ''dismissed'')'"
IS_DONE_FOR_GOOD = (
    "' AND ROW.outcome IN (''applied'', ''dismissed'') AND (ROW.reverted_by_pk IS NULL OR (SELECT true"
    " FROM wellspring.sync_messages AS revert WHERE revert.pk = ROW.reverted_by_pk) IS NULL)'"
)
PRUNE = (
    MADE_BEFORE.replace(IS_DONE, IS_DONE_FOR_GOOD)
    .replace("$1' || is_done || ' AND old", "$1' || replace(is_done, 'ROW.', 'old.') || ' AND old")
    .replace("$1' || is_done ||\n", "$1' || replace(is_done, 'ROW.', 'oldest.') ||\n")
)

# As `groups.lock_seen` says: nobody learns, or holds up, what they do not see.
LOCKS = {
    "lock_group(team uuid)": """
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM FROM core_api.workspace_groups AS seen
        WHERE seen.id = team AND seen.pk = ANY ((SELECT wellspring.groups_of_caller())::bigint[])
        FOR UPDATE;
    END $$
    """,
    # Whoever erases a person locks the row FOR UPDATE, and ends what memberships there are (repositories/erasing).
    "lock_person(person uuid)": """
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM FROM core_api.peoples AS seen
        WHERE seen.id = person
          AND (person = (SELECT wellspring.caller())
               OR coalesce(seen.workspace_pk = ANY ((SELECT wellspring.workspaces_of_caller())::bigint[]),
                           wellspring.sees_workspace(seen.workspace_pk)))
        FOR KEY SHARE;
    END $$
    """,
}


def upgrade() -> None:
    for record in LEDGERS:
        op.execute(f"GRANT SELECT ON SEQUENCE core_api.{record}_workspace_connectors_pk_seq TO {CONSUMER}")
    op.execute(PRUNE)
    for signature, body in LOCKS.items():
        op.execute(f"CREATE FUNCTION wellspring.{signature} {body}")
        name = signature.partition("(")[0]
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{name} TO {WRITER}")
    # Which messages wait for what came: a look that costs no second sign-in where there are none (docs/adr/0047).
    op.execute(f"GRANT SELECT ON wellspring.waiting_for TO {FEEDER}")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT ON wellspring.waiting_for FROM {FEEDER}")
    for signature in LOCKS:
        op.execute(f"DROP FUNCTION wellspring.{signature.partition('(')[0]}")
    op.execute(MADE_BEFORE)
    for record in LEDGERS:
        op.execute(f"REVOKE SELECT ON SEQUENCE core_api.{record}_workspace_connectors_pk_seq FROM {CONSUMER}")
