-- GET /v1/company-workspace-connectors?filter[company]=00000000-0000-0000-0000-000000000001, for a service.
-- 2,741 bytes as it is sent.

WITH driver AS (
  SELECT parent.pk, parent.id, parent.workspace_pk
  FROM core_api.companies AS parent
  WHERE parent.id = ANY(:company_in::UUID[])
    AND parent.deleted_at IS NULL
    AND EXISTS (
    SELECT
    FROM core_api.workspaces AS there
    WHERE there.pk = parent.workspace_pk
      AND there.deleted_at IS NULL
  )
),
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.created_at AS head_at, row.pk AS head_pk
    FROM core_api.company_workspace_connectors AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspace_connectors AS p
      WHERE p.pk = row.workspace_connector_pk
        AND p.deleted_at IS NULL
        AND p.workspace_pk = driver.workspace_pk
      OFFSET 0
    ) AS workspace_connector
    WHERE row.company_pk = driver.pk
      AND CASE WHEN row.deleted_at IS NULL THEN true ELSE false END
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
page AS (
  SELECT found.*, driver.id AS company_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT row.pk,
      row.id,
      row.direction,
      row.created_at,
      CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at,
      workspace_connector.id AS workspace_connector_id,
      row.sync_message_pk,
      row.ended_by_pk
    FROM core_api.company_workspace_connectors AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspace_connectors AS p
      WHERE p.pk = row.workspace_connector_pk
        AND p.deleted_at IS NULL
        AND p.workspace_pk = driver.workspace_pk
      OFFSET 0
    ) AS workspace_connector
    WHERE row.company_pk = driver.pk
      AND CASE WHEN row.deleted_at IS NULL THEN true ELSE false END
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *, (
    SELECT id
    FROM wellspring.sync_messages
    WHERE pk = page.sync_message_pk
  ) AS sync_message_id, (
    SELECT id
    FROM wellspring.sync_messages
    WHERE pk = page.ended_by_pk
  ) AS ended_by_id
  FROM page
)
SELECT pk,
  id::text AS id,
  direction,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  company_id::text AS company_id,
  workspace_connector_id::text AS workspace_connector_id,
  sync_message_id::text AS sync_message_id,
  ended_by_id::text AS ended_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(ended_by_id))
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
