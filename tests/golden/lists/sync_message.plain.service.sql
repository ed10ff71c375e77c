-- GET /v1/sync-messages, for a service.
-- 2,383 bytes as it is sent.

WITH page AS (
  SELECT row.pk AS pk,
    row.id AS id,
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
    row.problems AS problems,
    row.counts AS counts,
    seen_workspace_connector.id AS workspace_connector_id,
    seen_workspace.id AS workspace_id
  FROM wellspring.sync_messages_of_caller AS row
  LEFT OUTER JOIN LATERAL (
    SELECT workspace_connector.id AS id
    FROM core_api.workspace_connectors AS workspace_connector
    WHERE workspace_connector.pk = row.workspace_connector_pk
    LIMIT ALL OFFSET 0
  ) AS seen_workspace_connector ON true
  LEFT OUTER JOIN LATERAL (
    SELECT workspace.id AS id
    FROM core_api.workspaces AS workspace
    WHERE workspace.pk = row.workspace_pk
    LIMIT ALL OFFSET 0
  ) AS seen_workspace ON true
  WHERE row.workspace_pk IS NULL
    OR (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = row.workspace_pk
        AND workspaces_1.deleted_at IS NULL
    ))
  ORDER BY row.received_at DESC, row.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.message_id AS message_id,
    page.message_type AS message_type,
    page.direction AS direction,
    page.mode AS mode,
    page.run AS run,
    page.occurred_at AS occurred_at,
    page.received_at AS received_at,
    page.processed_at AS processed_at,
    page.outcome AS outcome,
    page.reason AS reason,
    page.problems AS problems,
    page.counts AS counts,
    page.workspace_connector_id AS workspace_connector_id,
    page.workspace_id AS workspace_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  CAST(shown.message_id AS TEXT) AS message_id,
  shown.message_type,
  shown.direction,
  shown.mode,
  shown.run,
  CAST(shown.occurred_at AS TEXT) AS occurred_at,
  CAST(shown.received_at AS TEXT) AS received_at,
  CAST(shown.processed_at AS TEXT) AS processed_at,
  shown.outcome,
  shown.reason,
  shown.problems,
  shown.counts,
  CAST(shown.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(shown.workspace_id AS TEXT) AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(shown.workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(shown.workspace_id)) AS anon_1
  FROM shown
)
ORDER BY shown.received_at DESC, shown.pk DESC
