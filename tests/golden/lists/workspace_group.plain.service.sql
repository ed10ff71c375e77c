-- GET /v1/workspace-groups, for a service.
-- 1,320 bytes as it is sent.

WITH page AS (
  SELECT row.id AS id,
    row.name AS name,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    created_by.id AS created_by_id,
    row.pk AS pk
  FROM core_api.workspace_groups AS row
  LEFT OUTER JOIN core_api.peoples AS created_by ON created_by.pk = row.created_by_pk
  WHERE row.deleted_at IS NULL
    AND (EXISTS (
      SELECT *
      FROM core_api.workspace_groups AS workspace_groups_1
      WHERE workspace_groups_1.pk = row.pk
        AND workspace_groups_1.deleted_at IS NULL
    ))
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.name AS name,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.created_by_id AS created_by_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.name,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.created_by_id AS TEXT) AS created_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group', array_agg(shown.id))
    AND wellspring.leave_ids('workspace_group__created_by', array_agg(shown.created_by_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
