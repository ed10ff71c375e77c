-- GET /v1/workspace-group-memberships, for a person.
-- 3,611 bytes as it is sent.

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
driver AS (
  SELECT workspace_group.pk AS pk,
    workspace_group.id AS id,
    CAST(NULL AS BIGINT) AS workspace_pk,
    workspace_group.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspace_groups AS workspace_group
  WHERE workspace_group.deleted_at IS NULL
    AND workspace_group.pk = any(array((SELECT visible_groups.pk FROM visible_groups)))
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
    FROM wellspring.workspace_group_memberships_of_caller AS row
    JOIN LATERAL (
      SELECT people.id AS id
      FROM core_api.peoples AS people
      WHERE people.pk = row.people_pk
      LIMIT ALL OFFSET 0
    ) AS seen_people ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_group_pk = driver.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT 1
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
page AS (
  SELECT found.pk AS pk,
    found.id AS id,
    found.role AS role,
    found.status AS status,
    found.created_at AS created_at,
    found.updated_at AS updated_at,
    found.deleted_at AS deleted_at,
    found.people_id AS people_id,
    head.id AS workspace_group_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.role AS role,
      row.status AS status,
      row.created_at AS created_at,
      CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
      row.deleted_at AS deleted_at,
      seen_people.id AS people_id
    FROM wellspring.workspace_group_memberships_of_caller AS row
    JOIN LATERAL (
      SELECT people.id AS id
      FROM core_api.peoples AS people
      WHERE people.pk = row.people_pk
      LIMIT ALL OFFSET 0
    ) AS seen_people ON true
    WHERE row.deleted_at IS NULL
      AND row.workspace_group_pk = head.pk
    ORDER BY row.created_at DESC, row.pk DESC
    LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
  ) AS found ON true
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.role AS role,
    page.status AS status,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.people_id AS people_id,
    page.workspace_group_id AS workspace_group_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.role,
  shown.status,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.people_id AS TEXT) AS people_id,
  CAST(shown.workspace_group_id AS TEXT) AS workspace_group_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group_membership__people', array_agg(shown.people_id))
    AND wellspring.leave_ids('workspace_group_membership__workspace_group', array_agg(shown.workspace_group_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
