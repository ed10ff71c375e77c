-- GET /v1/workspaces, for a service.
-- 504 bytes as it is sent.

WITH page AS (
  SELECT row.pk,
    row.id,
    row.name,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at
  FROM wellspring.workspaces_of_caller AS row
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *
  FROM page
)
SELECT pk,
  id::text AS id,
  name,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at
FROM shown
ORDER BY shown.created_at DESC, pk DESC
