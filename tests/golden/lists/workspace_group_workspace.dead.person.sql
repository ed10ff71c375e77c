-- GET /v1/workspace-group-workspaces?filter[deleted]=only, for a person.
-- 11,374 bytes as it is sent.

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
        SELECT true AS anon_3
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
  WHERE workspace.deleted_at IS NULL
    AND (
    SELECT wellspring.leave_workspaces(false) AS leave_workspaces_1
  )
    AND workspace.pk = any(array((SELECT visible.pk FROM visible)))
  UNION ALL
  SELECT left_workspace.pk AS pk,
    left_workspace.id AS id,
    left_workspace.pk AS workspace_pk,
    left_workspace.deleted_at IS NULL AS is_live,
    opening.pk AS within_pk
  FROM core_api.workspace_groups AS opening
  JOIN wellspring.workspaces_left(opening.pk) AS left_by(pk) ON true
  JOIN core_api.workspaces AS left_workspace ON left_workspace.pk = left_by.pk
  WHERE opening.pk = any(array((SELECT visible_groups.pk FROM visible_groups)))
    AND left_workspace.deleted_at IS NULL
    AND NOT coalesce(left_workspace.pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
          AND core_api.workspace_memberships.workspace_pk BETWEEN left_workspace.pk AND left_workspace.pk
        LIMIT ALL OFFSET 0
      ) AS opened_so
      WHERE (
        SELECT true AS anon_3
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
          AND core_api.workspace_group_workspaces.workspace_pk = left_workspace.pk
        LIMIT ALL OFFSET 0
      ) AS opened_so
      WHERE (
        SELECT true AS anon_3
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
    CAST(row_number() OVER (ORDER BY found.created_at DESC, found.pk DESC) AS INTEGER) AS place
  FROM driver
  JOIN LATERAL (
    SELECT walked.pk AS pk, walked.created_at AS created_at
    FROM (
      SELECT walk_0.pk AS pk, walk_0.created_at AS created_at
      FROM (
        SELECT row.pk AS pk, row.created_at AS created_at
        FROM core_api.workspace_group_workspaces AS row
        JOIN LATERAL (
          SELECT workspace_group.id AS id
          FROM core_api.workspace_groups AS workspace_group
          WHERE workspace_group.pk = row.workspace_group_pk
            AND (workspace_group.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          LIMIT ALL OFFSET 0
        ) AS seen_workspace_group ON true
        LEFT OUTER JOIN LATERAL (
          SELECT created_by.id AS id
          FROM core_api.peoples AS created_by
          WHERE created_by.pk = row.created_by_pk
          LIMIT ALL OFFSET 0
        ) AS seen_created_by ON true
        WHERE row.deleted_at IS NOT NULL
          AND row.workspace_pk = driver.pk
          AND driver.within_pk IS NULL
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT 1
      ) AS walk_0
      UNION ALL
      SELECT walk_1.pk AS pk, walk_1.created_at AS created_at
      FROM (
        SELECT row.pk AS pk, row.created_at AS created_at
        FROM core_api.workspace_group_workspaces AS row
        JOIN LATERAL (
          SELECT workspace_group.id AS id
          FROM core_api.workspace_groups AS workspace_group
          WHERE workspace_group.pk = row.workspace_group_pk
            AND (workspace_group.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          LIMIT ALL OFFSET 0
        ) AS seen_workspace_group ON true
        LEFT OUTER JOIN LATERAL (
          SELECT created_by.id AS id
          FROM core_api.peoples AS created_by
          WHERE created_by.pk = row.created_by_pk
          LIMIT ALL OFFSET 0
        ) AS seen_created_by ON true
        WHERE row.deleted_at IS NOT NULL
          AND row.workspace_pk = driver.pk
          AND row.workspace_group_pk = driver.within_pk
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT 1
      ) AS walk_1
    ) AS walked
    ORDER BY walked.created_at DESC, walked.pk DESC
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
    SELECT walked.pk AS pk,
      walked.id AS id,
      walked.created_at AS created_at,
      walked.updated_at AS updated_at,
      walked.deleted_at AS deleted_at,
      walked.workspace_group_id AS workspace_group_id,
      walked.created_by_id AS created_by_id
    FROM (
      SELECT walk_0.pk AS pk,
        walk_0.id AS id,
        walk_0.created_at AS created_at,
        walk_0.updated_at AS updated_at,
        walk_0.deleted_at AS deleted_at,
        walk_0.workspace_group_id AS workspace_group_id,
        walk_0.created_by_id AS created_by_id
      FROM (
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
            AND (workspace_group.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          LIMIT ALL OFFSET 0
        ) AS seen_workspace_group ON true
        LEFT OUTER JOIN LATERAL (
          SELECT created_by.id AS id
          FROM core_api.peoples AS created_by
          WHERE created_by.pk = row.created_by_pk
          LIMIT ALL OFFSET 0
        ) AS seen_created_by ON true
        WHERE row.deleted_at IS NOT NULL
          AND row.workspace_pk = head.pk
          AND head.within_pk IS NULL
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
      ) AS walk_0
      UNION ALL
      SELECT walk_1.pk AS pk,
        walk_1.id AS id,
        walk_1.created_at AS created_at,
        walk_1.updated_at AS updated_at,
        walk_1.deleted_at AS deleted_at,
        walk_1.workspace_group_id AS workspace_group_id,
        walk_1.created_by_id AS created_by_id
      FROM (
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
            AND (workspace_group.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          LIMIT ALL OFFSET 0
        ) AS seen_workspace_group ON true
        LEFT OUTER JOIN LATERAL (
          SELECT created_by.id AS id
          FROM core_api.peoples AS created_by
          WHERE created_by.pk = row.created_by_pk
          LIMIT ALL OFFSET 0
        ) AS seen_created_by ON true
        WHERE row.deleted_at IS NOT NULL
          AND row.workspace_pk = head.pk
          AND row.workspace_group_pk = head.within_pk
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
      ) AS walk_1
    ) AS walked
    ORDER BY walked.created_at DESC, walked.pk DESC
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
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(shown.created_by_id)) AS anon_4
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
