-- include: the rows of type connector that rows before it in the flush point to, for a person.
-- 767 bytes as it is sent.

WITH shown AS (
  SELECT row.id AS id,
    row.name AS name,
    row.provider AS provider,
    row.direction AS direction,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    row.pk AS pk
  FROM core_api.connectors AS row
  WHERE row.id = any(array((
        SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_1
        FROM unnest(:places::TEXT[]) AS place(name)
      )))
    AND row.deleted_at IS NULL
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.name,
  shown.provider,
  shown.direction,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at
FROM shown
ORDER BY shown.pk
