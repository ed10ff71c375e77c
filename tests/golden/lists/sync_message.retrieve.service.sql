-- GET /v1/sync-messages/ID, for a service.
-- 1,467 bytes as it is sent.

-- The row, where it is there and the caller sees it. What they see is computed first, whatever is asked.
WITH found AS (
  SELECT row.id,
    row.message_id,
    row.message_type,
    row.direction,
    row.mode,
    row.run,
    row.occurred_at,
    row.received_at,
    row.processed_at,
    row.outcome,
    row.reason,
    row.all_problems AS problems,
    row.counts,
    row.body,
    workspace_connector.id AS workspace_connector_id,
    workspace.id AS workspace_id,
    sync_run.id AS sync_run_id
  FROM wellspring.sync_messages_of_caller AS row
  LEFT JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT JOIN wellspring.sync_runs AS sync_run ON sync_run.pk = row.sync_run_pk
  WHERE row.id = :id_eq::UUID
    AND (row.workspace_pk IS NULL
    OR EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = row.workspace_pk
        AND there.deleted_at IS NULL
    ))
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT id::text AS id,
  message_id::text AS message_id,
  message_type,
  direction,
  mode,
  run,
  occurred_at::text AS occurred_at,
  received_at::text AS received_at,
  processed_at::text AS processed_at,
  outcome,
  reason,
  problems,
  counts,
  body,
  workspace_connector_id::text AS workspace_connector_id,
  workspace_id::text AS workspace_id,
  sync_run_id::text AS sync_run_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('sync_message__sync_run', array_agg(sync_run_id))
  FROM found
)
