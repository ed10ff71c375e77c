-- GET /v1/connectors, for a person.
-- 542 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.name,
    row.provider,
    row.direction,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at
  FROM core_api.connectors AS row
  WHERE row.deleted_at IS NULL
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
  provider,
  direction,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at
FROM shown
ORDER BY shown.created_at DESC, pk DESC
