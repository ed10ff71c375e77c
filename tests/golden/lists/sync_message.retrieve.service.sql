-- GET /v1/sync-messages/ID, for a service.
-- 1,862 bytes as it is sent.

WITH found AS (
  SELECT row.id AS id,
    row.message_id AS message_id,
    row.message_type AS message_type,
    row.direction AS direction,
    row.mode AS mode,
    row.run AS run,
    row.occurred_at AS occurred_at,
    row.received_at AS received_at,
    row.processed_at AS processed_at,
    row.outcome AS outcome,
    row.reason AS reason,
    row.all_problems AS problems,
    row.counts AS counts,
    row.body AS body,
    workspace_connector.id AS workspace_connector_id,
    workspace.id AS workspace_id,
    sync_run.id AS sync_run_id
  FROM wellspring.sync_messages_of_caller AS row
  LEFT OUTER JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT OUTER JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT OUTER JOIN wellspring.sync_runs AS sync_run ON sync_run.pk = row.sync_run_pk
  WHERE (row.workspace_pk IS NULL
    OR (EXISTS (
        SELECT *
        FROM core_api.workspaces AS workspaces_1
        WHERE workspaces_1.pk = row.workspace_pk
          AND workspaces_1.deleted_at IS NULL
      )))
    AND row.id = :id_eq::UUID
)
SELECT CAST(found.id AS TEXT) AS id,
  CAST(found.message_id AS TEXT) AS message_id,
  found.message_type,
  found.direction,
  found.mode,
  found.run,
  CAST(found.occurred_at AS TEXT) AS occurred_at,
  CAST(found.received_at AS TEXT) AS received_at,
  CAST(found.processed_at AS TEXT) AS processed_at,
  found.outcome,
  found.reason,
  found.problems,
  found.counts,
  found.body,
  CAST(found.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(found.workspace_id AS TEXT) AS workspace_id,
  CAST(found.sync_run_id AS TEXT) AS sync_run_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(found.workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(found.workspace_id))
    AND wellspring.leave_ids('sync_message__sync_run', array_agg(found.sync_run_id)) AS anon_1
  FROM found
)
