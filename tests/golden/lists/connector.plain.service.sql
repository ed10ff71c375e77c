-- GET /v1/connectors, for a service.
-- 668 bytes as it is sent.

WITH page AS (
  SELECT row.pk AS pk,
    row.id AS id,
    row.name AS name,
    row.provider AS provider,
    row.direction AS direction,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at
  FROM core_api.connectors AS row
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows::INTEGER
)
SELECT CAST(page.id AS TEXT) AS id,
  page.name,
  page.provider,
  page.direction,
  CAST(page.created_at AS TEXT) AS created_at,
  CAST(page.updated_at AS TEXT) AS updated_at,
  CAST(page.deleted_at AS TEXT) AS deleted_at
FROM page
ORDER BY page.created_at DESC, page.pk DESC
