-- GET /v1/company-workspace-connectors?page[total]=true: the total, for a service.
-- 993 bytes as it is sent.

SELECT count(*) AS count_1
FROM (
  SELECT row.pk AS pk, row.created_at AS created_at
  FROM core_api.company_workspace_connectors AS row
  JOIN LATERAL (
    SELECT company.id AS id
    FROM core_api.companies AS company
    WHERE company.pk = row.company_pk
      AND company.deleted_at IS NULL
      AND (EXISTS (
        SELECT *
        FROM core_api.workspaces AS workspaces_1
        WHERE workspaces_1.pk = company.workspace_pk
          AND workspaces_1.deleted_at IS NULL
      ))
    LIMIT ALL OFFSET 0
  ) AS seen_company ON true
  JOIN LATERAL (
    SELECT workspace_connector.id AS id
    FROM core_api.workspace_connectors AS workspace_connector
    WHERE workspace_connector.pk = row.workspace_connector_pk
      AND workspace_connector.deleted_at IS NULL
      AND (EXISTS (
        SELECT *
        FROM core_api.workspaces AS workspaces_2
        WHERE workspaces_2.pk = workspace_connector.workspace_pk
          AND workspaces_2.deleted_at IS NULL
      ))
    LIMIT ALL OFFSET 0
  ) AS seen_workspace_connector ON true
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT 10001
) AS counted
