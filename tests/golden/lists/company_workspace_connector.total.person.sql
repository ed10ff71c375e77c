-- GET /v1/company-workspace-connectors?page[total]=true: the total, for a person.
-- 2,722 bytes as it is sent.

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
  SELECT workspace_connector.pk AS pk,
    workspace_connector.id AS id,
    workspace_connector.workspace_pk AS workspace_pk,
    workspace_connector.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspace_connectors AS workspace_connector
  WHERE workspace_connector.deleted_at IS NULL
    AND (
    SELECT wellspring.leave_workspaces(false) AS leave_workspaces_1
  )
    AND workspace_connector.workspace_pk = any(array((SELECT visible.pk FROM visible)))
)
SELECT count(*) AS count_1
FROM (
  SELECT found.pk AS pk
  FROM driver
  JOIN LATERAL (
    SELECT row.pk AS pk, row.created_at AS created_at
    FROM core_api.company_workspace_connectors AS row
    JOIN LATERAL (
      SELECT company.id AS id
      FROM core_api.companies AS company
      WHERE company.pk = row.company_pk
        AND company.deleted_at IS NULL
        AND company.workspace_pk = driver.workspace_pk
      LIMIT ALL OFFSET 0
    ) AS seen_company ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_connector_pk = driver.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 10001
  ) AS found ON true
  LIMIT 10001
) AS counted
