-- GET /v1/sync-messages/ID, for a person.
-- 5,707 bytes as it is sent.

WITH visible_groups AS (
  SELECT tenant.pk AS pk
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
      AND membership.status = 'active'::VARCHAR
      AND membership.deleted_at IS NULL
  ) AS held_groups
  JOIN core_api.workspace_groups AS tenant ON tenant.pk = held_groups.pk
  WHERE tenant.deleted_at IS NULL
),
opened AS (
  SELECT some_direct.pk AS pk
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
      AND membership.status = 'active'::VARCHAR
      AND membership.deleted_at IS NULL
    ORDER BY pk
    LIMIT 17
  ) AS some_direct
  UNION ALL
  SELECT some_through_groups.pk AS pk
  FROM (
    SELECT of_group.pk AS pk
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
  SELECT CASE WHEN ((SELECT count(*) AS count_1 FROM opened) <= 16::INTEGER) THEN array((
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
),
found AS (
  SELECT row.id AS id,
    row.message_id AS message_id,
    row.message_type AS message_type,
    row.direction AS direction,
    row.mode AS mode,
    row.run AS run,
    row.occurred_at AS occurred_at,
    row.received_at AS received_at,
    row.processed_at AS processed_at,
    row.outcome AS outcome,
    row.reason AS reason,
    row.all_problems AS problems,
    row.counts AS counts,
    workspace_connector.id AS workspace_connector_id,
    workspace.id AS workspace_id,
    sync_run.id AS sync_run_id
  FROM wellspring.sync_messages_of_caller AS row
  LEFT OUTER JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT OUTER JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT OUTER JOIN wellspring.sync_runs AS sync_run ON sync_run.pk = row.sync_run_pk
  WHERE coalesce(row.workspace_pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
          AND membership.status = 'active'::VARCHAR
          AND membership.deleted_at IS NULL
          AND membership.workspace_pk BETWEEN row.workspace_pk AND row.workspace_pk
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
          AND enrolment.workspace_pk = row.workspace_pk
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
    AND (SELECT count(*) AS count_2 FROM visible_groups) IS NOT NULL
    AND coalesce(0 = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
          AND membership.status = 'active'::VARCHAR
          AND membership.deleted_at IS NULL
          AND membership.workspace_pk BETWEEN 0 AND 0
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
          AND enrolment.workspace_pk = 0
        LIMIT ALL OFFSET 0
      ) AS opened_so
      WHERE (
        SELECT true AS anon_1
        FROM core_api.workspaces AS live
        WHERE live.pk = opened_so.pk
          AND live.deleted_at IS NULL
      )
      LIMIT 1
    ) IS NOT NULL) IS NOT NULL
    AND row.id = :id_eq::UUID
)
SELECT CAST(found.id AS TEXT) AS id,
  CAST(found.message_id AS TEXT) AS message_id,
  found.message_type,
  found.direction,
  found.mode,
  found.run,
  CAST(found.occurred_at AS TEXT) AS occurred_at,
  CAST(found.received_at AS TEXT) AS received_at,
  CAST(found.processed_at AS TEXT) AS processed_at,
  found.outcome,
  found.reason,
  found.problems,
  found.counts,
  CAST(found.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(found.workspace_id AS TEXT) AS workspace_id,
  CAST(found.sync_run_id AS TEXT) AS sync_run_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(found.workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(found.workspace_id))
    AND wellspring.leave_ids('sync_message__sync_run', array_agg(found.sync_run_id)) AS anon_2
  FROM found
)
