-- GET /v1/workspace-providers?page[total]=true: the total, for a service.
-- 549 bytes as it is sent.

SELECT count(*)
FROM (
  SELECT row.created_at AS head_at, row.pk AS head_pk
  FROM core_api.workspace_providers AS row
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspaces AS p
    WHERE p.pk = row.workspace_pk
      AND p.deleted_at IS NULL
      AND EXISTS (
        SELECT
        FROM core_api.workspaces AS there
        WHERE there.pk = p.pk
          AND there.deleted_at IS NULL
      )
    OFFSET 0
  ) AS workspace
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.providers AS p
    WHERE p.pk = row.provider_pk
      AND p.deleted_at IS NULL
    OFFSET 0
  ) AS provider
  WHERE row.deleted_at IS NULL
  LIMIT 10001
) AS counted
