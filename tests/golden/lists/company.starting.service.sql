-- GET /v1/companies?filter[name][starts]=alder, for a service.
-- 1,106 bytes as it is sent.

-- The page: each driver is read along the same index, and their rows are merged. Of the k-th driver n - k + 1
-- rows at most: k - 1 first rows stand before its own. A row's other parent is looked up for each row that is
-- read, and must be of the driver's workspace; OFFSET 0 keeps the planner from joining them, which would read
-- and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.name,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    row.folded_name,
    workspace.id AS workspace_id
  FROM wellspring.companies_of_caller AS row
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspaces AS p
    WHERE p.pk = row.workspace_pk
      AND p.deleted_at IS NULL
      AND EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = p.pk
        AND there.deleted_at IS NULL
    )
    OFFSET 0
  ) AS workspace
  WHERE row.deleted_at IS NULL
    AND row.folded_name >= wellspring.fold(:name_starts::VARCHAR)
    AND row.folded_name < wellspring.fold(:name_starts::VARCHAR) || chr(1114111)
  ORDER BY row.folded_name ASC, row.pk ASC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *
  FROM page
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
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
