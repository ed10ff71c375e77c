-- GET /v1/workspaces?filter[name][starts]=alder, for a service.
-- 768 bytes as it is sent.

WITH page AS (
  SELECT row.pk AS pk,
    row.id AS id,
    row.name AS name,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    row.folded_name AS folded_name
  FROM wellspring.workspaces_of_caller AS row
  WHERE row.deleted_at IS NULL
    AND row.folded_name >= wellspring.fold(:name_starts::VARCHAR)
    AND row.folded_name < (wellspring.fold(:name_starts::VARCHAR) || chr(1114111::INTEGER))
  ORDER BY row.folded_name ASC, row.pk ASC
  LIMIT :rows::INTEGER
)
SELECT CAST(page.id AS TEXT) AS id,
  page.name,
  CAST(page.created_at AS TEXT) AS created_at,
  CAST(page.updated_at AS TEXT) AS updated_at,
  CAST(page.deleted_at AS TEXT) AS deleted_at,
  page.folded_name
FROM page
ORDER BY page.folded_name ASC, page.pk ASC
