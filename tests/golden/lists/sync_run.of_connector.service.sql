-- GET /v1/sync-runs?filter[workspace_connector]=00000000-0000-0000-0000-000000000001, for a service.
-- 2,129 bytes as it is sent.

WITH driver AS (
  SELECT parent.pk, parent.id, parent.workspace_pk
  FROM core_api.workspace_connectors AS parent
  WHERE parent.id = any(:workspace_connector_in::UUID[])
    AND (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = parent.workspace_pk
        AND workspaces_1.deleted_at IS NULL
    ))
),
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.started_at AS head_at, row.pk AS head_pk
    FROM wellspring.sync_runs AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspaces AS p
      WHERE p.pk = row.workspace_pk
        AND p.deleted_at IS NULL
        AND p.pk = driver.workspace_pk
      OFFSET 0
    ) AS workspace
    WHERE row.workspace_connector_pk = driver.pk
    ORDER BY row.started_at DESC, row.pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
page AS (
  SELECT found.*, driver.id AS workspace_connector_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT row.pk,
      row.id,
      row.run,
      row.state,
      row.messages_expected,
      row.messages_applied,
      row.messages_parked,
      row.snapshot,
      row.counts,
      row.occurred_at,
      row.started_at,
      row.completed_at,
      workspace.id AS workspace_id
    FROM wellspring.sync_runs AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspaces AS p
      WHERE p.pk = row.workspace_pk
        AND p.deleted_at IS NULL
        AND p.pk = driver.workspace_pk
      OFFSET 0
    ) AS workspace
    WHERE row.workspace_connector_pk = driver.pk
    ORDER BY row.started_at DESC, row.pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.started_at DESC, found.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *
  FROM page
)
SELECT pk,
  id::text AS id,
  run,
  state,
  messages_expected,
  messages_applied,
  messages_parked,
  snapshot,
  counts,
  occurred_at::text AS occurred_at,
  started_at::text AS started_at,
  completed_at::text AS completed_at,
  workspace_connector_id::text AS workspace_connector_id,
  workspace_id::text AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_run__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('sync_run__workspace', array_agg(workspace_id)) AS anon_1
  FROM shown
)
ORDER BY shown.started_at DESC, pk DESC
