-- GET /v1/people, for a service.
-- 965 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.full_name,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    workspace.id AS workspace_id
  FROM wellspring.peoples_of_caller AS row
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
  full_name,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  workspace_id::text AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('people', array_agg(id))
    AND wellspring.leave_ids('people__workspace', array_agg(workspace_id))
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
