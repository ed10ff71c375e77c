-- GET /v1/workspace-providers?page[total]=true: the total, for a service.
-- 752 bytes as it is sent.

SELECT count(*) AS count_1
FROM (
  SELECT row.pk AS pk, row.created_at AS created_at
  FROM core_api.workspace_providers AS row
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
    SELECT provider.id AS id
    FROM core_api.providers AS provider
    WHERE provider.pk = row.provider_pk
      AND provider.deleted_at IS NULL
    LIMIT ALL OFFSET 0
  ) AS seen_provider ON true
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT 10001
) AS counted
