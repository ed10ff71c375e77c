-- GET /v1/sync-messages?filter[workspace_connector]=00000000-0000-0000-0000-000000000001, for a person.
-- 7,434 bytes as it is sent.

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
  opened AS (
    SELECT some_direct.pk
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
      ORDER BY pk
      LIMIT 17
    ) AS some_direct
    UNION ALL
    SELECT some_through_groups.pk
    FROM (
      SELECT of_group.pk
      FROM visible_groups
      JOIN LATERAL (
        SELECT enrolment.workspace_pk AS pk
        FROM core_api.workspace_group_workspaces AS enrolment
        WHERE enrolment.deleted_at IS NULL
          AND enrolment.workspace_group_pk = visible_groups.pk
        ORDER BY enrolment.workspace_pk
        LIMIT 17
      ) AS of_group ON true
      LIMIT 17
    ) AS some_through_groups
  ),
  few AS (
    SELECT CASE WHEN ((SELECT count(*) AS count_1 FROM opened) <= 16) THEN array((
        SELECT opened.pk
        FROM opened
        WHERE (
          SELECT true AS anon_1
          FROM core_api.workspaces AS live
          WHERE live.pk = opened.pk
            AND live.deleted_at IS NULL
        )
      )) END AS workspaces
  ),
  own_groups AS (
    SELECT array((SELECT visible_groups.pk FROM visible_groups)) AS pks
  )
  SELECT asked_workspace_connectors.pk, asked_workspace_connectors.id, asked_workspace_connectors.workspace_pk
  FROM (
    SELECT wanted.id,
      coalesce(workspace_connectors_1.pk, 0) AS pk,
      coalesce(workspace_connectors_1.workspace_pk, 0) AS workspace_pk,
      workspace_connectors_1.deleted_at
    FROM unnest(:workspace_connector_in::UUID[]) AS wanted(id)
    LEFT OUTER JOIN core_api.workspace_connectors AS workspace_connectors_1 ON workspace_connectors_1.id = wanted.id
    LIMIT ALL OFFSET 0
  ) AS asked_workspace_connectors
  WHERE coalesce(asked_workspace_connectors.workspace_pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
      SELECT opened_so.pk
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
          AND membership.workspace_pk BETWEEN asked_workspace_connectors.workspace_pk AND asked_workspace_connectors.workspace_pk
        LIMIT ALL OFFSET 0
      ) AS opened_so
      WHERE (
        SELECT true AS anon_1
        FROM core_api.workspaces AS live
        WHERE live.pk = opened_so.pk
          AND live.deleted_at IS NULL
      )
      LIMIT 1
    ) IS NOT NULL OR (
      SELECT opened_so.pk
      FROM (
        SELECT enrolment.workspace_pk AS pk
        FROM own_groups
        JOIN core_api.workspace_group_workspaces AS enrolment ON enrolment.workspace_group_pk = any(own_groups.pks)
        WHERE enrolment.deleted_at IS NULL
          AND enrolment.workspace_pk = asked_workspace_connectors.workspace_pk
        LIMIT ALL OFFSET 0
      ) AS opened_so
      WHERE (
        SELECT true AS anon_1
        FROM core_api.workspaces AS live
        WHERE live.pk = opened_so.pk
          AND live.deleted_at IS NULL
      )
      LIMIT 1
    ) IS NOT NULL)
),
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'applied'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'in_progress'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'parked'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'dismissed'
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
  SELECT found.*, driver.id AS workspace_connector_id
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'applied'
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'in_progress'
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'parked'
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'dismissed'
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
    FROM core_api.workspaces
    WHERE pk = page.workspace_pk
  ) AS workspace_id, (
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
