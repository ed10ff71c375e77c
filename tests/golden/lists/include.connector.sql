-- include: the rows of type connector that rows before it in the flush point to, for a person.
-- 592 bytes as it is sent.

-- The rows, and what is shown with them.
WITH shown AS (
  SELECT row.id,
    row.name,
    row.provider,
    row.direction,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    row.pk
  FROM core_api.connectors AS row
  WHERE row.id = ANY(ARRAY(
      SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
      FROM unnest(:places::TEXT[]) AS place(name)
    ))
    AND row.deleted_at IS NULL
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts.
SELECT id::text AS id,
  name,
  provider,
  direction,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at
FROM shown
ORDER BY shown.pk
