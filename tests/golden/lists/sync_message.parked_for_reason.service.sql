-- GET /v1/sync-messages?filter[outcome]=parked&filter[reason]=unknown_record, for a service.
-- 1,602 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.message_id,
    row.message_type,
    row.direction,
    row.mode,
    row.run,
    row.occurred_at,
    row.received_at,
    row.processed_at,
    row.outcome,
    row.reason,
    row.problems,
    row.counts,
    row.workspace_connector_pk,
    row.workspace_pk,
    row.sync_run_pk
  FROM wellspring.sync_messages_of_caller AS row
  WHERE row.outcome = :outcome_eq::VARCHAR
    AND row.kept_reason = :reason_eq::VARCHAR
    AND (row.workspace_pk IS NULL
    OR EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = row.workspace_pk
        AND there.deleted_at IS NULL
    ))
    AND row.outcome <> 'applied'
  ORDER BY row.received_at DESC, row.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *, (
    SELECT id
    FROM core_api.workspace_connectors
    WHERE pk = page.workspace_connector_pk
  ) AS workspace_connector_id, (
    SELECT id
    FROM core_api.workspaces
    WHERE pk = page.workspace_pk
  ) AS workspace_id, (
    SELECT id
    FROM wellspring.sync_runs
    WHERE pk = page.sync_run_pk
  ) AS sync_run_id
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
SELECT pk,
  id::text AS id,
  message_id::text AS message_id,
  message_type,
  direction,
  mode,
  run,
  occurred_at::text AS occurred_at,
  received_at::text AS received_at,
  processed_at::text AS processed_at,
  outcome,
  reason,
  problems,
  counts,
  workspace_connector_id::text AS workspace_connector_id,
  workspace_id::text AS workspace_id,
  sync_run_id::text AS sync_run_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('sync_message__sync_run', array_agg(sync_run_id))
  FROM shown
)
ORDER BY shown.received_at DESC, pk DESC
