-- GET /v1/sync-runs, for a person.
-- 3,336 bytes as it is sent.

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
    SELECT row.started_at AS head_at, row.pk AS head_pk
    FROM wellspring.sync_runs AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspace_connectors AS p
      WHERE p.pk = row.workspace_connector_pk
      OFFSET 0
    ) AS workspace_connector
    WHERE row.workspace_pk = driver.pk
    ORDER BY row.started_at DESC, row.pk DESC
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
      workspace_connector.id AS workspace_connector_id
    FROM wellspring.sync_runs AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.workspace_connectors AS p
      WHERE p.pk = row.workspace_connector_pk
      OFFSET 0
    ) AS workspace_connector
    WHERE row.workspace_pk = driver.pk
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
