"""A connector that is disconnected already, and goes or comes back, tells so: its `health_changed` has another `link`.

Its health and its reasons' codes stay, so nothing told whoever keeps a copy that lists have it no more, or again. The
time of `disconnected` is that of the tombstone, or else of the disconnect: from it the trigger knows what was before.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CODES = "jsonb_path_query_array({}, '$[*].code')"
BEFORE = """coalesce(OLD.health_reasons, '[{"code": "new"}]')"""
CHANGES = f"{CODES.format(BEFORE)} <> {CODES.format('NEW.health_reasons')}"
MAY_GO = """(NEW.health_reasons -> 0 ->> 'code' = 'disconnected'
             AND OLD.health_reasons -> 0 IS DISTINCT FROM NEW.health_reasons -> 0)"""
WAS_GONE = """(OLD.disconnected_at IS NULL OR OLD.health_reasons -> 0 ->> 'at' <>
             to_char(OLD.disconnected_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))"""
EMIT = f"""CREATE OR REPLACE FUNCTION wellspring.emit_health()
    RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM wellspring.emit('wellspring.workspace_connector.health_changed', connector.id, workspace.id,
        connector.id, jsonb_build_object(
          'workspace_connector_id', connector.id,
          'from', coalesce({BEFORE} -> 0 ->> 'code', 'ok'),
          'to', coalesce(NEW.health_reasons -> 0 ->> 'code', 'ok'),
          'reasons', NEW.health_reasons,
          'link', CASE WHEN connector.deleted_at IS NULL THEN '/v1/workspace-connectors/' || connector.id END))
        FROM core_api.workspace_connectors AS connector
        JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk
       WHERE connector.pk = NEW.workspace_connector_pk{{condition}};
      RETURN NULL;
    END $$"""
TRIGGER = """CREATE OR REPLACE TRIGGER events_after_update AFTER UPDATE ON wellspring.connector_state
    FOR EACH ROW WHEN (current_setting('wellspring.emits', true) = 'on' AND {condition})
    EXECUTE FUNCTION wellspring.emit_health()"""


def upgrade() -> None:
    changes = f"({CHANGES} OR (connector.deleted_at IS NOT NULL) <> {WAS_GONE})"
    op.execute(EMIT.replace("{condition}", f"\n         AND {changes}"))
    op.execute(TRIGGER.format(condition=f"({CHANGES} OR {MAY_GO})"))


def downgrade() -> None:
    op.execute(TRIGGER.format(condition=CHANGES))
    op.execute(EMIT.replace("{condition}", ""))
