-- GET /v1/workspace-groups?include=workspaces,memberships: the linkage of the groups.
-- 2,988 bytes as it is sent.

WITH held AS (
  SELECT core_api.workspace_groups.id AS group_id,
    'memberships' AS relationship,
    anon_1.id AS id,
    anon_1.link_id AS link_id,
    anon_1.since AS since,
    anon_1.place AS place
  FROM core_api.workspace_groups
  JOIN LATERAL (
    SELECT core_api.workspace_group_memberships.id AS id,
      core_api.workspace_group_memberships.id AS link_id,
      core_api.workspace_group_memberships.created_at AS since,
      core_api.workspace_group_memberships.pk AS place
    FROM core_api.workspace_group_memberships
    WHERE core_api.workspace_group_memberships.workspace_group_pk = core_api.workspace_groups.pk
      AND core_api.workspace_group_memberships.deleted_at IS NULL
    ORDER BY core_api.workspace_group_memberships.created_at, core_api.workspace_group_memberships.pk
    LIMIT greatest(FLOOR(500 / greatest(least((
              SELECT cardinality(array((
                    SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_1
                    FROM unnest(:places::TEXT[]) AS place(name)
                  ))) AS cardinality_1
            ), :most_rows::INTEGER), 1)), 1) + 1
  ) AS anon_1 ON true
  WHERE core_api.workspace_groups.id = any(array((
        SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_2
        FROM unnest(:places::TEXT[]) AS place(name)
      )))
  UNION ALL
  SELECT core_api.workspace_groups.id AS group_id,
    'workspaces' AS relationship,
    anon_2.id AS id,
    anon_2.link_id AS link_id,
    anon_2.since AS since,
    anon_2.place AS place
  FROM core_api.workspace_groups
  JOIN LATERAL (
    SELECT core_api.workspaces.id AS id,
      core_api.workspace_group_workspaces.id AS link_id,
      core_api.workspace_group_workspaces.created_at AS since,
      core_api.workspace_group_workspaces.pk AS place
    FROM core_api.workspace_group_workspaces
    JOIN core_api.workspaces ON core_api.workspaces.pk = core_api.workspace_group_workspaces.workspace_pk
    WHERE core_api.workspace_group_workspaces.workspace_group_pk = core_api.workspace_groups.pk
      AND core_api.workspace_group_workspaces.deleted_at IS NULL
      AND core_api.workspaces.deleted_at IS NULL
    ORDER BY core_api.workspace_group_workspaces.created_at, core_api.workspace_group_workspaces.pk
    LIMIT greatest(FLOOR(500 / greatest(least((
              SELECT cardinality(array((
                    SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_3
                    FROM unnest(:places::TEXT[]) AS place(name)
                  ))) AS cardinality_2
            ), :most_rows::INTEGER), 1)), 1) + 1
  ) AS anon_2 ON true
  WHERE core_api.workspace_groups.id = any(array((
        SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_4
        FROM unnest(:places::TEXT[]) AS place(name)
      )))
)
SELECT held.group_id, held.relationship, held.id, held.link_id, held.since, held.place
FROM held
WHERE (
  SELECT wellspring.leave_ids('workspace_group__memberships', array_agg(held.id) FILTER (WHERE held.relationship = 'memberships'))
    AND wellspring.leave_ids('workspace_group__workspaces', array_agg(held.id) FILTER (WHERE held.relationship = 'workspaces')) AS anon_3
  FROM held
)
ORDER BY held.since, held.place
