-- GET /v1/workspace-group-workspaces?page[total]=true: the total, for a person.
-- 1,694 bytes as it is sent.

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
-- The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees
-- what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its
-- side effect: the row-level security policies get the caller's workspaces as a list (true: those of
-- memberships alone), so that they need not look up each row's.
driver AS (
  SELECT parent.pk, parent.id, parent.pk AS workspace_pk
  FROM core_api.workspaces AS parent
  WHERE parent.deleted_at IS NULL
    AND (SELECT wellspring.leave_workspaces(false))
    AND parent.pk = ANY(ARRAY(SELECT pk FROM visible))
)
-- What is answered, ids and times as text.
SELECT count(*)
FROM (
  SELECT 1
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.created_at AS head_at, row.pk AS head_pk
    FROM core_api.workspace_group_workspaces AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspace_groups AS p
      WHERE p.pk = row.workspace_group_pk
        AND p.deleted_at IS NULL
      OFFSET 0
    ) AS workspace_group
    WHERE row.workspace_pk = driver.pk
      AND row.deleted_at IS NULL
    LIMIT 10001
  ) AS found
  LIMIT 10001
) AS counted
