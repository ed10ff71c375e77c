-- GET /v1/workspace-group-workspaces?filter[deleted]=only, for a person.
-- 8,124 bytes as it is sent.

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
          SELECT true AS anon_3
          FROM core_api.workspaces AS live
          WHERE live.pk = opened.pk
            AND live.deleted_at IS NULL
        )
      )) END AS workspaces
  ),
  own_groups AS (
    SELECT array((SELECT visible_groups.pk FROM visible_groups)) AS pks
  )
  SELECT parent.pk,
    parent.id,
    parent.pk AS workspace_pk,
    parent.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspaces AS parent
  WHERE parent.deleted_at IS NULL
    AND (SELECT wellspring.leave_workspaces(false) AS done)
    AND parent.pk = any(array((SELECT visible.pk FROM visible)))
  UNION ALL
  SELECT left_workspace.pk,
    left_workspace.id,
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
          AND membership.workspace_pk BETWEEN left_workspace.pk AND left_workspace.pk
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
        SELECT enrolment.workspace_pk AS pk
        FROM own_groups
        JOIN core_api.workspace_group_workspaces AS enrolment ON enrolment.workspace_group_pk = any(own_groups.pks)
        WHERE enrolment.deleted_at IS NULL
          AND enrolment.workspace_pk = left_workspace.pk
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
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.created_at AS head_at, row.pk AS head_pk
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
            AND (p.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          OFFSET 0
        ) AS workspace_group
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND driver.within_pk IS NULL
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.created_at AS head_at, row.pk AS head_pk
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
            AND (p.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          OFFSET 0
        ) AS workspace_group
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.workspace_group_pk = driver.within_pk
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT 1
      )) AS merged
    ORDER BY head_at DESC, head_pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
page AS (
  SELECT found.*, driver.id AS workspace_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.pk,
          row.id,
          row.created_at,
          CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
          row.deleted_at,
          workspace_group.id AS workspace_group_id,
          created_by.id AS created_by_id
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
            AND (p.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          OFFSET 0
        ) AS workspace_group
        LEFT JOIN LATERAL (
          SELECT p.id
          FROM core_api.peoples AS p
          WHERE p.pk = row.created_by_pk
          OFFSET 0
        ) AS created_by ON true
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND driver.within_pk IS NULL
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.created_at,
          CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
          row.deleted_at,
          workspace_group.id AS workspace_group_id,
          created_by.id AS created_by_id
        FROM core_api.workspace_group_workspaces AS row
        CROSS JOIN LATERAL (
          SELECT p.id
          FROM core_api.workspace_groups AS p
          WHERE p.pk = row.workspace_group_pk
            AND (p.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          OFFSET 0
        ) AS workspace_group
        LEFT JOIN LATERAL (
          SELECT p.id
          FROM core_api.peoples AS p
          WHERE p.pk = row.created_by_pk
          OFFSET 0
        ) AS created_by ON true
        WHERE row.workspace_pk = driver.pk
          AND row.deleted_at IS NOT NULL
          AND row.workspace_group_pk = driver.within_pk
        ORDER BY row.created_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      )) AS merged
    ORDER BY created_at DESC, pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.created_at DESC, found.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *
  FROM page
)
SELECT pk,
  id::text AS id,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  workspace_group_id::text AS workspace_group_id,
  workspace_id::text AS workspace_id,
  created_by_id::text AS created_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group_workspace__workspace_group', array_agg(workspace_group_id) FILTER (WHERE deleted_at IS NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(created_by_id))
    AND wellspring.leave_ids('workspace_group_workspace__workspace_group__ended', array_agg(workspace_group_id) FILTER (WHERE deleted_at IS NOT NULL)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
