-- GET /v1/sync-runs?filter[state]=incomplete, for a service.
-- 1,357 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.run,
    row.state,
    row.messages_expected,
    row.messages_applied,
    row.messages_parked,
    row.snapshot,
    row.counts,
    row.occurred_at,
    row.started_at,
    row.completed_at,
    workspace_connector.id AS workspace_connector_id,
    workspace.id AS workspace_id
  FROM wellspring.sync_runs AS row
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspace_connectors AS p
    WHERE p.pk = row.workspace_connector_pk
    OFFSET 0
  ) AS workspace_connector
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspaces AS p
    WHERE p.pk = row.workspace_pk
      AND p.deleted_at IS NULL
      AND EXISTS (
        SELECT
        FROM core_api.workspaces AS there
        WHERE there.pk = p.pk
          AND there.deleted_at IS NULL
      )
    OFFSET 0
  ) AS workspace
  WHERE row.state = :state_eq::VARCHAR
  ORDER BY row.started_at DESC, row.pk DESC
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
  run,
  state,
  messages_expected,
  messages_applied,
  messages_parked,
  snapshot,
  counts,
  occurred_at::text AS occurred_at,
  started_at::text AS started_at,
  completed_at::text AS completed_at,
  workspace_connector_id::text AS workspace_connector_id,
  workspace_id::text AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_run__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('sync_run__workspace', array_agg(workspace_id))
  FROM shown
)
ORDER BY shown.started_at DESC, pk DESC
