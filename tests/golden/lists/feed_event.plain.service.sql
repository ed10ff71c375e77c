-- GET /v1/feed-events, for a service.
-- 509 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
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
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts.
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
