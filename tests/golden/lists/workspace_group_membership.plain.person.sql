-- GET /v1/workspace-group-memberships, for a person.
-- 2,350 bytes as it is sent.

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
-- The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees
-- what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its
-- side effect: the row-level security policies get the caller's workspaces as a list (true: those of
-- memberships alone), so that they need not look up each row's.
driver AS (
  SELECT parent.pk, parent.id
  FROM core_api.workspace_groups AS parent
  WHERE parent.deleted_at IS NULL
    AND parent.pk = ANY(ARRAY(SELECT pk FROM visible_groups))
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
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
-- The page: each driver is read along the same index, and their rows are merged. Of the k-th driver n - k + 1
-- rows at most: k - 1 first rows stand before its own. A row's other parent is looked up for each row that is
-- read, and must be of the driver's workspace; OFFSET 0 keeps the planner from joining them, which would read
-- and sort all, and `+ 0` from looking through a workspace. `updated_at` is as the indexes have it: a CASE,
-- since coalesce() is no index condition under row-level security (docs/adr/0029). :rows is the page's size
-- and one more, by which it is known that there are more; with a cursor two more, its row is read, too.
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
