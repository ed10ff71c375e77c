-- GET /v1/feed-events, for a service.
-- 509 bytes as it is sent.

-- The page: each driver is read along the same index, and their rows are merged. Of the k-th driver n - k + 1
-- rows at most: k - 1 first rows stand before its own. A row's other parent is looked up for each row that is
-- read, and must be of the driver's workspace; OFFSET 0 keeps the planner from joining them, which would read
-- and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.source,
    row.event_id,
    row.event_type,
    row.subject,
    row.version AS sequence,
    row.received_at,
    row.outcome,
    row.reason,
    row.problems
  FROM wellspring.pending_events AS row
  WHERE true
  ORDER BY row.received_at DESC, row.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *
  FROM page
)
-- What is answered, ids and times as text.
SELECT pk,
  id::text AS id,
  source,
  event_id,
  event_type,
  subject::text AS subject,
  sequence,
  received_at::text AS received_at,
  outcome,
  reason,
  problems
FROM shown
ORDER BY shown.received_at DESC, pk DESC
