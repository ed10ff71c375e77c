-- GET /v1/workspace-group-workspaces/ID, for a service.
-- 1,918 bytes as it is sent.

WITH found AS (
  SELECT row.id AS id,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    workspace_group.id AS workspace_group_id,
    workspace.id AS workspace_id,
    created_by.id AS created_by_id
  FROM core_api.workspace_group_workspaces AS row
  JOIN core_api.workspace_groups AS workspace_group ON workspace_group.pk = row.workspace_group_pk
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT OUTER JOIN core_api.peoples AS created_by ON created_by.pk = row.created_by_pk
  WHERE row.deleted_at IS NULL
    AND workspace_group.deleted_at IS NULL
    AND workspace.deleted_at IS NULL
    AND ((EXISTS (
        SELECT *
        FROM core_api.workspace_groups AS workspace_groups_1
        WHERE workspace_groups_1.pk = workspace_group.pk
          AND workspace_groups_1.deleted_at IS NULL
      ))
    OR (EXISTS (
        SELECT *
        FROM core_api.workspaces AS workspaces_1
        WHERE workspaces_1.pk = workspace.pk
          AND workspaces_1.deleted_at IS NULL
      )))
    AND row.id = :id_eq::UUID
)
SELECT CAST(found.id AS TEXT) AS id,
  CAST(found.created_at AS TEXT) AS created_at,
  CAST(found.updated_at AS TEXT) AS updated_at,
  CAST(found.deleted_at AS TEXT) AS deleted_at,
  CAST(found.workspace_group_id AS TEXT) AS workspace_group_id,
  CAST(found.workspace_id AS TEXT) AS workspace_id,
  CAST(found.created_by_id AS TEXT) AS created_by_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('workspace_group_workspace__workspace_group', array_agg(found.workspace_group_id) FILTER (WHERE found.deleted_at IS NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace', array_agg(found.workspace_id))
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(found.created_by_id))
    AND wellspring.leave_ids('workspace_group_workspace__workspace_group__ended', array_agg(found.workspace_group_id) FILTER (WHERE found.deleted_at IS NOT NULL)) AS anon_1
  FROM found
)
