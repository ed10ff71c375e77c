-- GET /v1/workspace-group-workspaces?filter[deleted]=only, for a person.
-- 6,858 bytes as it is sent.

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
-- The same, as an array.
own_groups AS (
  SELECT ARRAY(SELECT pk FROM visible_groups) AS pks
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
-- Some of the workspaces that are opened to the caller, live or not: enough to know whether they are few.
opened AS ((
    SELECT membership.workspace_pk AS pk
    FROM core_api.workspace_memberships AS membership
    WHERE membership.people_pk = (SELECT pk FROM caller)
      AND membership.status = 'active'
      AND membership.deleted_at IS NULL
    ORDER BY pk
    LIMIT 17
  ) UNION ALL (
    SELECT of_group.pk
    FROM visible_groups
    CROSS JOIN LATERAL (
      SELECT enrolment.workspace_pk AS pk
      FROM core_api.workspace_group_workspaces AS enrolment
      WHERE enrolment.deleted_at IS NULL
        AND enrolment.workspace_group_pk = visible_groups.pk
      ORDER BY enrolment.workspace_pk
      LIMIT 17
    ) AS of_group
    LIMIT 17
  )),
-- They as an array; null where they are not few, and each row's workspace is looked up (docs/adr/0042).
few AS (
  SELECT CASE WHEN (SELECT count(*) FROM opened) <= 16 THEN ARRAY(
    SELECT opened.pk
    FROM opened
    WHERE (
      SELECT true
      FROM core_api.workspaces AS live
      WHERE live.pk = opened.pk
        AND live.deleted_at IS NULL
    )
  ) END AS workspaces
),
-- The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees
-- what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its
-- side effect: the row-level security policies get the caller's workspaces as a list (true: those of
-- memberships alone), so that they need not look up each row's.
driver AS (
  SELECT parent.pk,
    parent.id,
    parent.pk AS workspace_pk,
    parent.deleted_at IS NULL AS is_live,
    NULL::bigint AS within_pk
  FROM core_api.workspaces AS parent
  WHERE parent.deleted_at IS NULL
    AND (SELECT wellspring.leave_workspaces(false))
    AND parent.pk = ANY(ARRAY(SELECT pk FROM visible))
  UNION ALL
  SELECT parent.pk,
    parent.id,
    parent.pk AS workspace_pk,
    parent.deleted_at IS NULL AS is_live,
    opening.pk AS within_pk
  FROM core_api.workspace_groups AS opening
  JOIN wellspring.workspaces_left(opening.pk) AS left_by(pk) ON true
  JOIN core_api.workspaces AS parent ON parent.pk = left_by.pk
  WHERE opening.pk = ANY(ARRAY(SELECT pk FROM visible_groups))
    AND parent.deleted_at IS NULL
    AND NOT (coalesce(parent.pk = ANY((SELECT workspaces FROM few)::bigint[]), (
        SELECT way.pk
        FROM (
          SELECT membership.workspace_pk AS pk
          FROM core_api.workspace_memberships AS membership
          WHERE membership.people_pk = (SELECT pk FROM caller)
            AND membership.status = 'active'
            AND membership.deleted_at IS NULL
            AND membership.workspace_pk BETWEEN parent.pk AND parent.pk
          OFFSET 0
        ) AS way
        WHERE (
          SELECT true
          FROM core_api.workspaces AS live
          WHERE live.pk = way.pk
            AND live.deleted_at IS NULL
        )
        LIMIT 1
      ) IS NOT NULL OR (
        SELECT way.pk
        FROM (
          SELECT enrolment.workspace_pk AS pk
          FROM own_groups
          JOIN core_api.workspace_group_workspaces AS enrolment ON enrolment.workspace_group_pk = ANY(own_groups.pks)
          WHERE enrolment.deleted_at IS NULL
            AND enrolment.workspace_pk = parent.pk
          OFFSET 0
        ) AS way
        WHERE (
          SELECT true
          FROM core_api.workspaces AS live
          WHERE live.pk = way.pk
            AND live.deleted_at IS NULL
        )
        LIMIT 1
      ) IS NOT NULL))
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.created_at AS head_at, row.pk AS head_pk
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
          OFFSET 0
        ) AS workspace_group
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND driver.within_pk IS NULL
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.created_at AS head_at, row.pk AS head_pk
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
          OFFSET 0
        ) AS workspace_group
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.workspace_group_pk = driver.within_pk
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT 1
      )) AS merged
    ORDER BY head_at DESC, head_pk DESC
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
  SELECT found.*, driver.id AS workspace_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.pk,
          row.id,
          row.created_at,
          CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
          row.deleted_at,
          workspace_group.id AS workspace_group_id, (SELECT id FROM core_api.peoples WHERE pk = row.created_by_pk) AS created_by_id
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
          OFFSET 0
        ) AS workspace_group
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND driver.within_pk IS NULL
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.created_at,
          CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
          row.deleted_at,
          workspace_group.id AS workspace_group_id, (SELECT id FROM core_api.peoples WHERE pk = row.created_by_pk) AS created_by_id
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
          OFFSET 0
        ) AS workspace_group
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.workspace_group_pk = driver.within_pk
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      )) AS merged
    ORDER BY created_at DESC, pk DESC
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
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  workspace_group_id::text AS workspace_group_id,
  workspace_id::text AS workspace_id,
  created_by_id::text AS created_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group_workspace__workspace_group', array_agg(workspace_group_id) FILTER (WHERE deleted_at IS NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace_group__ended', array_agg(workspace_group_id) FILTER (WHERE deleted_at IS NOT NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(created_by_id))
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
