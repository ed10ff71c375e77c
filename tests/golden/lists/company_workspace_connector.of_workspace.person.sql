-- GET /v1/company-workspace-connectors?filter[workspace]=00000000-0000-0000-0000-000000000001, for a person.
-- 7,230 bytes as it is sent.

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
driver AS (
  SELECT workspace_connector.pk AS pk,
    workspace_connector.id AS id,
    workspace_connector.workspace_pk AS workspace_pk,
    workspace_connector.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspace_connectors AS workspace_connector
  WHERE workspace_connector.deleted_at IS NULL
    AND workspace_connector.workspace_pk = any(array((
        SELECT workspaces_1.pk
        FROM core_api.workspaces AS workspaces_1
        WHERE workspaces_1.id = any(:claimed_workspaces::UUID[])
          AND coalesce(workspaces_1.pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
                AND core_api.workspace_memberships.workspace_pk BETWEEN workspaces_1.pk AND workspaces_1.pk
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
                AND core_api.workspace_group_workspaces.workspace_pk = workspaces_1.pk
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
      )))
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
    LIMIT 1
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
page AS (
  SELECT found.pk AS pk,
    found.id AS id,
    found.direction AS direction,
    found.created_at AS created_at,
    found.updated_at AS updated_at,
    found.deleted_at AS deleted_at,
    found.company_id AS company_id,
    found.sync_message_pk AS sync_message_pk,
    found.ended_by_pk AS ended_by_pk,
    head.id AS workspace_connector_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.direction AS direction,
      row.created_at AS created_at,
      CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at AS deleted_at,
      seen_company.id AS company_id,
      row.sync_message_pk AS sync_message_pk,
      row.ended_by_pk AS ended_by_pk
    FROM core_api.company_workspace_connectors AS row
    JOIN LATERAL (
      SELECT company.id AS id
      FROM core_api.companies AS company
      WHERE company.pk = row.company_pk
        AND company.deleted_at IS NULL
        AND company.workspace_pk = head.workspace_pk
      LIMIT ALL OFFSET 0
    ) AS seen_company ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_connector_pk = head.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.direction AS direction,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.company_id AS company_id,
    page.workspace_connector_id AS workspace_connector_id, (
    SELECT sync_message.id
    FROM wellspring.sync_messages AS sync_message
    WHERE sync_message.pk = page.sync_message_pk
  ) AS sync_message_id, (
    SELECT ended_by.id
    FROM wellspring.sync_messages AS ended_by
    WHERE ended_by.pk = page.ended_by_pk
  ) AS ended_by_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.direction,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.company_id AS TEXT) AS company_id,
  CAST(shown.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(shown.sync_message_id AS TEXT) AS sync_message_id,
  CAST(shown.ended_by_id AS TEXT) AS ended_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(shown.company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(shown.workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(shown.sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(shown.ended_by_id)) AS anon_2
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
