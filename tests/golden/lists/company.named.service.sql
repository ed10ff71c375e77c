-- GET /v1/companies?filter[workspace]=00000000-0000-0000-0000-000000000001&filter[name]=Alder, for a service.
-- 1,746 bytes as it is sent.

-- The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees
-- what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its
-- side effect: the row-level security policies get the caller's workspaces as a list (true: those of
-- memberships alone), so that they need not look up each row's.
WITH driver AS (
  SELECT parent.pk, parent.id, parent.pk AS workspace_pk
  FROM core_api.workspaces AS parent
  WHERE parent.id = ANY(:workspace_in::UUID[])
    AND parent.deleted_at IS NULL
    AND EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = parent.pk
        AND there.deleted_at IS NULL
    )
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at ASC, head.head_pk ASC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.folded_name AS head_at, row.pk AS head_pk
    FROM wellspring.companies_of_caller AS row
    WHERE row.workspace_pk = driver.pk
      AND row.deleted_at IS NULL
      AND row.folded_name = wellspring.fold(:name_named::VARCHAR)
      AND row.name = :name_named::VARCHAR
    ORDER BY row.folded_name ASC, row.pk ASC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at ASC, head.head_pk ASC
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
    SELECT row.pk,
      row.id,
      row.name,
      row.created_at,
      CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at,
      row.folded_name
    FROM wellspring.companies_of_caller AS row
    WHERE row.workspace_pk = driver.pk
      AND row.deleted_at IS NULL
      AND row.folded_name = wellspring.fold(:name_named::VARCHAR)
      AND row.name = :name_named::VARCHAR
    ORDER BY row.folded_name ASC, row.pk ASC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.folded_name ASC, found.pk ASC
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
  name,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  folded_name,
  workspace_id::text AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company', array_agg(id))
    AND wellspring.leave_ids('company__workspace', array_agg(workspace_id))
  FROM shown
)
ORDER BY shown.folded_name ASC, pk ASC
