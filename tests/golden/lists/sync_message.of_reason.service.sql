-- GET /v1/sync-messages?filter[workspace]=00000000-0000-0000-0000-000000000001&filter[reason]=unknown_record, for a service.
-- 3,177 bytes as it is sent.

WITH driver AS (
  SELECT parent.pk, parent.id, parent.pk AS workspace_pk
  FROM core_api.workspaces AS parent
  WHERE parent.id = any(:workspace_in::UUID[])
    AND parent.deleted_at IS NULL
    AND (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = parent.pk
        AND workspaces_1.deleted_at IS NULL
    ))
),
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'parked'
          AND row.kept_reason = :reason_eq::VARCHAR
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'dismissed'
          AND row.kept_reason = :reason_eq::VARCHAR
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      )) AS merged
    ORDER BY head_at DESC, head_pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
page AS (
  SELECT found.*, driver.id AS workspace_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.pk,
          row.id,
          row.message_id,
          row.message_type,
          row.direction,
          row.mode,
          row.run,
          row.occurred_at,
          row.received_at,
          row.processed_at,
          row.outcome,
          row.reason,
          row.problems,
          row.counts,
          row.workspace_connector_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'parked'
          AND row.kept_reason = :reason_eq::VARCHAR
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.message_id,
          row.message_type,
          row.direction,
          row.mode,
          row.run,
          row.occurred_at,
          row.received_at,
          row.processed_at,
          row.outcome,
          row.reason,
          row.problems,
          row.counts,
          row.workspace_connector_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'dismissed'
          AND row.kept_reason = :reason_eq::VARCHAR
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      )) AS merged
    ORDER BY received_at DESC, pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.received_at DESC, found.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *, (
    SELECT id
    FROM core_api.workspace_connectors
    WHERE pk = page.workspace_connector_pk
  ) AS workspace_connector_id, (
    SELECT id
    FROM wellspring.sync_runs
    WHERE pk = page.sync_run_pk
  ) AS sync_run_id
  FROM page
)
SELECT pk,
  id::text AS id,
  message_id::text AS message_id,
  message_type,
  direction,
  mode,
  run,
  occurred_at::text AS occurred_at,
  received_at::text AS received_at,
  processed_at::text AS processed_at,
  outcome,
  reason,
  problems,
  counts,
  workspace_connector_id::text AS workspace_connector_id,
  workspace_id::text AS workspace_id,
  sync_run_id::text AS sync_run_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('sync_message__sync_run', array_agg(sync_run_id)) AS anon_1
  FROM shown
)
ORDER BY shown.received_at DESC, pk DESC
