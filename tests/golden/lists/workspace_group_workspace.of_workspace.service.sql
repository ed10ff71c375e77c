-- GET /v1/workspace-group-workspaces?filter[workspace]=00000000-0000-0000-0000-000000000001, for a service.
-- 3,527 bytes as it is sent.

WITH driver AS (
  SELECT workspace.pk AS pk,
    workspace.id AS id,
    workspace.pk AS workspace_pk,
    workspace.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspaces AS workspace
  WHERE workspace.id = any(:workspace_in::UUID[])
    AND workspace.deleted_at IS NULL
),
head AS (
  SELECT driver.pk AS pk,
    driver.id AS id,
    driver.workspace_pk AS workspace_pk,
    driver.is_live AS is_live,
    driver.within_pk AS within_pk,
    CAST(row_number() OVER (ORDER BY found.created_at DESC, found.pk DESC) AS INTEGER) AS place
  FROM driver
  JOIN LATERAL (
    SELECT row.pk AS pk, row.created_at AS created_at
    FROM core_api.workspace_group_workspaces AS row
    JOIN LATERAL (
      SELECT workspace_group.id AS id
      FROM core_api.workspace_groups AS workspace_group
      WHERE workspace_group.pk = row.workspace_group_pk
        AND workspace_group.deleted_at IS NULL
      LIMIT ALL OFFSET 0
    ) AS seen_workspace_group ON true
    LEFT OUTER JOIN LATERAL (
      SELECT created_by.id AS id
      FROM core_api.peoples AS created_by
      WHERE created_by.pk = row.created_by_pk
      LIMIT ALL OFFSET 0
    ) AS seen_created_by ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_pk = driver.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 1
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
page AS (
  SELECT found.pk AS pk,
    found.id AS id,
    found.created_at AS created_at,
    found.updated_at AS updated_at,
    found.deleted_at AS deleted_at,
    found.workspace_group_id AS workspace_group_id,
    found.created_by_id AS created_by_id,
    head.id AS workspace_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.created_at AS created_at,
      CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at AS deleted_at,
      seen_workspace_group.id AS workspace_group_id,
      seen_created_by.id AS created_by_id
    FROM core_api.workspace_group_workspaces AS row
    JOIN LATERAL (
      SELECT workspace_group.id AS id
      FROM core_api.workspace_groups AS workspace_group
      WHERE workspace_group.pk = row.workspace_group_pk
        AND workspace_group.deleted_at IS NULL
      LIMIT ALL OFFSET 0
    ) AS seen_workspace_group ON true
    LEFT OUTER JOIN LATERAL (
      SELECT created_by.id AS id
      FROM core_api.peoples AS created_by
      WHERE created_by.pk = row.created_by_pk
      LIMIT ALL OFFSET 0
    ) AS seen_created_by ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_pk = head.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.workspace_group_id AS workspace_group_id,
    page.created_by_id AS created_by_id,
    page.workspace_id AS workspace_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.workspace_group_id AS TEXT) AS workspace_group_id,
  CAST(shown.created_by_id AS TEXT) AS created_by_id,
  CAST(shown.workspace_id AS TEXT) AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group_workspace__workspace_group', array_agg(shown.workspace_group_id))
    AND wellspring.leave_ids('workspace_group_workspace__workspace', array_agg(shown.workspace_id))
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(shown.created_by_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
