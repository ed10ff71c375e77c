-- GET /v1/companies?filter[workspace]=00000000-0000-0000-0000-000000000001&filter[name]=Alder, for a person.
-- 5,730 bytes as it is sent.

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
  SELECT workspace.pk AS pk,
    workspace.id AS id,
    workspace.pk AS workspace_pk,
    workspace.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspaces AS workspace
  WHERE workspace.id = any(:workspace_in::UUID[])
    AND workspace.deleted_at IS NULL
    AND coalesce(workspace.pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
          AND core_api.workspace_memberships.workspace_pk BETWEEN workspace.pk AND workspace.pk
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
          AND core_api.workspace_group_workspaces.workspace_pk = workspace.pk
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
),
head AS (
  SELECT driver.pk AS pk,
    driver.id AS id,
    driver.workspace_pk AS workspace_pk,
    driver.is_live AS is_live,
    driver.within_pk AS within_pk,
    CAST(row_number() OVER (ORDER BY found.folded_name ASC, found.pk ASC) AS INTEGER) AS place
  FROM driver
  JOIN LATERAL (
    SELECT row.pk AS pk, row.folded_name AS folded_name
    FROM wellspring.companies_of_caller AS row
    WHERE row.deleted_at IS NULL
      AND row.folded_name = wellspring.fold(:name_named::VARCHAR)
      AND row.name = :name_named::VARCHAR
      AND row.workspace_pk = driver.pk
    ORDER BY row.folded_name ASC, row.pk ASC
    LIMIT 1
  ) AS found ON true
  ORDER BY found.folded_name ASC, found.pk ASC
  LIMIT :rows::INTEGER
),
page AS (
  SELECT found.pk AS pk,
    found.id AS id,
    found.name AS name,
    found.created_at AS created_at,
    found.updated_at AS updated_at,
    found.deleted_at AS deleted_at,
    found.folded_name AS folded_name,
    head.id AS workspace_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.name AS name,
      row.created_at AS created_at,
      CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at AS deleted_at,
      row.folded_name AS folded_name
    FROM wellspring.companies_of_caller AS row
    WHERE row.deleted_at IS NULL
      AND row.folded_name = wellspring.fold(:name_named::VARCHAR)
      AND row.name = :name_named::VARCHAR
      AND row.workspace_pk = head.pk
    ORDER BY row.folded_name ASC, row.pk ASC
    LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
  ) AS found ON true
  ORDER BY found.folded_name ASC, found.pk ASC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.name AS name,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.folded_name AS folded_name,
    page.workspace_id AS workspace_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.name,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  shown.folded_name,
  CAST(shown.workspace_id AS TEXT) AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company__workspace', array_agg(shown.workspace_id)) AS leave_ids_1
  FROM shown
)
ORDER BY shown.folded_name ASC, shown.pk ASC
