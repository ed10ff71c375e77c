-- GET /v1/workspace-group-memberships, for a service.
-- 1,159 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.role,
    row.status,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    people.id AS people_id,
    workspace_group.id AS workspace_group_id
  FROM wellspring.workspace_group_memberships_of_caller AS row
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.peoples AS p
    WHERE p.pk = row.people_pk
    OFFSET 0
  ) AS people
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspace_groups AS p
    WHERE p.pk = row.workspace_group_pk
      AND p.deleted_at IS NULL
    OFFSET 0
  ) AS workspace_group
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
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
