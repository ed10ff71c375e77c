-- GET /v1/workspace-connectors, for a service.
-- 1,822 bytes as it is sent.

WITH page AS (
  SELECT row.pk AS pk,
    row.id AS id,
    row.status AS status,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    seen_workspace.id AS workspace_id,
    seen_connector.id AS connector_id
  FROM wellspring.workspace_connectors_of_caller AS row
  JOIN LATERAL (
    SELECT workspace.id AS id
    FROM core_api.workspaces AS workspace
    WHERE workspace.pk = row.workspace_pk
      AND workspace.deleted_at IS NULL
      AND (EXISTS (
        SELECT *
        FROM core_api.workspaces AS workspaces_1
        WHERE workspaces_1.pk = workspace.pk
          AND workspaces_1.deleted_at IS NULL
      ))
    LIMIT ALL OFFSET 0
  ) AS seen_workspace ON true
  JOIN LATERAL (
    SELECT connector.id AS id
    FROM core_api.connectors AS connector
    WHERE connector.pk = row.connector_pk
    LIMIT ALL OFFSET 0
  ) AS seen_connector ON true
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.status AS status,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.workspace_id AS workspace_id,
    page.connector_id AS connector_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.status,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.workspace_id AS TEXT) AS workspace_id,
  CAST(shown.connector_id AS TEXT) AS connector_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_connector', array_agg(shown.id))
    AND wellspring.leave_ids('workspace_connector__workspace', array_agg(shown.workspace_id))
    AND wellspring.leave_ids('workspace_connector__connector', array_agg(shown.connector_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
