-- GET /v1/sync-messages?page[total]=true: the total, for a person.
-- 3,522 bytes as it is sent.

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
visible AS (
  SELECT core_api.workspaces.pk AS pk
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
  ) AS anon_1
  JOIN core_api.workspaces ON core_api.workspaces.pk = anon_1.pk
  WHERE core_api.workspaces.deleted_at IS NULL
  UNION
  SELECT core_api.workspaces.pk AS pk
  FROM (
    SELECT core_api.workspace_group_workspaces.workspace_pk AS pk
    FROM visible_groups, core_api.workspace_group_workspaces
    WHERE core_api.workspace_group_workspaces.deleted_at IS NULL
      AND core_api.workspace_group_workspaces.workspace_group_pk = visible_groups.pk
  ) AS anon_2
  JOIN core_api.workspaces ON core_api.workspaces.pk = anon_2.pk
  WHERE core_api.workspaces.deleted_at IS NULL
),
driver AS (
  SELECT workspace.pk AS pk,
    workspace.id AS id,
    workspace.pk AS workspace_pk,
    workspace.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspaces AS workspace
  WHERE workspace.deleted_at IS NULL
    AND (
    SELECT wellspring.leave_workspaces(false) AS leave_workspaces_1
  )
    AND workspace.pk = any(array((SELECT visible.pk FROM visible)))
)
SELECT count(*) AS count_1
FROM (
  SELECT found.pk AS pk
  FROM driver
  JOIN LATERAL (
    SELECT walked.pk AS pk, walked.received_at AS received_at
    FROM (
      SELECT walk_0.pk AS pk, walk_0.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'applied'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 10001
      ) AS walk_0
      UNION ALL
      SELECT walk_1.pk AS pk, walk_1.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'in_progress'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 10001
      ) AS walk_1
      UNION ALL
      SELECT walk_2.pk AS pk, walk_2.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'parked'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 10001
      ) AS walk_2
      UNION ALL
      SELECT walk_3.pk AS pk, walk_3.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'dismissed'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 10001
      ) AS walk_3
    ) AS walked
    ORDER BY walked.received_at DESC, walked.pk DESC
    LIMIT 10001
  ) AS found ON true
  LIMIT 10001
) AS counted
