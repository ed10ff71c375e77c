-- GET /v1/workspaces, for a person.
-- 1,628 bytes as it is sent.

-- Who is calling, while they are there. Without a source they are a contact that a sync made, and nobody.
WITH caller AS (
  SELECT caller.pk
  FROM core_api.peoples AS caller
  WHERE caller.id = :caller_id::UUID
    AND caller.deleted_at IS NULL
    AND caller.source IS NOT NULL
),
-- The live groups of which the caller is an active member.
visible_groups AS (
  SELECT team.pk
  FROM core_api.workspace_group_memberships AS membership
  JOIN core_api.workspace_groups AS team ON team.pk = membership.workspace_group_pk
  WHERE membership.people_pk = (SELECT pk FROM caller)
    AND membership.status = 'active'
    AND membership.deleted_at IS NULL
    AND team.deleted_at IS NULL
),
-- All live workspaces that the caller sees: as a member, or by an enrolment in one of the groups.
visible AS (
  SELECT workspace.pk
  FROM (
    SELECT membership.workspace_pk AS pk
    FROM core_api.workspace_memberships AS membership
    WHERE membership.people_pk = (SELECT pk FROM caller)
      AND membership.status = 'active'
      AND membership.deleted_at IS NULL
    UNION
    SELECT enrolment.workspace_pk AS pk
    FROM visible_groups
    JOIN core_api.workspace_group_workspaces AS enrolment ON enrolment.workspace_group_pk = visible_groups.pk
    WHERE enrolment.deleted_at IS NULL
  ) AS way
  JOIN core_api.workspaces AS workspace ON workspace.pk = way.pk
  WHERE workspace.deleted_at IS NULL
),
-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
page AS (
  SELECT row.pk,
    row.id,
    row.name,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at
  FROM wellspring.workspaces_of_caller AS row
  WHERE row.deleted_at IS NULL
    AND (SELECT wellspring.leave_workspaces(false))
    AND row.pk = ANY(ARRAY(SELECT pk FROM visible))
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts.
SELECT pk,
  id::text AS id,
  name,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at
FROM shown
ORDER BY shown.created_at DESC, pk DESC
