-- GET /v1/sync-messages?filter[outcome]=parked, for a person.
-- 3,475 bytes as it is sent.

WITH driver AS (
  WITH visible_groups AS (
    SELECT tenant.pk
    FROM (
      SELECT membership.workspace_group_pk AS pk
      FROM core_api.workspace_group_memberships AS membership
      WHERE membership.people_pk = (
        SELECT caller.pk
        FROM core_api.peoples AS caller
        WHERE caller.id = :caller_id::UUID
          AND caller.deleted_at IS NULL
          AND caller.source IS NOT NULL
        LIMIT 1
      )
        AND membership.status = 'active'
        AND membership.deleted_at IS NULL
    ) AS held_groups
    JOIN core_api.workspace_groups AS tenant ON tenant.pk = held_groups.pk
    WHERE tenant.deleted_at IS NULL
  ),
  visible AS (
    SELECT tenant.pk
    FROM (
      SELECT membership.workspace_pk AS pk
      FROM core_api.workspace_memberships AS membership
      WHERE membership.people_pk = (
        SELECT caller.pk
        FROM core_api.peoples AS caller
        WHERE caller.id = :caller_id::UUID
          AND caller.deleted_at IS NULL
          AND caller.source IS NOT NULL
        LIMIT 1
      )
        AND membership.status = 'active'
        AND membership.deleted_at IS NULL
    ) AS anon_1
    JOIN core_api.workspaces AS tenant ON tenant.pk = anon_1.pk
    WHERE tenant.deleted_at IS NULL
    UNION
    SELECT tenant.pk
    FROM (
      SELECT enrolment.workspace_pk AS pk
      FROM visible_groups, core_api.workspace_group_workspaces AS enrolment
      WHERE enrolment.deleted_at IS NULL
        AND enrolment.workspace_group_pk = visible_groups.pk
    ) AS anon_2
    JOIN core_api.workspaces AS tenant ON tenant.pk = anon_2.pk
    WHERE tenant.deleted_at IS NULL
  )
  SELECT parent.pk, parent.id, parent.pk AS workspace_pk
  FROM core_api.workspaces AS parent
  WHERE parent.deleted_at IS NULL
    AND (SELECT wellspring.leave_workspaces(false) AS done)
    AND parent.pk = any(array((SELECT visible.pk FROM visible)))
),
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.received_at AS head_at, row.pk AS head_pk
    FROM wellspring.sync_messages_of_caller AS row
    WHERE row.workspace_pk = driver.pk
      AND row.outcome = :outcome_eq::VARCHAR
    ORDER BY row.received_at DESC, row.pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
page AS (
  SELECT found.*, driver.id AS workspace_id
  FROM head AS driver
  CROSS JOIN LATERAL (
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
      AND row.outcome = :outcome_eq::VARCHAR
    ORDER BY row.received_at DESC, row.pk DESC
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
