-- GET /v1/workspace-connectors?filter[workspace]=00000000-0000-0000-0000-000000000001&sort=-last_synced_at, for a person.
-- 4,426 bytes as it is sent.

WITH page AS (
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
  SELECT row.id,
    row.status,
    row.created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    workspace.id AS workspace_id,
    connector.id AS connector_id,
    row.pk,
    row.last_synced_at
  FROM (
    SELECT listed.pk,
      listed.id,
      listed.created_at,
      listed.updated_at,
      listed.deleted_at,
      listed.source,
      listed.source_version,
      listed.workspace_pk,
      listed.connector_pk,
      listed.status,
      CASE WHEN (wellspring.connector_state.last_synced_at IS NULL) THEN '0001-01-02 00:00:00+00'::timestamptz ELSE wellspring.connector_state.last_synced_at END AS last_synced_at
    FROM wellspring.workspace_connectors_of_caller AS listed
    LEFT OUTER JOIN wellspring.connector_state ON wellspring.connector_state.workspace_connector_pk = listed.pk
  ) AS row
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  JOIN core_api.connectors AS connector ON connector.pk = row.connector_pk
  WHERE row.deleted_at IS NULL
    AND workspace.id = any(:workspace_in::UUID[])
    AND workspace.deleted_at IS NULL
    AND coalesce(workspace.pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
          AND membership.workspace_pk BETWEEN workspace.pk AND workspace.pk
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
          AND enrolment.workspace_pk = workspace.pk
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
  ORDER BY row.last_synced_at DESC, row.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *
  FROM page
)
SELECT pk,
  id::text AS id,
  status,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  last_synced_at::text AS last_synced_at,
  workspace_id::text AS workspace_id,
  connector_id::text AS connector_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_connector', array_agg(id))
    AND wellspring.leave_ids('workspace_connector__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_connector__connector', array_agg(connector_id)) AS anon_1
  FROM shown
)
ORDER BY shown.last_synced_at DESC, pk DESC
