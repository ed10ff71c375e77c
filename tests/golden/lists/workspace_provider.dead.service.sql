-- GET /v1/workspace-providers?filter[deleted]=only, for a service.
-- 1,896 bytes as it is sent.

WITH page AS (
  SELECT row.pk AS pk,
    row.id AS id,
    row.is_selected AS is_selected,
    row.is_matched AS is_matched,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    seen_workspace.id AS workspace_id,
    seen_provider.id AS provider_id
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
      AND (provider.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
    LIMIT ALL OFFSET 0
  ) AS seen_provider ON true
  WHERE row.deleted_at IS NOT NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.is_selected AS is_selected,
    page.is_matched AS is_matched,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.workspace_id AS workspace_id,
    page.provider_id AS provider_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.is_selected,
  shown.is_matched,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.workspace_id AS TEXT) AS workspace_id,
  CAST(shown.provider_id AS TEXT) AS provider_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_provider__workspace', array_agg(shown.workspace_id))
    AND wellspring.leave_ids('workspace_provider__provider', array_agg(shown.provider_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
