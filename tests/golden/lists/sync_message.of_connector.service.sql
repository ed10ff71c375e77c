-- GET /v1/sync-messages?filter[workspace_connector]=00000000-0000-0000-0000-000000000001, for a service.
-- 4,328 bytes as it is sent.

-- The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees
-- what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its
-- side effect: the row-level security policies get the caller's workspaces as a list (true: those of
-- memberships alone), so that they need not look up each row's.
WITH driver AS (
  SELECT parent.pk, parent.id, parent.workspace_pk
  FROM core_api.workspace_connectors AS parent
  WHERE parent.id = ANY(:workspace_connector_in::UUID[])
    AND EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = parent.workspace_pk
        AND there.deleted_at IS NULL
    )
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'applied'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'in_progress'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'parked'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'dismissed'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      )) AS merged
    ORDER BY head_at DESC, head_pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
-- The page: each driver is read along the same index, and their rows are merged. Of the k-th driver n - k + 1
-- rows at most: k - 1 first rows stand before its own. A row's other parent is looked up for each row that is
-- read, and must be of the driver's workspace; OFFSET 0 keeps the planner from joining them, which would read
-- and sort all, and `+ 0` from looking through a workspace. `updated_at` is as the indexes have it: a CASE,
-- since coalesce() is no index condition under row-level security (docs/adr/0029). :rows is the page's size
-- and one more, by which it is known that there are more; with a cursor two more, its row is read, too.
page AS (
  SELECT found.*, driver.id AS workspace_connector_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'applied'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'in_progress'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'parked'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
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
          row.workspace_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'dismissed'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      )) AS merged
    ORDER BY received_at DESC, pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.received_at DESC, found.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *, (
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
