-- GET /v1/company-workspace-connectors?filter[company]=00000000-0000-0000-0000-000000000001, for a service.
-- 2,749 bytes as it is sent.

-- The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees
-- what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its
-- side effect: the row-level security policies get the caller's workspaces as a list (true: those of
-- memberships alone), so that they need not look up each row's.
WITH driver AS (
  SELECT parent.pk, parent.id, parent.workspace_pk
  FROM core_api.companies AS parent
  WHERE parent.id = ANY(:company_in::UUID[])
    AND parent.deleted_at IS NULL
    AND EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = parent.workspace_pk
        AND there.deleted_at IS NULL
    )
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.created_at AS head_at, row.pk AS head_pk
    FROM core_api.company_workspace_connectors AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspace_connectors AS p
      WHERE p.pk = row.workspace_connector_pk
        AND p.deleted_at IS NULL
        AND p.workspace_pk + 0 = driver.workspace_pk
      OFFSET 0
    ) AS workspace_connector
    WHERE row.company_pk = driver.pk
      AND CASE WHEN row.deleted_at IS NULL THEN true ELSE false END
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
  SELECT found.*, driver.id AS company_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT row.pk,
      row.id,
      row.direction,
      row.created_at,
      CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at,
      workspace_connector.id AS workspace_connector_id,
      row.sync_message_pk,
      row.ended_by_pk
    FROM core_api.company_workspace_connectors AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspace_connectors AS p
      WHERE p.pk = row.workspace_connector_pk
        AND p.deleted_at IS NULL
        AND p.workspace_pk + 0 = driver.workspace_pk
      OFFSET 0
    ) AS workspace_connector
    WHERE row.company_pk = driver.pk
      AND CASE WHEN row.deleted_at IS NULL THEN true ELSE false END
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
