-- GET /v1/company-workspace-connectors?page[total]=true: the total, for a service.
-- 711 bytes as it is sent.

SELECT count(*)
FROM (
  SELECT row.created_at AS head_at, row.pk AS head_pk
  FROM core_api.company_workspace_connectors AS row
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.companies AS p
    WHERE p.pk = row.company_pk
      AND p.deleted_at IS NULL
      AND EXISTS (
        SELECT
        FROM core_api.workspaces AS there
        WHERE there.pk = p.workspace_pk
          AND there.deleted_at IS NULL
      )
    OFFSET 0
  ) AS company
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspace_connectors AS p
    WHERE p.pk = row.workspace_connector_pk
      AND p.deleted_at IS NULL
      AND EXISTS (
        SELECT
        FROM core_api.workspaces AS there
        WHERE there.pk = p.workspace_pk
          AND there.deleted_at IS NULL
      )
    OFFSET 0
  ) AS workspace_connector
  WHERE row.deleted_at IS NULL
  LIMIT 10001
) AS counted
