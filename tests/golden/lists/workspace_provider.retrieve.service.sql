-- GET /v1/workspace-providers/ID, for a service.
-- 1,283 bytes as it is sent.

WITH found AS (
  SELECT row.id AS id,
    row.is_selected AS is_selected,
    row.is_matched AS is_matched,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    workspace.id AS workspace_id,
    provider.id AS provider_id
  FROM core_api.workspace_providers AS row
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  JOIN core_api.providers AS provider ON provider.pk = row.provider_pk
  WHERE row.deleted_at IS NULL
    AND workspace.deleted_at IS NULL
    AND provider.deleted_at IS NULL
    AND (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = workspace.pk
        AND workspaces_1.deleted_at IS NULL
    ))
    AND row.id = :id_eq::UUID
)
SELECT CAST(found.id AS TEXT) AS id,
  found.is_selected,
  found.is_matched,
  CAST(found.created_at AS TEXT) AS created_at,
  CAST(found.updated_at AS TEXT) AS updated_at,
  CAST(found.deleted_at AS TEXT) AS deleted_at,
  CAST(found.workspace_id AS TEXT) AS workspace_id,
  CAST(found.provider_id AS TEXT) AS provider_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('workspace_provider__workspace', array_agg(found.workspace_id))
    AND wellspring.leave_ids('workspace_provider__provider', array_agg(found.provider_id)) AS anon_1
  FROM found
)
