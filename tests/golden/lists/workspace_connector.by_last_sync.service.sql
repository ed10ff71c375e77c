-- GET /v1/workspace-connectors?filter[workspace]=00000000-0000-0000-0000-000000000001&sort=-last_synced_at, for a service.
-- 2,407 bytes as it is sent.

WITH page AS (
  SELECT row.id AS id,
    row.status AS status,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    workspace.id AS workspace_id,
    connector.id AS connector_id,
    row.pk AS pk,
    row.last_synced_at AS last_synced_at
  FROM (
    SELECT listed.pk AS pk,
      listed.id AS id,
      listed.created_at AS created_at,
      listed.updated_at AS updated_at,
      listed.deleted_at AS deleted_at,
      listed.source AS source,
      listed.source_version AS source_version,
      listed.workspace_pk AS workspace_pk,
      listed.connector_pk AS connector_pk,
      listed.status AS status,
      CASE WHEN (wellspring.connector_state.last_synced_at IS NULL) THEN '0001-01-02 00:00:00+00'::timestamptz ELSE wellspring.connector_state.last_synced_at END AS last_synced_at
    FROM wellspring.workspace_connectors_of_caller AS listed
    LEFT OUTER JOIN wellspring.connector_state ON wellspring.connector_state.workspace_connector_pk = listed.pk
  ) AS row
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  JOIN core_api.connectors AS connector ON connector.pk = row.connector_pk
  WHERE row.deleted_at IS NULL
    AND workspace.id = any(:workspace_in::UUID[])
    AND workspace.deleted_at IS NULL
    AND (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = workspace.pk
        AND workspaces_1.deleted_at IS NULL
    ))
  ORDER BY row.last_synced_at DESC, row.pk DESC
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
    page.connector_id AS connector_id,
    page.last_synced_at AS last_synced_at
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.status,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.workspace_id AS TEXT) AS workspace_id,
  CAST(shown.connector_id AS TEXT) AS connector_id,
  CAST(shown.last_synced_at AS TEXT) AS last_synced_at
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_connector', array_agg(shown.id))
    AND wellspring.leave_ids('workspace_connector__workspace', array_agg(shown.workspace_id))
    AND wellspring.leave_ids('workspace_connector__connector', array_agg(shown.connector_id)) AS anon_1
  FROM shown
)
ORDER BY shown.last_synced_at DESC, shown.pk DESC
