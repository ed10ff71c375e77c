-- GET /v1/companies?filter[workspace]=00000000-0000-0000-0000-000000000001&filter[name]=Alder, for a service.
-- 2,573 bytes as it is sent.

WITH driver AS (
  SELECT workspace.pk AS pk,
    workspace.id AS id,
    workspace.pk AS workspace_pk,
    workspace.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspaces AS workspace
  WHERE workspace.id = any(:workspace_in::UUID[])
    AND workspace.deleted_at IS NULL
    AND (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = workspace.pk
        AND workspaces_1.deleted_at IS NULL
    ))
),
head AS (
  SELECT driver.pk AS pk,
    driver.id AS id,
    driver.workspace_pk AS workspace_pk,
    driver.is_live AS is_live,
    driver.within_pk AS within_pk,
    CAST(row_number() OVER (ORDER BY found.folded_name ASC, found.pk ASC) AS INTEGER) AS place
  FROM driver
  JOIN LATERAL (
    SELECT row.pk AS pk, row.folded_name AS folded_name
    FROM wellspring.companies_of_caller AS row
    WHERE row.deleted_at IS NULL
      AND row.folded_name = wellspring.fold(:name_named::VARCHAR)
      AND row.name = :name_named::VARCHAR
      AND row.workspace_pk = driver.pk
    ORDER BY row.folded_name ASC, row.pk ASC
    LIMIT 1
  ) AS found ON true
  ORDER BY found.folded_name ASC, found.pk ASC
  LIMIT :rows::INTEGER
),
page AS (
  SELECT found.pk AS pk,
    found.id AS id,
    found.name AS name,
    found.created_at AS created_at,
    found.updated_at AS updated_at,
    found.deleted_at AS deleted_at,
    found.folded_name AS folded_name,
    head.id AS workspace_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.name AS name,
      row.created_at AS created_at,
      CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at AS deleted_at,
      row.folded_name AS folded_name
    FROM wellspring.companies_of_caller AS row
    WHERE row.deleted_at IS NULL
      AND row.folded_name = wellspring.fold(:name_named::VARCHAR)
      AND row.name = :name_named::VARCHAR
      AND row.workspace_pk = head.pk
    ORDER BY row.folded_name ASC, row.pk ASC
    LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
  ) AS found ON true
  ORDER BY found.folded_name ASC, found.pk ASC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.name AS name,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.folded_name AS folded_name,
    page.workspace_id AS workspace_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.name,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  shown.folded_name,
  CAST(shown.workspace_id AS TEXT) AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company__workspace', array_agg(shown.workspace_id)) AS leave_ids_1
  FROM shown
)
ORDER BY shown.folded_name ASC, shown.pk ASC
