-- GET /v1/workspace-groups?include=workspaces,memberships: the linkage of the groups.
-- 1,824 bytes as it is sent.

-- How many of each relationship are read of each group.
WITH share AS (
  SELECT greatest(500 / greatest(least(cardinality(ARRAY(
            SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
            FROM unnest(:places::TEXT[]) AS place(name)
          )), :most_rows::INTEGER), 1), 1) + 1 AS rows
),
-- The first of each relationship of each group.
held AS (
  SELECT team.id AS group_id, 'memberships' AS relationship, first.*
  FROM core_api.workspace_groups AS team
  CROSS JOIN LATERAL (
    SELECT link.id, link.id AS link_id, link.created_at AS since, link.pk AS place
    FROM core_api.workspace_group_memberships AS link
    WHERE link.workspace_group_pk = team.pk
      AND link.deleted_at IS NULL
    ORDER BY link.created_at, link.pk
    LIMIT(SELECT rows FROM share)
  ) AS first
  WHERE team.id = ANY(ARRAY(
      SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
      FROM unnest(:places::TEXT[]) AS place(name)
    ))
  UNION ALL
  SELECT team.id AS group_id, 'workspaces' AS relationship, first.*
  FROM core_api.workspace_groups AS team
  CROSS JOIN LATERAL (
    SELECT workspace.id, link.id AS link_id, link.created_at AS since, link.pk AS place
    FROM core_api.workspace_group_workspaces AS link
    JOIN core_api.workspaces AS workspace ON workspace.pk = link.workspace_pk
    WHERE link.workspace_group_pk = team.pk
      AND link.deleted_at IS NULL
      AND workspace.deleted_at IS NULL
    ORDER BY link.created_at, link.pk
    LIMIT(SELECT rows FROM share)
  ) AS first
  WHERE team.id = ANY(ARRAY(
      SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
      FROM unnest(:places::TEXT[]) AS place(name)
    ))
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT group_id, relationship, id, link_id, since, place
FROM held
WHERE (
  SELECT wellspring.leave_ids('workspace_group__memberships', array_agg(id) FILTER (WHERE relationship = 'memberships'))
    AND wellspring.leave_ids('workspace_group__workspaces', array_agg(id) FILTER (WHERE relationship = 'workspaces'))
  FROM held
)
ORDER BY since, place
