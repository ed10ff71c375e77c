-- GET /v1/workspace-group-workspaces/ID, for a service.
-- 1,653 bytes as it is sent.

-- The row, where it is there and the caller sees it. What they see is computed first, whatever is asked.
WITH found AS (
  SELECT row.id,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    workspace_group.id AS workspace_group_id,
    workspace.id AS workspace_id,
    created_by.id AS created_by_id
  FROM core_api.workspace_group_workspaces AS row
  JOIN core_api.workspace_groups AS workspace_group ON workspace_group.pk = row.workspace_group_pk
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT JOIN core_api.peoples AS created_by ON created_by.pk = row.created_by_pk
  WHERE row.deleted_at IS NULL
    AND row.id = :id_eq::UUID
    AND workspace_group.deleted_at IS NULL
    AND workspace.deleted_at IS NULL
    AND (EXISTS (
      SELECT
      FROM core_api.workspace_groups AS there
      WHERE there.pk = workspace_group.pk
        AND there.deleted_at IS NULL
    )
    OR EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = workspace.pk
        AND there.deleted_at IS NULL
    ))
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT id::text AS id,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  workspace_group_id::text AS workspace_group_id,
  workspace_id::text AS workspace_id,
  created_by_id::text AS created_by_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('workspace_group_workspace__workspace_group', array_agg(workspace_group_id) FILTER (WHERE deleted_at IS NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace_group__ended', array_agg(workspace_group_id) FILTER (WHERE deleted_at IS NOT NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(created_by_id))
  FROM found
)
