-- GET /v1/company-workspace-connectors, for a person.
-- 5,898 bytes as it is sent.

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
  SELECT parent.pk, parent.id, parent.workspace_pk
  FROM core_api.workspace_connectors AS parent
  WHERE parent.deleted_at IS NULL
    AND (SELECT wellspring.leave_workspaces(false))
    AND parent.workspace_pk = ANY(ARRAY(SELECT pk FROM visible))
),
-- From here to `far` is for callers with many drivers (docs/adr/0045): for each driver an upper bound of the
-- time of its newest row before a place in the list, the beginning or the cursor. In the row without a driver
-- stands a time that all rows of the drivers that are not named are older than. With few drivers (2 * :rows:
-- a page has room for half of them) it is asked for null rows and is empty, and the first row of each is
-- read.
newest AS (
  SELECT *
  FROM wellspring.newest_of_company_workspace_connectors((
      SELECT CASE WHEN count(*) > 2 * :rows THEN CAST(:rows AS integer) END
      FROM driver
    ), 'infinity'::timestamptz, 9223372036854775807)
),
-- The drivers that `newest` names, the newest first. CASE has thousands of them looked for in a hashed list:
-- a plan of the plan cache hashes no join.
likely AS (
  SELECT driver.*,
    newest_at,
    newest_pk,
    row_number() OVER (ORDER BY newest_at DESC, newest_pk DESC) AS turn
  FROM (
    SELECT *
    FROM driver
    WHERE CASE WHEN pk IN (SELECT connector_pk FROM newest) THEN true END
  ) AS driver
  JOIN newest ON newest.connector_pk = driver.pk
),
-- The first row of each of these that the page can hold, a page's worth of them.
near AS (
  SELECT driver.*, head.*
  FROM likely AS driver
  CROSS JOIN LATERAL (
    SELECT row.created_at AS head_at, row.pk AS head_pk
    FROM core_api.company_workspace_connectors AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.companies AS p
      WHERE p.pk = row.company_pk
        AND p.deleted_at IS NULL
        AND p.workspace_pk + 0 = driver.workspace_pk
      OFFSET 0
    ) AS company
    WHERE row.workspace_connector_pk = driver.pk
      AND row.deleted_at IS NULL
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 1
  ) AS head
  WHERE turn <= :rows
),
-- The oldest of these first rows, where they fill a page: no older row is on the page.
furthest AS (
  SELECT head_at, head_pk
  FROM near
  WHERE (SELECT count(*) FROM near) = :rows
  ORDER BY head_at, head_pk
  LIMIT 1
),
-- The other drivers that may have a row as new as that: mostly none. First of `likely`, then of those that
-- `newest` does not name (without its row for these, there are none). All of them where `newest` is empty, or
-- where `near` does not fill a page.
far AS (
  SELECT *
  FROM likely
  WHERE turn > :rows
    AND NOT EXISTS (
      SELECT 1
      FROM furthest
      WHERE (newest_at, newest_pk) < (head_at, head_pk)
    )
  UNION ALL
  SELECT driver.*, NULL, NULL, NULL
  FROM driver
  WHERE NOT (
    SELECT EXISTS (
      SELECT 1
      FROM furthest
      WHERE coalesce(head_at >= (SELECT newest_at FROM newest WHERE connector_pk IS NULL), true)
    )
  )
    AND driver.pk NOT IN (SELECT pk FROM likely)
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head_at DESC, head_pk DESC) AS place
  FROM (
    SELECT *
    FROM near
    UNION ALL
    SELECT driver.*, head.*
    FROM far AS driver
    CROSS JOIN LATERAL (
      SELECT row.created_at AS head_at, row.pk AS head_pk
      FROM core_api.company_workspace_connectors AS row
      CROSS JOIN LATERAL (
        SELECT p.id
        FROM core_api.companies AS p
        WHERE p.pk = row.company_pk
          AND p.deleted_at IS NULL
          AND p.workspace_pk + 0 = driver.workspace_pk
        OFFSET 0
      ) AS company
      WHERE row.workspace_connector_pk = driver.pk
        AND row.deleted_at IS NULL
      ORDER BY row.created_at DESC, row.pk DESC
      LIMIT 1
    ) AS head
  ) AS driver
  ORDER BY head_at DESC, head_pk DESC
  LIMIT :rows
),
-- A time beyond which no row is on the page: where the first rows of some drivers, mostly of the first three,
-- fill a page, the last of these. Else it is infinite, or minus infinite, and leaves all in: also where there
-- are so few drivers that asking would cost more than it spares: 3 and 8 are NEAREST and SPARED_FROM of
-- access/many_workspaces.py. A large page asks all of them for some rows each, two pages in all.
reach AS (
  SELECT coalesce((
      SELECT sampled.head_at
      FROM (
        SELECT *
        FROM head
        WHERE (SELECT count(*) FROM head) > 8
          AND place <= 3
      ) AS driver
      CROSS JOIN LATERAL (
        SELECT row.created_at AS head_at, row.pk AS head_pk
        FROM core_api.company_workspace_connectors AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.companies AS p
          WHERE p.pk = row.company_pk
            AND p.deleted_at IS NULL
            AND p.workspace_pk + 0 = driver.workspace_pk
          OFFSET 0
        ) AS company
        WHERE row.workspace_connector_pk = driver.pk
          AND row.deleted_at IS NULL
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT :rows
      ) AS sampled
      ORDER BY sampled.head_at DESC, sampled.head_pk DESC
      OFFSET :rows - 1
      LIMIT 1
    ), '-infinity'::timestamptz) AS at
),
-- The page: each driver is read along the same index, and their rows are merged. Of the k-th driver n - k + 1
-- rows at most: k - 1 first rows stand before its own. A row's other parent is looked up for each row that is
-- read, and must be of the driver's workspace; OFFSET 0 keeps the planner from joining them, which would read
-- and sort all, and `+ 0` from looking through a workspace. `updated_at` is as the indexes have it: a CASE,
-- since coalesce() is no index condition under row-level security (docs/adr/0029). :rows is the page's size
-- and one more, by which it is known that there are more; with a cursor two more, its row is read, too.
page AS (
  SELECT found.*, driver.id AS workspace_connector_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT row.pk,
      row.id,
      row.direction,
      row.created_at,
      CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at,
      company.id AS company_id,
      row.sync_message_pk,
      row.ended_by_pk
    FROM core_api.company_workspace_connectors AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.companies AS p
      WHERE p.pk = row.company_pk
        AND p.deleted_at IS NULL
        AND p.workspace_pk + 0 = driver.workspace_pk
      OFFSET 0
    ) AS company
    WHERE row.workspace_connector_pk = driver.pk
      AND row.deleted_at IS NULL
      AND row.created_at >= (SELECT reach.at FROM reach)
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *, (
    SELECT id
    FROM wellspring.sync_messages
    WHERE pk = page.sync_message_pk
  ) AS sync_message_id, (
    SELECT id
    FROM wellspring.sync_messages
    WHERE pk = page.ended_by_pk
  ) AS ended_by_id
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
SELECT pk,
  id::text AS id,
  direction,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  company_id::text AS company_id,
  workspace_connector_id::text AS workspace_connector_id,
  sync_message_id::text AS sync_message_id,
  ended_by_id::text AS ended_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(ended_by_id))
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
