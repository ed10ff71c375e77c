-- include: the rows of type company that rows before it in the flush point to, for a person.
-- 3,825 bytes as it is sent.

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
shown AS (
  SELECT row.id AS id,
    row.name AS name,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    workspace.id AS workspace_id,
    row.pk AS pk
  FROM core_api.companies AS row
  LEFT OUTER JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  WHERE row.id = any(array((
        SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_1
        FROM unnest(:places::TEXT[]) AS place(name)
      )))
    AND row.deleted_at IS NULL
    AND coalesce(row.workspace_pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
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
          AND membership.workspace_pk BETWEEN row.workspace_pk AND row.workspace_pk
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
          AND enrolment.workspace_pk = row.workspace_pk
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
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.name,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.workspace_id AS TEXT) AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company__workspace', array_agg(shown.workspace_id)) AS leave_ids_1
  FROM shown
)
ORDER BY shown.pk
