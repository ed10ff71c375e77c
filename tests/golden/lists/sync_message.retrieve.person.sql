-- GET /v1/sync-messages/ID, for a person.
-- 6,076 bytes as it is sent.

WITH visible_groups AS (
  SELECT core_api.workspace_groups.pk AS pk
  FROM (
    SELECT core_api.workspace_group_memberships.workspace_group_pk AS pk
    FROM core_api.workspace_group_memberships
    WHERE core_api.workspace_group_memberships.people_pk = (
      SELECT core_api.peoples.pk
      FROM core_api.peoples
      WHERE core_api.peoples.id = :caller_id::UUID
        AND core_api.peoples.deleted_at IS NULL
      LIMIT 1
    )
      AND core_api.workspace_group_memberships.status = 'active'::VARCHAR
      AND core_api.workspace_group_memberships.deleted_at IS NULL
  ) AS held_groups
  JOIN core_api.workspace_groups ON core_api.workspace_groups.pk = held_groups.pk
  WHERE core_api.workspace_groups.deleted_at IS NULL
),
opened AS (
  SELECT some_direct.pk AS pk
  FROM (
    SELECT core_api.workspace_memberships.workspace_pk AS pk
    FROM core_api.workspace_memberships
    WHERE core_api.workspace_memberships.people_pk = (
      SELECT core_api.peoples.pk
      FROM core_api.peoples
      WHERE core_api.peoples.id = :caller_id::UUID
        AND core_api.peoples.deleted_at IS NULL
      LIMIT 1
    )
      AND core_api.workspace_memberships.status = 'active'::VARCHAR
      AND core_api.workspace_memberships.deleted_at IS NULL
    ORDER BY pk
    LIMIT 17
  ) AS some_direct
  UNION ALL
  SELECT some_through_groups.pk AS pk
  FROM (
    SELECT of_group.pk AS pk
    FROM visible_groups
    JOIN LATERAL (
      SELECT core_api.workspace_group_workspaces.workspace_pk AS pk
      FROM core_api.workspace_group_workspaces
      WHERE core_api.workspace_group_workspaces.deleted_at IS NULL
        AND core_api.workspace_group_workspaces.workspace_group_pk = visible_groups.pk
      ORDER BY core_api.workspace_group_workspaces.workspace_pk
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
    workspace.id AS workspace_id
  FROM wellspring.sync_messages_of_caller AS row
  LEFT OUTER JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT OUTER JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  WHERE coalesce(row.workspace_pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
      SELECT opened_so.pk
      FROM (
        SELECT core_api.workspace_memberships.workspace_pk AS pk
        FROM core_api.workspace_memberships
        WHERE core_api.workspace_memberships.people_pk = (
          SELECT core_api.peoples.pk
          FROM core_api.peoples
          WHERE core_api.peoples.id = :caller_id::UUID
            AND core_api.peoples.deleted_at IS NULL
          LIMIT 1
        )
          AND core_api.workspace_memberships.status = 'active'::VARCHAR
          AND core_api.workspace_memberships.deleted_at IS NULL
          AND core_api.workspace_memberships.workspace_pk BETWEEN row.workspace_pk AND row.workspace_pk
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
        SELECT core_api.workspace_group_workspaces.workspace_pk AS pk
        FROM own_groups
        JOIN core_api.workspace_group_workspaces ON core_api.workspace_group_workspaces.workspace_group_pk = any(own_groups.pks)
        WHERE core_api.workspace_group_workspaces.deleted_at IS NULL
          AND core_api.workspace_group_workspaces.workspace_pk = row.workspace_pk
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
        SELECT core_api.workspace_memberships.workspace_pk AS pk
        FROM core_api.workspace_memberships
        WHERE core_api.workspace_memberships.people_pk = (
          SELECT core_api.peoples.pk
          FROM core_api.peoples
          WHERE core_api.peoples.id = :caller_id::UUID
            AND core_api.peoples.deleted_at IS NULL
          LIMIT 1
        )
          AND core_api.workspace_memberships.status = 'active'::VARCHAR
          AND core_api.workspace_memberships.deleted_at IS NULL
          AND core_api.workspace_memberships.workspace_pk BETWEEN 0 AND 0
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
        SELECT core_api.workspace_group_workspaces.workspace_pk AS pk
        FROM own_groups
        JOIN core_api.workspace_group_workspaces ON core_api.workspace_group_workspaces.workspace_group_pk = any(own_groups.pks)
        WHERE core_api.workspace_group_workspaces.deleted_at IS NULL
          AND core_api.workspace_group_workspaces.workspace_pk = 0
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
  CAST(found.workspace_id AS TEXT) AS workspace_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(found.workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(found.workspace_id)) AS anon_2
  FROM found
)
