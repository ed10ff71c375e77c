-- GET /v1/workspace-group-workspaces?sort=updated_at&filter[updated_at][gte]=2026-05-10T00:00:00Z&filter[deleted]=include, for a service.
-- 2,303 bytes as it is sent.

-- The table with the order of the list as a column; planned where it is read.
WITH listed AS NOT MATERIALIZED(
  SELECT *, CASE WHEN updated_at IS NULL THEN created_at ELSE updated_at END AS at
  FROM core_api.workspace_group_workspaces
),
-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
page AS (
  SELECT *
  FROM ((
      SELECT row.pk,
        row.id,
        row.created_at,
        row.at AS updated_at,
        row.deleted_at,
        workspace_group.id AS workspace_group_id,
        workspace.id AS workspace_id, (SELECT id FROM core_api.peoples WHERE pk = row.created_by_pk) AS created_by_id
      FROM listed AS row
      CROSS JOIN LATERAL (
        SELECT p.id
        FROM core_api.workspace_groups AS p
        WHERE p.pk = row.workspace_group_pk
          AND p.deleted_at IS NULL
        OFFSET 0
      ) AS workspace_group
      CROSS JOIN LATERAL (
        SELECT p.id
        FROM core_api.workspaces AS p
        WHERE p.pk = row.workspace_pk
          AND p.deleted_at IS NULL
        OFFSET 0
      ) AS workspace
      WHERE row.deleted_at IS NULL
        AND row.at >= :updated_at_gte
      ORDER BY row.at ASC, row.pk ASC
      LIMIT :rows
    ) UNION ALL (
      SELECT row.pk,
        row.id,
        row.created_at,
        row.at AS updated_at,
        row.deleted_at,
        workspace_group.id AS workspace_group_id,
        workspace.id AS workspace_id, (SELECT id FROM core_api.peoples WHERE pk = row.created_by_pk) AS created_by_id
      FROM listed AS row
      CROSS JOIN LATERAL (
        SELECT p.id
        FROM core_api.workspace_groups AS p
        WHERE p.pk = row.workspace_group_pk
        OFFSET 0
      ) AS workspace_group
      CROSS JOIN LATERAL (
        SELECT p.id
        FROM core_api.workspaces AS p
        WHERE p.pk = row.workspace_pk
          AND p.deleted_at IS NULL
        OFFSET 0
      ) AS workspace
      WHERE row.deleted_at IS NOT NULL
        AND row.at >= :updated_at_gte
      ORDER BY row.at ASC, row.pk ASC
      LIMIT :rows
    )) AS merged
  ORDER BY updated_at ASC, pk ASC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
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
    AND wellspring.leave_ids('workspace_group_workspace__workspace_group__ended', array_agg(workspace_group_id) FILTER (WHERE deleted_at IS NOT NULL))
    AND wellspring.leave_ids('workspace_group_workspace__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_group_workspace__created_by', array_agg(created_by_id))
  FROM shown
)
ORDER BY shown.updated_at ASC, pk ASC
