-- GET /v1/company-workspace-connectors/ID, for a person.
-- 5,893 bytes as it is sent.

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
    row.direction AS direction,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    company.id AS company_id,
    workspace_connector.id AS workspace_connector_id,
    sync_message.id AS sync_message_id,
    ended_by.id AS ended_by_id
  FROM core_api.company_workspace_connectors AS row
  JOIN core_api.companies AS company ON company.pk = row.company_pk
  JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT OUTER JOIN wellspring.sync_messages AS sync_message ON sync_message.pk = row.sync_message_pk
  LEFT OUTER JOIN wellspring.sync_messages AS ended_by ON ended_by.pk = row.ended_by_pk
  WHERE row.deleted_at IS NULL
    AND company.deleted_at IS NULL
    AND workspace_connector.deleted_at IS NULL
    AND coalesce(company.workspace_pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
          AND membership.workspace_pk BETWEEN company.workspace_pk AND company.workspace_pk
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
          AND enrolment.workspace_pk = company.workspace_pk
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
    AND workspace_connector.workspace_pk = company.workspace_pk
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
  found.direction,
  CAST(found.created_at AS TEXT) AS created_at,
  CAST(found.updated_at AS TEXT) AS updated_at,
  CAST(found.deleted_at AS TEXT) AS deleted_at,
  CAST(found.company_id AS TEXT) AS company_id,
  CAST(found.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(found.sync_message_id AS TEXT) AS sync_message_id,
  CAST(found.ended_by_id AS TEXT) AS ended_by_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(found.company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(found.workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(found.sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(found.ended_by_id)) AS anon_2
  FROM found
)
