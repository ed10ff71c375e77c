-- GET /v1/workspace-group-memberships, for a person.
-- 2,350 bytes as it is sent.

WITH caller AS (
  SELECT caller.pk
  FROM core_api.peoples AS caller
  WHERE caller.id = :caller_id::UUID
    AND caller.deleted_at IS NULL
    AND caller.source IS NOT NULL
),
visible_groups AS (
  SELECT team.pk
  FROM core_api.workspace_group_memberships AS membership
  JOIN core_api.workspace_groups AS team ON team.pk = membership.workspace_group_pk
  WHERE membership.people_pk = (SELECT pk FROM caller)
    AND membership.status = 'active'
    AND membership.deleted_at IS NULL
    AND team.deleted_at IS NULL
),
driver AS (
  SELECT parent.pk, parent.id
  FROM core_api.workspace_groups AS parent
  WHERE parent.deleted_at IS NULL
    AND parent.pk = ANY(ARRAY(SELECT pk FROM visible_groups))
),
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.created_at AS head_at, row.pk AS head_pk
    FROM wellspring.workspace_group_memberships_of_caller AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.peoples AS p
      WHERE p.pk = row.people_pk
      OFFSET 0
    ) AS people
    WHERE row.workspace_group_pk = driver.pk
      AND row.deleted_at IS NULL
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
page AS (
  SELECT found.*, driver.id AS workspace_group_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT row.pk,
      row.id,
      row.role,
      row.status,
      row.created_at,
      CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at,
      people.id AS people_id
    FROM wellspring.workspace_group_memberships_of_caller AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.peoples AS p
      WHERE p.pk = row.people_pk
      OFFSET 0
    ) AS people
    WHERE row.workspace_group_pk = driver.pk
      AND row.deleted_at IS NULL
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *
  FROM page
)
SELECT pk,
  id::text AS id,
  role,
  status,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  people_id::text AS people_id,
  workspace_group_id::text AS workspace_group_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group_membership__people', array_agg(people_id))
    AND wellspring.leave_ids('workspace_group_membership__workspace_group', array_agg(workspace_group_id))
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
