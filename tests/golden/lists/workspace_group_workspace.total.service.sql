-- GET /v1/workspace-group-workspaces?page[total]=true: the total, for a service.
-- 846 bytes as it is sent.

SELECT count(*) AS count_1
FROM (
  SELECT row.pk AS pk, row.created_at AS created_at
  FROM core_api.workspace_group_workspaces AS row
  JOIN LATERAL (
    SELECT workspace_group.id AS id
    FROM core_api.workspace_groups AS workspace_group
    WHERE workspace_group.pk = row.workspace_group_pk
      AND workspace_group.deleted_at IS NULL
    LIMIT ALL OFFSET 0
  ) AS seen_workspace_group ON true
  JOIN LATERAL (
    SELECT workspace.id AS id
    FROM core_api.workspaces AS workspace
    WHERE workspace.pk = row.workspace_pk
      AND workspace.deleted_at IS NULL
    LIMIT ALL OFFSET 0
  ) AS seen_workspace ON true
  LEFT OUTER JOIN LATERAL (
    SELECT created_by.id AS id
    FROM core_api.peoples AS created_by
    WHERE created_by.pk = row.created_by_pk
    LIMIT ALL OFFSET 0
  ) AS seen_created_by ON true
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT 10001
) AS counted
