-- GET /v1/company-workspace-connectors?filter[workspace_connector]=00000000-0000-0000-0000-000000000001, for a service.
-- 3,971 bytes as it is sent.

WITH driver AS (
  SELECT workspace_connector.pk AS pk,
    workspace_connector.id AS id,
    workspace_connector.workspace_pk AS workspace_pk,
    workspace_connector.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspace_connectors AS workspace_connector
  WHERE workspace_connector.id = any(:workspace_connector_in::UUID[])
    AND workspace_connector.deleted_at IS NULL
    AND (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = workspace_connector.workspace_pk
        AND workspaces_1.deleted_at IS NULL
    ))
),
head AS (
  SELECT driver.pk AS pk,
    driver.id AS id,
    driver.workspace_pk AS workspace_pk,
    driver.is_live AS is_live,
    driver.within_pk AS within_pk,
    CAST(row_number() OVER (ORDER BY found.created_at DESC, found.pk DESC) AS INTEGER) AS place
  FROM driver
  JOIN LATERAL (
    SELECT row.pk AS pk, row.created_at AS created_at
    FROM core_api.company_workspace_connectors AS row
    JOIN LATERAL (
      SELECT company.id AS id
      FROM core_api.companies AS company
      WHERE company.pk = row.company_pk
        AND company.deleted_at IS NULL
        AND company.workspace_pk = driver.workspace_pk
      LIMIT ALL OFFSET 0
    ) AS seen_company ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_connector_pk = driver.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 1
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
page AS (
  SELECT found.pk AS pk,
    found.id AS id,
    found.direction AS direction,
    found.created_at AS created_at,
    found.updated_at AS updated_at,
    found.deleted_at AS deleted_at,
    found.company_id AS company_id,
    found.sync_message_pk AS sync_message_pk,
    found.ended_by_pk AS ended_by_pk,
    head.id AS workspace_connector_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.direction AS direction,
      row.created_at AS created_at,
      CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at AS deleted_at,
      seen_company.id AS company_id,
      row.sync_message_pk AS sync_message_pk,
      row.ended_by_pk AS ended_by_pk
    FROM core_api.company_workspace_connectors AS row
    JOIN LATERAL (
      SELECT company.id AS id
      FROM core_api.companies AS company
      WHERE company.pk = row.company_pk
        AND company.deleted_at IS NULL
        AND company.workspace_pk = head.workspace_pk
      LIMIT ALL OFFSET 0
    ) AS seen_company ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_connector_pk = head.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.direction AS direction,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.company_id AS company_id,
    page.workspace_connector_id AS workspace_connector_id, (
    SELECT sync_message.id
    FROM wellspring.sync_messages AS sync_message
    WHERE sync_message.pk = page.sync_message_pk
  ) AS sync_message_id, (
    SELECT ended_by.id
    FROM wellspring.sync_messages AS ended_by
    WHERE ended_by.pk = page.ended_by_pk
  ) AS ended_by_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.direction,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.company_id AS TEXT) AS company_id,
  CAST(shown.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(shown.sync_message_id AS TEXT) AS sync_message_id,
  CAST(shown.ended_by_id AS TEXT) AS ended_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(shown.company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(shown.workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(shown.sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(shown.ended_by_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
