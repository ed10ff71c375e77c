-- GET /v1/workspaces?filter[name][starts]=alder, for a person.
-- 2,072 bytes as it is sent.

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
  ),
  visible AS (
    SELECT tenant.pk
    FROM (
      SELECT membership.workspace_pk AS pk
      FROM core_api.workspace_memberships AS membership
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
    ) AS anon_1
    JOIN core_api.workspaces AS tenant ON tenant.pk = anon_1.pk
    WHERE tenant.deleted_at IS NULL
    UNION
    SELECT tenant.pk
    FROM (
      SELECT enrolment.workspace_pk AS pk
      FROM visible_groups, core_api.workspace_group_workspaces AS enrolment
      WHERE enrolment.deleted_at IS NULL
        AND enrolment.workspace_group_pk = visible_groups.pk
    ) AS anon_2
    JOIN core_api.workspaces AS tenant ON tenant.pk = anon_2.pk
    WHERE tenant.deleted_at IS NULL
  )
  SELECT row.id,
    row.name,
    row.created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    row.pk,
    row.folded_name
  FROM wellspring.workspaces_of_caller AS row
  WHERE row.deleted_at IS NULL
    AND row.folded_name >= wellspring.fold(:name_starts::VARCHAR)
    AND row.folded_name < (wellspring.fold(:name_starts::VARCHAR) || chr(1114111))
    AND (SELECT wellspring.leave_workspaces(false) AS done)
    AND row.pk = any(array((SELECT visible.pk FROM visible)))
  ORDER BY row.folded_name ASC, row.pk ASC
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
  folded_name
FROM shown
ORDER BY shown.folded_name ASC, pk ASC
