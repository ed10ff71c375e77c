-- GET /v1/workspace-group-memberships, for a service.
-- 1,731 bytes as it is sent.

WITH page AS (
  SELECT row.pk AS pk,
    row.id AS id,
    row.role AS role,
    row.status AS status,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    seen_people.id AS people_id,
    seen_workspace_group.id AS workspace_group_id
  FROM wellspring.workspace_group_memberships_of_caller AS row
  JOIN LATERAL (
    SELECT people.id AS id
    FROM core_api.peoples AS people
    WHERE people.pk = row.people_pk
    LIMIT ALL OFFSET 0
  ) AS seen_people ON true
  JOIN LATERAL (
    SELECT workspace_group.id AS id
    FROM core_api.workspace_groups AS workspace_group
    WHERE workspace_group.pk = row.workspace_group_pk
      AND workspace_group.deleted_at IS NULL
    LIMIT ALL OFFSET 0
  ) AS seen_workspace_group ON true
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.role AS role,
    page.status AS status,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.people_id AS people_id,
    page.workspace_group_id AS workspace_group_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.role,
  shown.status,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.people_id AS TEXT) AS people_id,
  CAST(shown.workspace_group_id AS TEXT) AS workspace_group_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group_membership__people', array_agg(shown.people_id))
    AND wellspring.leave_ids('workspace_group_membership__workspace_group', array_agg(shown.workspace_group_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
