-- GET /v1/workspace-groups, for a person.
-- 1,407 bytes as it is sent.

WITH page AS (
  WITH visible_groups AS (
    SELECT tenant.pk
    FROM (
      SELECT membership.workspace_group_pk AS pk
      FROM core_api.workspace_group_memberships AS membership
      WHERE membership.people_pk = (
        SELECT caller.pk
        FROM core_api.peoples AS caller
        WHERE caller.id = :caller_id::UUID
          AND caller.deleted_at IS NULL
          AND caller.source IS NOT NULL
        LIMIT 1
      )
        AND membership.status = 'active'
        AND membership.deleted_at IS NULL
    ) AS held_groups
    JOIN core_api.workspace_groups AS tenant ON tenant.pk = held_groups.pk
    WHERE tenant.deleted_at IS NULL
  )
  SELECT row.id,
    row.name,
    row.created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    created_by.id AS created_by_id,
    row.pk
  FROM core_api.workspace_groups AS row
  LEFT OUTER JOIN core_api.peoples AS created_by ON created_by.pk = row.created_by_pk
  WHERE row.deleted_at IS NULL
    AND row.pk = any(array((SELECT visible_groups.pk FROM visible_groups)))
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *
  FROM page
)
SELECT pk,
  id::text AS id,
  name,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  created_by_id::text AS created_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group', array_agg(id))
    AND wellspring.leave_ids('workspace_group__created_by', array_agg(created_by_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
