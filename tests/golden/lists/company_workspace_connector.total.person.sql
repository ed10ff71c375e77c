-- GET /v1/company-workspace-connectors?page[total]=true: the total, for a person.
-- 2,073 bytes as it is sent.

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
  SELECT parent.pk, parent.id, parent.workspace_pk
  FROM core_api.workspace_connectors AS parent
  WHERE parent.deleted_at IS NULL
    AND (SELECT wellspring.leave_workspaces(false) AS done)
    AND parent.workspace_pk = any(array((SELECT visible.pk FROM visible)))
)
SELECT count(*)
FROM (
  SELECT 1
  FROM driver
  CROSS JOIN LATERAL (
    SELECT row.created_at AS head_at, row.pk AS head_pk
    FROM core_api.company_workspace_connectors AS row
    CROSS JOIN LATERAL (
      SELECT p.id
      FROM core_api.companies AS p
      WHERE p.pk = row.company_pk
        AND p.deleted_at IS NULL
        AND p.workspace_pk = driver.workspace_pk
      OFFSET 0
    ) AS company
    WHERE row.workspace_connector_pk = driver.pk
      AND row.deleted_at IS NULL
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 10001
  ) AS found
  LIMIT 10001
) AS counted
