-- GET /v1/workspace-group-workspaces/ID, for a person.
-- 5,726 bytes as it is sent.

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
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    workspace_group.id AS workspace_group_id,
    workspace.id AS workspace_id,
    created_by.id AS created_by_id
  FROM core_api.workspace_group_workspaces AS row
  JOIN core_api.workspace_groups AS workspace_group ON workspace_group.pk = row.workspace_group_pk
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT OUTER JOIN core_api.peoples AS created_by ON created_by.pk = row.created_by_pk
  WHERE row.deleted_at IS NULL
    AND workspace_group.deleted_at IS NULL
    AND workspace.deleted_at IS NULL
    AND (workspace_group.pk = any(array((SELECT visible_groups.pk FROM visible_groups)))
    OR coalesce(workspace.pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
            AND membership.workspace_pk BETWEEN workspace.pk AND workspace.pk
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
            AND enrolment.workspace_pk = workspace.pk
          LIMIT ALL OFFSET 0
        ) AS opened_so
        WHERE (
          SELECT true AS anon_1
          FROM core_api.workspaces AS live
          WHERE live.pk = opened_so.pk
            AND live.deleted_at IS NULL
        )
        LIMIT 1
      ) IS NOT NULL))
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
  CAST(found.created_at AS TEXT) AS created_at,
  CAST(found.updated_at AS TEXT) AS updated_at,
  CAST(found.deleted_at AS TEXT) AS deleted_at,
  CAST(found.workspace_group_id AS TEXT) AS workspace_group_id,
  CAST(found.workspace_id AS TEXT) AS workspace_id,
  CAST(found.created_by_id AS TEXT) AS created_by_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('workspace_group_workspace__workspace_group', array_agg(found.workspace_group_id) FILTER (WHERE found.deleted_at IS NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace', array_agg(found.workspace_id))
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(found.created_by_id))
    AND wellspring.leave_ids('workspace_group_workspace__workspace_group__ended', array_agg(found.workspace_group_id) FILTER (WHERE found.deleted_at IS NOT NULL)) AS anon_2
  FROM found
)
