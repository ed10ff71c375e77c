-- GET /v1/company-workspace-connectors?sort=updated_at&filter[updated_at][gte]=2026-05-10T00:00:00Z&filter[deleted]=include&page[size]=500, for a person.
-- 9,185 bytes as it is sent.

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
  SELECT parent.pk, parent.id, parent.workspace_pk, parent.deleted_at IS NULL AS is_live
  FROM core_api.workspace_connectors AS parent
  WHERE (SELECT wellspring.leave_workspaces(false))
    AND parent.workspace_pk = ANY(ARRAY(SELECT pk FROM visible))
),
-- The table with the order of the list as a column; planned where it is read.
listed AS NOT MATERIALIZED(
  SELECT *, CASE WHEN updated_at IS NULL THEN created_at ELSE updated_at END AS at
  FROM core_api.company_workspace_connectors
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at ASC, head.head_pk ASC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.at AS head_at, row.pk AS head_pk
        FROM listed AS row
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
          AND row.direction = 'input'
          AND row.at >= :updated_at_gte
          AND driver.is_live
        ORDER BY row.at ASC, row.pk ASC
        LIMIT 1
      ) UNION ALL (
        SELECT row.at AS head_at, row.pk AS head_pk
        FROM listed AS row
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
          AND row.direction = 'output'
          AND row.at >= :updated_at_gte
          AND driver.is_live
        ORDER BY row.at ASC, row.pk ASC
        LIMIT 1
      ) UNION ALL (
        SELECT row.at AS head_at, row.pk AS head_pk
        FROM listed AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.companies AS p
          WHERE p.pk = row.company_pk
            AND p.workspace_pk + 0 = driver.workspace_pk
          OFFSET 0
        ) AS company
        WHERE row.workspace_connector_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.direction = 'input'
          AND row.at >= :updated_at_gte
        ORDER BY row.at ASC, row.pk ASC
        LIMIT 1
      ) UNION ALL (
        SELECT row.at AS head_at, row.pk AS head_pk
        FROM listed AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.companies AS p
          WHERE p.pk = row.company_pk
            AND p.workspace_pk + 0 = driver.workspace_pk
          OFFSET 0
        ) AS company
        WHERE row.workspace_connector_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.direction = 'output'
          AND row.at >= :updated_at_gte
        ORDER BY row.at ASC, row.pk ASC
        LIMIT 1
      )) AS merged
    ORDER BY head_at ASC, head_pk ASC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at ASC, head.head_pk ASC
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
        WHERE (SELECT count(*) FROM head) > 3
      ) AS driver
      CROSS JOIN LATERAL (
        SELECT *
        FROM ((
            SELECT row.at AS head_at, row.pk AS head_pk
            FROM listed AS row
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
              AND row.direction = 'input'
              AND row.at >= :updated_at_gte
              AND driver.is_live
            ORDER BY row.at ASC, row.pk ASC
            LIMIT greatest(10, 2 * :rows / greatest((SELECT count(*) FROM head), 1))
          ) UNION ALL (
            SELECT row.at AS head_at, row.pk AS head_pk
            FROM listed AS row
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
              AND row.direction = 'output'
              AND row.at >= :updated_at_gte
              AND driver.is_live
            ORDER BY row.at ASC, row.pk ASC
            LIMIT greatest(10, 2 * :rows / greatest((SELECT count(*) FROM head), 1))
          ) UNION ALL (
            SELECT row.at AS head_at, row.pk AS head_pk
            FROM listed AS row
            CROSS JOIN LATERAL (
              SELECT p.id
              FROM core_api.companies AS p
              WHERE p.pk = row.company_pk
                AND p.workspace_pk + 0 = driver.workspace_pk
              OFFSET 0
            ) AS company
            WHERE row.workspace_connector_pk = driver.pk
              AND row.deleted_at IS NOT NULL
              AND row.direction = 'input'
              AND row.at >= :updated_at_gte
            ORDER BY row.at ASC, row.pk ASC
            LIMIT greatest(10, 2 * :rows / greatest((SELECT count(*) FROM head), 1))
          ) UNION ALL (
            SELECT row.at AS head_at, row.pk AS head_pk
            FROM listed AS row
            CROSS JOIN LATERAL (
              SELECT p.id
              FROM core_api.companies AS p
              WHERE p.pk = row.company_pk
                AND p.workspace_pk + 0 = driver.workspace_pk
              OFFSET 0
            ) AS company
            WHERE row.workspace_connector_pk = driver.pk
              AND row.deleted_at IS NOT NULL
              AND row.direction = 'output'
              AND row.at >= :updated_at_gte
            ORDER BY row.at ASC, row.pk ASC
            LIMIT greatest(10, 2 * :rows / greatest((SELECT count(*) FROM head), 1))
          )) AS merged
        ORDER BY head_at ASC, head_pk ASC
        LIMIT greatest(10, 2 * :rows / greatest((SELECT count(*) FROM head), 1))
      ) AS sampled
      ORDER BY sampled.head_at ASC, sampled.head_pk ASC
      OFFSET :rows - 1
      LIMIT 1
    ), 'infinity'::timestamptz) AS at
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
    SELECT *
    FROM ((
        SELECT row.pk,
          row.id,
          row.direction,
          row.created_at,
          row.at AS updated_at,
          row.deleted_at,
          company.id AS company_id,
          row.sync_message_pk,
          row.ended_by_pk
        FROM listed AS row
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
          AND row.direction = 'input'
          AND row.at >= :updated_at_gte
          AND driver.is_live
          AND row.at <= (SELECT reach.at FROM reach)
        ORDER BY row.at ASC, row.pk ASC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.direction,
          row.created_at,
          row.at AS updated_at,
          row.deleted_at,
          company.id AS company_id,
          row.sync_message_pk,
          row.ended_by_pk
        FROM listed AS row
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
          AND row.direction = 'output'
          AND row.at >= :updated_at_gte
          AND driver.is_live
          AND row.at <= (SELECT reach.at FROM reach)
        ORDER BY row.at ASC, row.pk ASC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.direction,
          row.created_at,
          row.at AS updated_at,
          row.deleted_at,
          company.id AS company_id,
          row.sync_message_pk,
          row.ended_by_pk
        FROM listed AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.companies AS p
          WHERE p.pk = row.company_pk
            AND p.workspace_pk + 0 = driver.workspace_pk
          OFFSET 0
        ) AS company
        WHERE row.workspace_connector_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.direction = 'input'
          AND row.at >= :updated_at_gte
          AND row.at <= (SELECT reach.at FROM reach)
        ORDER BY row.at ASC, row.pk ASC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.direction,
          row.created_at,
          row.at AS updated_at,
          row.deleted_at,
          company.id AS company_id,
          row.sync_message_pk,
          row.ended_by_pk
        FROM listed AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.companies AS p
          WHERE p.pk = row.company_pk
            AND p.workspace_pk + 0 = driver.workspace_pk
          OFFSET 0
        ) AS company
        WHERE row.workspace_connector_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.direction = 'output'
          AND row.at >= :updated_at_gte
          AND row.at <= (SELECT reach.at FROM reach)
        ORDER BY row.at ASC, row.pk ASC
        LIMIT :rows - driver.place + 1
      )) AS merged
    ORDER BY updated_at ASC, pk ASC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.updated_at ASC, found.pk ASC
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
ORDER BY shown.updated_at ASC, pk ASC
