-- GET /v1/workspace-providers/ID, for a service.
-- 1,075 bytes as it is sent.

-- The row, where it is there and the caller sees it. What they see is computed first, whatever is asked.
WITH found AS (
  SELECT row.id,
    row.is_selected,
    row.is_matched,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    workspace.id AS workspace_id,
    provider.id AS provider_id
  FROM core_api.workspace_providers AS row
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  JOIN core_api.providers AS provider ON provider.pk = row.provider_pk
  WHERE row.deleted_at IS NULL
    AND row.id = :id_eq::UUID
    AND workspace.deleted_at IS NULL
    AND provider.deleted_at IS NULL
    AND EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = workspace.pk
        AND there.deleted_at IS NULL
    )
    AND true
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT id::text AS id,
  is_selected,
  is_matched,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  workspace_id::text AS workspace_id,
  provider_id::text AS provider_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('workspace_provider__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_provider__provider', array_agg(provider_id))
  FROM found
)
