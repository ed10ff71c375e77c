-- GET /v1/workspace-providers, for a person.
-- 4,695 bytes as it is sent.

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
    FROM core_api.workspace_providers AS row
    JOIN LATERAL (
      SELECT provider.id AS id
      FROM core_api.providers AS provider
      WHERE provider.pk = row.provider_pk
        AND provider.deleted_at IS NULL
      LIMIT ALL OFFSET 0
    ) AS seen_provider ON true
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
    found.is_selected AS is_selected,
    found.is_matched AS is_matched,
    found.created_at AS created_at,
    found.updated_at AS updated_at,
    found.deleted_at AS deleted_at,
    found.provider_id AS provider_id,
    head.id AS workspace_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.is_selected AS is_selected,
      row.is_matched AS is_matched,
      row.created_at AS created_at,
      CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at AS deleted_at,
      seen_provider.id AS provider_id
    FROM core_api.workspace_providers AS row
    JOIN LATERAL (
      SELECT provider.id AS id
      FROM core_api.providers AS provider
      WHERE provider.pk = row.provider_pk
        AND provider.deleted_at IS NULL
      LIMIT ALL OFFSET 0
    ) AS seen_provider ON true
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
    page.is_selected AS is_selected,
    page.is_matched AS is_matched,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.provider_id AS provider_id,
    page.workspace_id AS workspace_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.is_selected,
  shown.is_matched,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.provider_id AS TEXT) AS provider_id,
  CAST(shown.workspace_id AS TEXT) AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_provider__workspace', array_agg(shown.workspace_id))
    AND wellspring.leave_ids('workspace_provider__provider', array_agg(shown.provider_id)) AS anon_3
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
