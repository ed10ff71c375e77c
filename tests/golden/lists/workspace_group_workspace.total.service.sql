-- GET /v1/workspace-group-workspaces?page[total]=true: the total, for a service.
-- 472 bytes as it is sent.

SELECT count(*)
FROM (
  SELECT row.created_at AS head_at, row.pk AS head_pk
  FROM core_api.workspace_group_workspaces AS row
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspace_groups AS p
    WHERE p.pk = row.workspace_group_pk
      AND p.deleted_at IS NULL
    OFFSET 0
  ) AS workspace_group
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspaces AS p
    WHERE p.pk = row.workspace_pk
      AND p.deleted_at IS NULL
    OFFSET 0
  ) AS workspace
  WHERE row.deleted_at IS NULL
  LIMIT 10001
) AS counted
